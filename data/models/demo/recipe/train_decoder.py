# SPDX-License-Identifier: LGPL-2.1-or-later
"""The last stage: the decoder learns to make clean pictures of the latents that the transformer makes.

Pictures are encoded and noised in part, and the distilled model takes the noise away again: what it makes of them is
its own, with its own faults, and near enough to the picture to be compared with it. The encoder stays as it is.
"""

import random

import torch

from captions import say
from common import SEED, WORK, Average, Progress, autocast, cosine, device, load, save, to_tensor
from drawing import draw
from muon import Muon
from nets import Model, batch_ids, denoise
from scenes import compose
from train_vae import RATE, make_vae, newest, picture_loss, show
from words import Words

STEPS = 800
SIZES = [(128, 128, 4)] * 6 + [(192, 128, 2), (128, 192, 2), (192, 192, 1), (256, 256, 1)]
NOISE = (0.25, 0.5)  # sigmas from which the model begins
DENOISING = 3  # steps


def batch(rng, words):
    """Pictures with the ids of their captions."""
    width, height, count = rng.choice(SIZES)
    scenes = [compose(rng) for _ in range(count)]
    images = to_tensor([draw(scene, rng, width, height) for scene in scenes]).to(device())
    return images, *batch_ids([words.ids(say(scene, rng.random())) for scene in scenes], device())


@torch.no_grad()
def remade(model, latents, ids, lengths, rng):
    """Half of the latents as the model makes them from a noisy form, half as they are."""
    half = (len(latents) + 1) // 2
    sigma = rng.uniform(*NOISE)
    part = latents[:half]
    noisy = sigma * torch.randn_like(part) + (1 - sigma) * part
    sigmas = [sigma * (1 - i / DENOISING) for i in range(DENOISING + 1)]
    made = denoise(model, ids[:half], lengths[:half], noisy, sigmas)
    return torch.cat([made, latents[half:] + 0.03 * torch.randn_like(latents[half:])])


def train(steps=None):
    """The stage; goes on where it stopped."""
    steps = steps or STEPS
    words = Words(WORK / "tokenizer.json")
    model = Model(words.size).to(device())
    model.load_state_dict(load(WORK / "turbo.pt")["average"]["values"])
    model.eval().requires_grad_(False)
    vae = make_vae().to(device())
    vae.load_state_dict(newest())
    vae.encoder.requires_grad_(False)
    optimizer = Muon(vae.decoder, 0.5 * RATE, decay=0.0)
    average = Average(vae, 0.995)
    progress = Progress("decoder")
    first = 0
    state = load(WORK / "decoder.pt")
    if state:
        vae.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.restore(state["average"])
        first = state["step"]
    for step in range(first, steps):
        rng = random.Random(SEED * 23 + step)
        images, ids, lengths = batch(rng, words)
        with autocast():
            with torch.no_grad():
                latents = vae.encode(images).latent_dist.mean.float()
            made = vae.decode(remade(model, latents, ids, lengths, rng)).sample
        loss = picture_loss(made.float(), images)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        optimizer.step(cosine(step, steps, 60, 0.3))
        average.update(vae)
        if (step + 1) % 50 == 0:
            progress.say(step + 1, steps, loss=loss.item())
        if (step + 1) % 200 == 0 or step + 1 == steps:
            show(vae, average, progress, step + 1, steps)
            save(WORK / "decoder.pt", {"model": vae.state_dict(), "optimizer": optimizer.state_dict(),
                                       "average": average.state(), "step": step + 1})
    if first < steps:
        save(WORK / "vae-finished.pt", average.values)
