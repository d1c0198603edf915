# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does the demo model still show what its prompts say when its weights have fewer bits?

Of the prompts every DEMO_EVERY-th is drawn, as in test-scores.py, with the weights as they are and with each type.
"""

import os
import shutil
import subprocess
import tempfile
import unittest

import tap
from drawing_with_demo import MODEL, draw, say
from judge import judge_images, load_prompts

EVERY = int(os.environ.get("DEMO_EVERY", "10"))
RULES = load_prompts()[::EVERY]
POINTS = 0.03  # that a type may lose


def scores_of(kind, model):
    """The part of right answers, by rule and over all."""
    images = [draw(f"{kind}-{i * EVERY:03}", rule["prompt"], rule["seed"], model=model)
              for i, rule in enumerate(RULES)]
    scores = judge_images(RULES, images)
    say(f"{kind:5} " + "  ".join(f"{name} {100 * score:.1f} %" for name, score in scores.items()))
    return scores


class Quantized(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store = tempfile.mkdtemp()
        os.environ["ZIMAGE_MODELS"] = cls.store
        cls.expected = scores_of("bf16", MODEL)["overall"]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.store)

    def check(self, kind):
        """Make a model of the type, and let it draw."""
        subprocess.run([os.environ["ZIMAGE"], "create", kind, "-f", MODEL, "--quantize", kind], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertGreaterEqual(scores_of(kind, kind)["overall"], self.expected - POINTS)

    def test_fp8(self):
        self.check("fp8")

    def test_q8_0(self):
        self.check("q8_0")

    def test_q4_0(self):
        self.check("q4_0")


tap.main()
