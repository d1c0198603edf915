# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drawing with the demo model through the command line. Pictures stay in DEMO_FOLDER. Needs numpy and Pillow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

MODEL = Path(os.environ["DEMO_MODEL"])
FOLDER = Path(os.environ["DEMO_FOLDER"])

FOLDER.mkdir(parents=True, exist_ok=True)
sys.path.insert(0, str(MODEL / "recipe")) # for judge and prompts24


def draw(name, prompt, seed, *options, model=MODEL):
    """A picture by the program."""
    path = FOLDER / f"{name}.png"
    command = [os.environ["ZIMAGE"], "run", str(model), prompt, "--seed", str(seed), "-o", str(path), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with Image.open(path) as image:
        return image.convert("RGB")


def levels(image):
    """Its pixels as numbers from 0 to 255."""
    return np.asarray(image, dtype=np.float32)


def say(text):
    """A line that the log keeps."""
    print(f"# {text}", flush=True)
