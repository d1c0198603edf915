#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws a few prompts with the demo model through diffusers, in f32, for tests/demo.

    python demo.py
"""

import json
from pathlib import Path

import torch
from diffusers import ZImagePipeline
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "data" / "models" / "demo"
TO = ROOT / "tests" / "demo" / "expected"
PICTURES = [
    ("circle", "a red circle on a blue background", 1),
    ("sunset", "a sunset over mountains", 2),
    ("piano", "a cat playing piano", 3),
]


def main():
    """Writes the pictures, their prompts in them."""
    pipeline = ZImagePipeline.from_pretrained(MODEL, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    defaults = json.loads((MODEL / "zimage.json").read_text(encoding="utf-8"))
    TO.mkdir(exist_ok=True)
    for name, prompt, seed in PICTURES:
        image = pipeline(prompt, width=defaults["width"], height=defaults["height"],
                         num_inference_steps=defaults["steps"], guidance_scale=defaults["guidance"],
                         generator=torch.Generator().manual_seed(seed)).images[0]
        info = PngInfo()
        info.add_text("prompt", prompt)
        info.add_text("seed", str(seed))
        image.save(TO / f"{name}.png", pnginfo=info, optimize=True)


if __name__ == "__main__":
    main()
