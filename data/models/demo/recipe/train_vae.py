# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stage 1: the autoencoder. Small crops first, which are cheap, then whole pictures.

Its norms take all channels as one group: colours of flat areas survive that, where eight groups lose a part of each
(1.7 dB after the same time). Its latents end half whitened, by a matrix folded into the convolutions at the border:
the encoder's last and the decoder's first.
"""

import random

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from common import (SEED, WORK, Average, Progress, autocast, contact_sheet, cosine,
                    device, load, save, to_images, to_tensor)
from drawing import draw
from muon import Muon
from scenes import compose

STEPS = 4000
CROPS = 0.4  # of the steps; the others see whole pictures, as in crops norms see another mean
RATE = 2e-3
CHANNELS = 16


def make_vae():
    """An AutoencoderKL of about a million parameters."""
    return AutoencoderKL(
        block_out_channels=[32, 32, 64, 64], layers_per_block=1, norm_num_groups=1,
        latent_channels=CHANNELS, down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, use_quant_conv=False, use_post_quant_conv=False,
        scaling_factor=1.0, shift_factor=0.0, sample_size=256, force_upcast=False,
    ).to(memory_format=torch.channels_last)


def start_quietly(vae):
    """Little noise in the latents at first: the untrained logvar is small and nearly constant."""
    with torch.no_grad():
        vae.encoder.conv_out.weight[CHANNELS:] *= 0.1
        vae.encoder.conv_out.bias[CHANNELS:] = -5.0


def crops(rng, count=12, size=64):
    """Crops of pictures of many sizes, more of them where something is."""
    result = []
    while len(result) < count:
        side = rng.choice([160, 192, 224, 256, 256, 288])
        image = draw(compose(rng), rng, side, side)
        for _ in range(4):
            best = None
            for _ in range(rng.choice([1, 2, 3])):
                x, y = rng.randrange(side - size + 1), rng.randrange(side - size + 1)
                part = image.crop((x, y, x + size, y + size))
                spread = sum(b - a for a, b in part.getextrema())
                if best is None or spread > best[0]:
                    best = (spread, part)
            result.append(best[1])
    return to_tensor(result)


def wholes(rng):
    """Whole pictures of one of the sizes people ask for."""
    width, height, count = rng.choice([(128, 128, 3)] * 7 + [(192, 128, 2), (128, 192, 2), (192, 192, 1),
                                                             (256, 256, 1), (256, 192, 1), (192, 256, 1)])
    return to_tensor([draw(compose(rng), rng, width, height) for _ in range(count)])


def edges(x):
    """Differences to the right and downwards."""
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def picture_loss(made, wanted):
    """Nearness of pixels and of edges."""
    loss = F.l1_loss(made, wanted) + 0.5 * F.mse_loss(made, wanted)
    return loss + sum(0.5 * F.l1_loss(a, b) for a, b in zip(edges(made), edges(wanted)))


def psnr(vae, images):
    """Decibels of the way through the latents' means."""
    with torch.no_grad(), autocast():
        made = vae.decode(vae.encode(images).latent_dist.mean).sample.float().clamp(-1, 1)
    error = ((made - images) / 2).pow(2).mean(dim=(1, 2, 3))
    return (-10 * torch.log10(error)).mean().item(), made


def test_images(count=12, side=128):
    """Always the same pictures."""
    rng = random.Random(SEED + 1)
    return to_tensor([draw(compose(rng), rng, side, side) for _ in range(count)]).to(device())


def show(vae, average, progress, step, total):
    """Scores and pictures of the average."""
    kept = {k: v.clone() for k, v in vae.state_dict().items()}
    vae.load_state_dict(average.values)
    images = test_images()
    value, made = psnr(vae, images)
    pairs = [x for pair in zip(to_images(images), to_images(made)) for x in pair]
    contact_sheet(pairs, 6, WORK / f"{progress.stage}-sample.png")
    vae.load_state_dict(kept)
    progress.say(step, total, psnr=value)


