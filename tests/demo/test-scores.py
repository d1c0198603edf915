# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does a picture of the demo model show what its prompt says?

Of the prompts, whose combinations training never saw, every DEMO_EVERY-th is drawn: 10 unless the environment says
another number.
"""

import os
import unittest

import tap
from drawing_with_demo import draw, say
from judge import judge, judge_images, load_prompts

EVERY = int(os.environ.get("DEMO_EVERY", "10"))
RULES = load_prompts()


class Scores(unittest.TestCase):
    def test_prompts(self):
        """Colours, background, count and place of prompts that training never saw."""
        rules = RULES[::EVERY]
        images = [draw(f"prompt-{i * EVERY:03}", rule["prompt"], rule["seed"]) for i, rule in enumerate(rules)]
        for rule, image in zip(rules, images):
            wrong = [name for name, right in judge(rule["expect"], image).items() if not right]
            if wrong:
                say(f"{rule['prompt']!r}, seed {rule['seed']}: wrong {', '.join(wrong)}")
        scores = judge_images(rules, images)
        for name, score in scores.items():
            asked = sum(name in rule["expect"] for rule in rules)
            say(f"{name:12} {100 * score:5.1f} %" + (f" of {asked}" if asked else ""))
        self.assertGreaterEqual(scores["overall"], 0.9)
        for name in ("colour", "background", "count", "place"):
            self.assertGreaterEqual(scores[name], 0.85, name)

    def test_sizes(self):
        """Other sizes and shapes show the same thing."""
        for width, height in [(128, 192), (256, 256), (384, 256), (192, 320)]:
            with self.subTest(f"{width}x{height}"):
                image = draw(f"size-{width}x{height}", "a red circle on a blue background", 3,
                             "--size", f"{width}x{height}")
                self.assertEqual(image.size, (width, height))
                answers = judge({"colour": "red", "background": "blue", "count": 1}, image)
                self.assertEqual(answers, {"background": True, "colour": True, "count": True})


tap.main()
