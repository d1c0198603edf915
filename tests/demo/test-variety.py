# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do two seeds of the demo model give two pictures, and does another word change what it should, and nothing else?"""

import os
import unittest

import numpy as np

import tap
from drawing_with_demo import draw, levels, say
from judge import DISTANCE, border_colour, judge
from prompts24 import SHEET

EVERY = int(os.environ.get("DEMO_EVERY", "10"))
LEVELS = 8  # that two seeds differ by at least
# What the sheet's prompts expect, where rules can judge it.
EXPECT = {
    "a red circle on a blue background": {"colour": "red", "background": "blue", "count": 1},
    "three purple hearts on a white background": {"colour": "purple", "background": "white", "count": 3},
    "a pink balloon on the right on a grey background": {"colour": "pink", "background": "grey", "place": "right"},
    "an orange fish on a blue background": {"colour": "orange", "background": "blue"},
    "a yellow butterfly at the top on a purple background":
        {"colour": "yellow", "background": "purple", "place": "top"},
    "four white moons on a black background": {"colour": "white", "background": "black", "count": 4},
}
SWAPS = [
    ("a {} circle on a white background", "white", "red", "blue"),
    ("a {} star on a grey background", "grey", "yellow", "purple"),
    ("a {} heart on a black background", "black", "pink", "green"),
    ("a {} square on a yellow background", "yellow", "blue", "red"),
    ("a {} cat on a green background", "green", "white", "black"),
    ("a {} balloon on a brown background", "brown", "orange", "purple"),
    ("a {} fish on a pink background", "pink", "blue", "green"),
    ("a {} car on a white background", "white", "red", "grey"),
]


def is_right(prompt, image):
    """Whether it shows everything that is expected."""
    return all(judge(EXPECT.get(prompt, {}), image).values())


class Variety(unittest.TestCase):
    def test_seeds(self):
        """Two seeds give two pictures, both right."""
        prompts = SHEET[::1 if EVERY == 1 else 3]
        good = 0
        for i, prompt in enumerate(prompts):
            first, second = (draw(f"seed-{i:02}-{seed}", prompt, seed) for seed in (1, 2))
            difference = np.abs(levels(first) - levels(second)).mean()
            right = is_right(prompt, first), is_right(prompt, second)
            if difference > LEVELS and all(right):
                good += 1
            else:
                say(f"{prompt!r}: {difference:.1f} levels between the seeds, right: {right}")
        say(f"{good} of {len(prompts)} prompts")
        self.assertGreaterEqual(good, len(prompts) * 22 // 24)

    def test_colour_words(self):
        """Another colour word changes the subject and leaves the background."""
        for i, (prompt, background, *colours) in enumerate(SWAPS[::1 if EVERY == 1 else 3]):
            with self.subTest(prompt):
                images = [draw(f"colour-{i}-{c}", prompt.format(c), 7) for c in colours]
                for colour, image in zip(colours, images):
                    answers = judge({"colour": colour, "background": background}, image)
                    self.assertEqual(answers, {"colour": True, "background": True}, colour)
                first, second = (levels(image) for image in images)
                behind = np.abs(first - border_colour(first)).max(-1) < DISTANCE / 2
                kept = (np.abs(first - second).max(-1)[behind] <= 16).mean()
                say(f"{prompt.format('/'.join(colours))!r}: {100 * kept:.0f} % of the background stays")
                self.assertGreaterEqual(kept, 0.7)


tap.main()
