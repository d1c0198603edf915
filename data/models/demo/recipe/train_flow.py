# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text encoder and transformer together, by flow matching.

base    128 x 128 mostly, and other sizes
turbo   guidance distilled into the weights: the student learns what the average of the model before
        would have said with guidance, and needs none
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from common import (SEED, WORK, Average, Progress, autocast, contact_sheet, cosine, device,
                    load, save, setup, to_images)
from judge import judge_images, load_prompts
from muon import Muon
from nets import Model, batch_ids, sample
from pool import Pool
from prompts24 import SHEET
from team import Team, size
from train_vae import make_vae, newest
from words import Words


@dataclass
class Plan:
    """What a stage is to do."""

    steps: int
    rate: float
    flat: float   # the part of the steps before the rate falls
    decay: float  # of the average


PLANS = {
    "base": Plan(16000, 1.5e-3, 0.55, 0.998),
    "turbo": Plan(800, 3e-4, 0.0, 0.98),
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


def beginning(stage):
    """The weights that a stage begins with, or None."""
    return load(WORK / "base.pt")["average"]["values"] if stage == "turbo" else load(WORK / "start.pt")


def make_teacher(stage, words):
    """Who the student of guidance learns from; other stages have none."""
    if stage != "turbo":
        return None
    teacher = Model(words.size).to(device())
    teacher.load_state_dict(beginning(stage))
    return teacher.eval().requires_grad_(False)


class Records:
    """What the first process alone does: the average, checkpoints, progress, samples."""

    def __init__(self, stage, plan, model, optimizer, words):
        self.stage, self.model, self.optimizer, self.words = stage, model, optimizer, words
        self.steps = plan.steps
        self.average = Average(model, plan.decay)
        self.progress = Progress(stage)
        self.vae = make_vae().to(device())
        self.vae.load_state_dict(newest())
        self.vae.eval()
        self.losses = []

    def restore(self):
        """Go on from a checkpoint; the number of the next step."""
        state = load(WORK / f"{self.stage}.pt")
        if not state:
            return 0
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.restore(state["average"])
        return state["step"]

    def add(self, done, loss):
        """After a step."""
        self.average.update(self.model)
        self.losses.append(loss)
        if done % 50 == 0:
            self.progress.say(done, self.steps, loss=sum(self.losses) / len(self.losses))
            self.losses = []
        if done % SAVE_EVERY == 0 or done == self.steps:
            save(WORK / f"{self.stage}.pt", {
                "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                "average": self.average.state(), "step": done})

    def show(self, done):
        """Samples, while nobody else uses the model."""
        guidance = 0.0 if self.stage == "turbo" else GUIDANCE
        show(self.model, self.average, self.vae, self.words, self.progress, done, self.steps, guidance)


def work(rank, team, stage, model, buffers, first, plan, records=None):
    """The steps of a stage in one of the processes."""
    if records is None:
        setup()
        torch.set_num_threads(1)
    words = Words(WORK / "tokenizer.json")
    teacher = make_teacher(stage, words)
    optimizer = records.optimizer if records else Muon(model, plan.rate, rank=rank, ranks=team.ranks)
    optimizer.buffers = buffers
    pool = Pool(words, newest(), first, rank, team.ranks)
    generator = torch.Generator().manual_seed(SEED + first + rank * 1000003)
    empty = batch_ids([words.ids("")], device())
    parameters = list(model.parameters())
    for step in range(first, plan.steps):
        latents, ids, lengths = pool.batch(step)
        noisy, sigma, wanted = noised(latents, generator)
        with autocast():
            if teacher:
                with torch.no_grad():
                    wanted = guided(teacher, noisy, sigma, ids, lengths, empty)
            loss = F.mse_loss(model(noisy, sigma, ids, lengths), wanted)
        loss.backward()
        if team.ranks > 1:
            team.average(rank, parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step(cosine(step, plan.steps, 100, plan.flat, 0.03))
        team.wait()
        done = step + 1
        if records:
            records.add(done, loss.item())
        if done % SHOW_EVERY == 0 or done == plan.steps:
            team.wait()
            if records:
                records.show(done)
            team.wait()


def train(stage, steps=None):
    """One stage, in so many steps or the usual number; goes on where it stopped."""
    plan = replace(PLANS[stage], steps=steps) if steps else PLANS[stage]
    words = Words(WORK / "tokenizer.json")
    torch.manual_seed(SEED)
    model = Model(words.size).to(device())
    start = beginning(stage)
    if start:
        model.load_state_dict(start)
    ranks = size()
    optimizer = Muon(model, plan.rate, ranks=ranks)
    records = Records(stage, plan, model, optimizer, words)
    first = records.restore()
    if first >= plan.steps:
        return
    team = Team(model, ranks)
    buffers = [buffer.share_memory_() for buffer in optimizer.buffers]
    team.start(work, stage, model, buffers, first, plan)
    work(0, team, stage, model, buffers, first, plan, records)
    team.stop()


if __name__ == "__main__":
    import sys

    setup()
    train(sys.argv[1])
