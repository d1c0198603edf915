# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo model through the command line: found by its name, the same pictures as diffusers makes."""

import os
import subprocess
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

import tap
from drawing_with_demo import FOLDER, draw, levels, say

EXPECTED = Path(__file__).resolve().parent / "expected"


class Demo(unittest.TestCase):
    def test_name(self):
        """Where the data folder is known, its name is enough."""
        path = FOLDER / "name.png"
        subprocess.run([os.environ["ZIMAGE"], "run", "demo", "a white cat", "--seed", "1", "-o", path], check=True,
                       stdout=subprocess.DEVNULL)
        with Image.open(path) as image:
            self.assertTrue((levels(image.convert("RGB")) == levels(draw("path", "a white cat", 1))).all())

    def test_reference(self):
        """The same pictures as diffusers makes (tests/reference/demo.py)."""
        paths = sorted(EXPECTED.glob("*.png"))
        self.assertGreaterEqual(len(paths), 3)
        for path in paths:
            with self.subTest(path.stem), Image.open(path) as expected:
                image = draw(f"reference-{path.stem}", expected.text["prompt"], int(expected.text["seed"]),
                             "--precision", "f32")
                near = np.abs(levels(image) - levels(expected.convert("RGB"))) <= 1
                say(f"{path.stem}: {100 * near.mean():.3f} % of the values within 1")
                self.assertGreaterEqual(near.mean(), 0.999)


tap.main()
