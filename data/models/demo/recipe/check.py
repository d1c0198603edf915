#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws with the project's own program and judges: held-out prompts, seeds, colour words.

Needs numpy and Pillow only.

Usage: check.py PROGRAM MODEL FOLDER [EVERY]    PROGRAM is zimage; pictures go to FOLDER; of the 200
                                                prompts every EVERYth is drawn
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from judge import DISTANCE, border_colour, judge, judge_images, load_prompts
from prompts24 import SHEET

SWAPS = [
    ("a {} circle on a white background", "red", "blue"),
    ("a {} star on a grey background", "yellow", "purple"),
    ("a {} heart on a black background", "pink", "green"),
    ("a {} square on a yellow background", "blue", "red"),
    ("a {} cat on a green background", "white", "black"),
    ("a {} balloon on a brown background", "orange", "purple"),
    ("a {} fish on a pink background", "blue", "green"),
    ("a {} car on a white background", "red", "grey"),
]
WORDS = {"red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
         "grey"}


class Artist:
    """Runs the program."""

    def __init__(self, program, model, folder):
        self.program, self.model, self.folder = program, model, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def draw(self, prompt, seed, name):
        """A picture."""
        path = self.folder / f"{name}.png"
        subprocess.run([self.program, "run", self.model, prompt, "--seed", str(seed), "-o", str(path)],
                       check=True, stdout=subprocess.DEVNULL)
        with Image.open(path) as image:
            return image.convert("RGB")


def pixels(image):
    """As numbers."""
    return np.asarray(image, dtype=np.float32)


def check_prompts(artist, every):
    """Shares of right answers on prompts that training never saw."""
    rules = load_prompts()[::every]
    images = [artist.draw(r["prompt"], r["seed"], f"{i * every:03d}") for i, r in enumerate(rules)]
    for rule, image in zip(rules, images):
        wrong = [name for name, right in judge(rule["expect"], image).items() if not right]
        if wrong:
            print(f"{rule['prompt']!r} ({rule['seed']}): wrong {', '.join(wrong)}")
    for name, score in judge_images(rules, images).items():
        print(f"{name:12} {100 * score:5.1f} %")


def check_seeds(artist):
    """How much two seeds of a prompt differ."""
    different = 0
    for i, prompt in enumerate(SHEET):
        first, second = (pixels(artist.draw(prompt, seed, f"seed-{i:02d}-{seed}")) for seed in (1, 2))
        levels = np.abs(first - second).mean()
        different += levels > 8
        if levels <= 8:
            print(f"{prompt!r}: seeds differ by {levels:.1f} levels")
    print(f"seeds        {different} of {len(SHEET)} prompts differ by more than 8 levels")


def check_swaps(artist):
    """Whether another colour word changes the subject and leaves the background."""
    good = 0
    for i, (prompt, one, other) in enumerate(SWAPS):
        words = prompt.split()
        background = next(word for word in words if word in WORDS)
        images = {c: artist.draw(prompt.format(c), 7, f"swap-{i}-{c}") for c in (one, other)}
        right = all(judge({"colour": c, "background": background}, image)["colour"]
                    for c, image in images.items())
        first, second = (pixels(image) for image in images.values())
        behind = (np.abs(first - border_colour(first)).max(-1) < DISTANCE / 2)
        kept = (np.abs(first - second).max(-1)[behind] <= 16).mean()
        good += right and kept >= 0.7
        print(f"{prompt.format(one + '/' + other)!r}: {100 * kept:.0f} % of the background stays"
              + ("" if right else ", a colour is wrong"))
    print(f"colour words {good} of {len(SWAPS)}")


def main():
    """See above."""
    artist = Artist(*sys.argv[1:4])
    check_prompts(artist, int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    check_seeds(artist)
    check_swaps(artist)


if __name__ == "__main__":
    main()
