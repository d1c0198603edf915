#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes demo.jpg, which the README shows: 24 prompts, each drawn once by the demo model, seed 1.

    ./dev exec data/pictures/make-sheet.py

Needs Pillow.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "models" / "demo" / "recipe"))
from prompts24 import SHEET  # noqa: E402

COLUMNS = 6
GAP = 4


def draw(prompt, path):
    """A picture by the command line."""
    subprocess.run(["zimage", "run", "demo", prompt, "--seed", "1", "-o", path], check=True, stdout=subprocess.DEVNULL)
    with Image.open(path) as image:
        return image.convert("RGB")


def main():
    """All of them, side by side."""
    with tempfile.TemporaryDirectory() as folder:
        images = [draw(prompt, Path(folder) / f"{i}.png") for i, prompt in enumerate(SHEET)]
    width, height = images[0].size
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for i, image in enumerate(images):
        sheet.paste(image, (i % COLUMNS * (width + GAP), i // COLUMNS * (height + GAP)))
    sheet.save(HERE / "demo.jpg", quality=92, subsampling=0)


if __name__ == "__main__":
    main()
