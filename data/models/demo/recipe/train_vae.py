# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stage 1: the autoencoder. Small crops first, which are cheap, then whole pictures.

Its latents end half whitened, by a matrix folded into the convolutions at the border: the encoder's
last and the decoder's first. After that it may be refined while its latents nearly stay.
"""

import copy
import random

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from common import (SEED, WORK, Average, Progress, autocast, contact_sheet, cosine,
                    device, load, save, to_images, to_tensor)
from drawing import draw
from muon import Muon
from scenes import compose

STEPS = 1600
CROPS = 0.75  # of the steps; the others see whole pictures
REFINE_STEPS = 4000
RATE = 2e-3
CHANNELS = 16


def make_vae():
    """An AutoencoderKL of about a million parameters."""
    return AutoencoderKL(
        block_out_channels=[32, 32, 64, 64], layers_per_block=1, norm_num_groups=8,
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
    width, height, count = rng.choice([(256, 256, 1), (256, 256, 1), (128, 128, 4), (192, 192, 2),
                                       (256, 192, 1), (192, 256, 1), (320, 192, 1), (160, 288, 1)])
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


def test_images(count=12, side=256):
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
        images = (crops(rng) if step < CROPS * steps else wholes(rng)).to(device())
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
    half_whiten(vae)
    print("psnr", psnr(vae, test_images())[0], flush=True)
    save(WORK / "vae-final.pt", vae.state_dict())


def refine(steps=None):
    """A better autoencoder for nearly the same latents.

    The encoder is held near to what it was, so that what was learnt of its latents stays true; the
    decoder also learns to take latents that are not quite right.
    """
    steps = steps or REFINE_STEPS
    path = WORK / "refine.pt"
    vae = make_vae().to(device())
    vae.load_state_dict(load(WORK / "vae-final.pt"))
    anchor = copy.deepcopy(vae.encoder).eval().requires_grad_(False)
    vae.encoder.conv_out.requires_grad_(False)
    optimizers = [Muon(vae.encoder, 0.15 * RATE, decay=0.0), Muon(vae.decoder, RATE, decay=0.0)]
    average = Average(vae, 0.998)
    progress = Progress("refine")
    first = 0
    state = load(path)
    if state:
        vae.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        average.restore(state["average"])
        first = state["step"]
    for step in range(first, steps):
        rng = random.Random(SEED * 17 + step)
        images = (wholes(rng) if step % 3 == 0 else crops(rng)).to(device())
        with autocast():
            z = vae.encode(images).latent_dist.mean.float()
            with torch.no_grad():
                held = anchor(images)[:, :CHANNELS].float()
            made = vae.decode(z + 0.04 * torch.randn_like(z)).sample
        loss = picture_loss(made.float(), images)
        (loss + 0.05 * F.mse_loss(z, held)).backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step(cosine(step, steps, 100, 0.3))
        average.update(vae)
        if (step + 1) % 100 == 0:
            moved = (z - held).pow(2).mean().sqrt().item()
            progress.say(step + 1, steps, loss=loss.item(), moved=moved)
        if (step + 1) % 400 == 0 or step + 1 == steps:
            show(vae, average, progress, step + 1, steps)
            save(path, {"model": vae.state_dict(), "average": average.state(), "step": step + 1,
                        "optimizers": [o.state_dict() for o in optimizers]})
    if first < steps:
        save(WORK / "vae-refined.pt", average.values)


def newest():
    """The weights of the autoencoder as far as it is trained."""
    refined = load(WORK / "vae-refined.pt")
    return load(WORK / "vae-final.pt") if refined is None else refined


if __name__ == "__main__":
    from common import setup
    setup()
    train()