def train_step(vae, images, noise=True):
    """The loss of a batch."""
    with autocast():
        spread = vae.encode(images).latent_dist
        mean, logvar = spread.mean.float(), spread.logvar.float()
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar) if noise else mean
        made = vae.decode(z).sample
    kl = 0.5 * (mean.pow(2) + logvar.exp() - 1 - logvar).sum() / len(images)
    centre = mean.mean(dim=(0, 2, 3)).pow(2).mean()
    return picture_loss(made.float(), images) + 1e-6 * kl + 1e-3 * centre


def half_whiten(vae):
    """Turn the latents into their principal axes, with the square roots of their spreads.

    Full whitening would make the faint channels, which hold detail, as loud as the colours.
    """
    rng = random.Random(SEED + 2)
    rows = []
    with torch.no_grad():
        for _ in range(40):
            images = to_tensor([draw(compose(rng), rng, 192, 192) for _ in range(4)]).to(device())
            mean = vae.encode(images).latent_dist.mean
            rows.append(mean.permute(0, 2, 3, 1).reshape(-1, CHANNELS))
        rows = torch.cat(rows).double()
        centre = rows.mean(0)
        values, axes = torch.linalg.eigh(torch.cov(rows.T))
        scale = values.clamp(min=1e-6).pow(-0.25)
        scale /= (values * scale * scale).mean().sqrt()
        forth = (axes * scale).T
        back = torch.linalg.inv(forth)
        out, into = vae.encoder.conv_out, vae.decoder.conv_in
        weight = out.weight[:CHANNELS].double()
        out.weight[:CHANNELS] = torch.einsum("ij,jkyx->ikyx", forth, weight).float()
        out.bias[:CHANNELS] = (forth @ out.bias[:CHANNELS].double()).float()
        out.weight[CHANNELS:] = 0
        out.bias[CHANNELS:] = -6.0
        into.weight.copy_(torch.einsum("ojyx,ji->oiyx", into.weight.double(), back).float())
    spread = (values * scale * scale).sqrt().tolist()
    print("latent spreads", " ".join(f"{v:.2f}" for v in spread), flush=True)
    print("latent means", " ".join(f"{v:.2f}" for v in (forth @ centre).tolist()), flush=True)


def train(steps=None):
    """Stage 1; nothing to do where its end is there."""
    if (WORK / "vae-final.pt").exists():
        return
    steps = steps or STEPS
    path = WORK / "vae.pt"
    vae = make_vae()
    start = load(WORK / "vae-start.pt")
    if start:
        vae.load_state_dict(start)
    else:
        start_quietly(vae)
    vae.to(device())
    optimizer = Muon(vae, RATE, decay=0.0)
    average = Average(vae, 0.997)
    progress = Progress("vae")
    first = 0
    state = load(path)
    if state:
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.restore(state["average"])
        first = state["step"]
    for step in range(first, steps):
        rng = random.Random(SEED * 7 + step)
        images = (crops(rng) if not start and step < CROPS * steps else wholes(rng)).to(device())
        loss = train_step(vae, images)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step(cosine(step, steps, 60, 0.3))
        average.update(vae)
        if (step + 1) % 50 == 0:
            progress.say(step + 1, steps, loss=loss.item())
        if (step + 1) % 200 == 0 or step + 1 == steps:
            show(vae, average, progress, step + 1, steps)
            save(path, {"model": vae.state_dict(), "optimizer": optimizer.state_dict(),
                        "average": average.state(), "step": step + 1})
    vae.load_state_dict(average.values)
    vae.eval()
    if not start:
        half_whiten(vae)
    print("psnr", psnr(vae, test_images())[0], flush=True)
    save(WORK / "vae-final.pt", vae.state_dict())


def newest():
    """The weights of the autoencoder as far as it is trained."""
    names = ("vae-finished.pt", "vae-final.pt", "vae-start.pt")
    return load(next(WORK / name for name in names if (WORK / name).exists()))


if __name__ == "__main__":
    from common import setup
    setup()
    train()
