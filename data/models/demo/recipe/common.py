# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the stages of the training share: the work folder, checkpoints, averages, pictures."""

import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

WORK = Path(os.environ.get("DEMO_WORK", "work"))
SEED = 20260101


def device():
    """Where to train."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16():
    """Whether products of bfloat16 are fast here; a processor without them is many times slower at it."""
    return device().type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def autocast():
    """bfloat16 products where they are fast; master weights stay f32."""
    return torch.autocast(device().type, torch.bfloat16, enabled=has_bfloat16())


def setup():
    """The same settings for all stages."""
    WORK.mkdir(parents=True, exist_ok=True)
    if device().type == "cpu":
        torch.set_num_threads(int(os.environ.get("DEMO_THREADS", os.cpu_count())))
    torch.manual_seed(SEED)


def save(path, data):
    """Write a checkpoint so that a stop in the middle leaves the old one."""
    path = Path(path)
    torch.save(data, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def load(path):
    """A checkpoint, or None."""
    path = Path(path)
    return torch.load(path, map_location=device(), weights_only=False) if path.exists() else None


class Average:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module, decay):
        self.decay = decay
        self.steps = 0
        self.values = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module):
        """One more step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        mine, theirs = [], []
        for name, value in module.state_dict().items():
            mine.append(self.values[name])
            theirs.append(value)
        torch._foreach_lerp_(mine, theirs, 1 - decay)

    def state(self):
        """For a checkpoint."""
        return {"steps": self.steps, "values": self.values}

    def restore(self, state):
        """From a checkpoint."""
        self.steps, self.values = state["steps"], state["values"]


def cosine(step, total, warmup, flat=0.0, floor=0.02):
    """Factor of the learning rate: rises, stays, falls."""
    if step < warmup:
        return (step + 1) / warmup
    start = flat * total
    if step < start:
        return 1.0
    part = min(1.0, (step - start) / max(1, total - start))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * part))


def to_tensor(images):
    """Pictures of one size to [n, 3, h, w] in [-1, 1]."""
    array = np.stack([np.asarray(image) for image in images])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_images(tensor):
    """The way back, as the pipeline rounds."""
    array = (tensor.float().clamp(-1, 1) * 0.5 + 0.5).mul(255).round().byte()
    return [Image.fromarray(a) for a in array.permute(0, 2, 3, 1).cpu().numpy()]


def contact_sheet(images, columns, path, gap=4):
    """Pictures side by side."""
    width = max(image.width for image in images)
    height = max(image.height for image in images)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for i, image in enumerate(images):
        sheet.paste(image, ((i % columns) * (width + gap), (i // columns) * (height + gap)))
    sheet.save(path)


class Progress:
    """Lines of progress, kept in a file too."""

    def __init__(self, stage):
        self.stage = stage
        self.start = time.time()
        self.log = WORK / "progress.jsonl"

    def say(self, step, total, **values):
        """One line."""
        line = {"stage": self.stage, "step": step, "of": total,
                "seconds": round(time.time() - self.start, 1)}
        line |= {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        print("  ".join(f"{k} {v}" for k, v in line.items()), flush=True)
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
