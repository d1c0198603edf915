# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text encoder and transformer together, by flow matching.

base    128 x 128 mostly, and other sizes
turbo   guidance distilled into the weights: the student learns what the average of the model before
        would have said with guidance, and needs none
"""

import copy

import torch
import torch.nn.functional as F

from common import (SEED, WORK, Average, Progress, Threads, autocast, contact_sheet, cosine, device,
                    load, save, to_images)
from judge import judge_images, load_prompts
from muon import Muon
from nets import Model, batch_ids, sample
from pool import Pool
from prompts24 import SHEET
from train_vae import make_vae, newest
from words import Words

# name, steps, rate, flat part, decay of the average
STAGES = {
    "base": (16000, 1.5e-3, 0.55, 0.998),
    "turbo": (800, 3e-4, 0.0, 0.98),
}
GUIDANCE = 2.0
SHIFT = 3.0
SHOW_EVERY = 1000
SAVE_EVERY = 250


def noised(latents, generator):
    """(noisy latents, sigma, velocity): sigmas spread evenly over the schedule's shift."""
    n = len(latents)
    u = (torch.arange(n) + torch.rand(n, generator=generator)) / n
    u = u[torch.randperm(n, generator=generator)]
    sigma = (SHIFT * u / (1 + (SHIFT - 1) * u)).to(latents.device)
    noise = torch.randn(latents.shape, generator=generator).to(latents.device)
    s = sigma[:, None, None, None]
    return s * noise + (1 - s) * latents, sigma, latents - noise


def pictures(model, vae, words, prompts, seeds, size=(128, 128), guidance=0.0, batch=16):
    """The pipeline's pictures of prompts, with its noise of seeds."""
    result = []
    empty = batch_ids([words.ids("")], device())
    for i in range(0, len(prompts), batch):
        part = prompts[i:i + batch]
        ids, lengths = batch_ids([words.ids(p) for p in part], device())
        noise = torch.stack([
            torch.randn(16, size[1] // 8, size[0] // 8, generator=torch.Generator().manual_seed(s))
            for s in seeds[i:i + batch]]).to(device())
        with torch.no_grad(), autocast():
            latents = sample(model, ids, lengths, noise, guidance=guidance, empty=empty)
            result += to_images(vae.decode(latents).sample)
    return result


def show(model, average, vae, words, progress, step, total, guidance):
    """Scores on prompts that training has not seen, and a sheet of others."""
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(average.values)
    model.eval()
    torch.set_num_threads(max(torch.get_num_threads(), 1))
    sheet = pictures(model, vae, words, SHEET, [1] * len(SHEET), guidance=guidance)
    contact_sheet(sheet, 6, WORK / f"{progress.stage}-sample.png")
    rules = load_prompts()[::4]
    made = pictures(model, vae, words, [r["prompt"] for r in rules], [r["seed"] for r in rules],
                    guidance=guidance)
    scores = judge_images(rules, made)
    model.load_state_dict(kept)
    model.train()
    progress.say(step, total, **scores)


def guided(teacher, noisy, sigma, ids, lengths, empty):
    """What the teacher says with guidance; for an empty caption without."""
    n = len(noisy)
    rows = ids.shape[1]
    features = teacher.text(ids)
    with_text = teacher.transformer(noisy, 1 - sigma, features, lengths)
    other = teacher.text(empty[0].expand(n, -1))
    if rows > other.shape[1]:
        other = F.pad(other, (0, 0, 0, rows - other.shape[1]))
    without = teacher.transformer(noisy, 1 - sigma, other, empty[1].expand(n))
    return with_text + GUIDANCE * (with_text - without)


def train(stage):
    """One stage; goes on where it stopped."""
    steps, rate, flat, decay = STAGES[stage]
    words = Words(WORK / "tokenizer.json")
    vae_state = newest()
    vae = make_vae().to(device())
    vae.load_state_dict(vae_state)
    vae.eval()
    torch.manual_seed(SEED)
    model = Model(words.size).to(device())
    if stage == "turbo":
        model.load_state_dict(load(WORK / "base.pt")["average"]["values"])
    teacher = copy.deepcopy(model).eval().requires_grad_(False) if stage == "turbo" else None
    optimizer = Muon(model, rate)
    average = Average(model, decay)
    first = 0
    state = load(WORK / f"{stage}.pt")
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.restore(state["average"])
        first = state["step"]
    if first >= steps:
        return
    pool = Pool(words, vae_state, first)
    generator = torch.Generator().manual_seed(SEED + first)
    empty = batch_ids([words.ids("")], device())
    progress = Progress(stage)
    threads = Threads()
    total_loss, seen = 0.0, 0
    for step in range(first, steps):
        threads.tick()
        latents, ids, lengths = pool.batch(step)
        noisy, sigma, wanted = noised(latents, generator)
        with autocast():
            if teacher:
                with torch.no_grad():
                    wanted = guided(teacher, noisy, sigma, ids, lengths, empty)
            loss = F.mse_loss(model(noisy, sigma, ids, lengths), wanted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(cosine(step, steps, 100, flat, 0.03))
        average.update(model)
        total_loss += loss.item()
        seen += 1
        if (step + 1) % 50 == 0:
            progress.say(step + 1, steps, loss=total_loss / seen, threads=torch.get_num_threads())
            total_loss, seen = 0.0, 0
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            save(WORK / f"{stage}.pt", {
                "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                "average": average.state(), "step": step + 1})
        if (step + 1) % SHOW_EVERY == 0 or step + 1 == steps:
            show(model, average, vae, words, progress, step + 1, steps, 0.0 if teacher else GUIDANCE)


if __name__ == "__main__":
    import sys

    from common import setup
    setup()
    train(sys.argv[1])
