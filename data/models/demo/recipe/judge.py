# SPDX-License-Identifier: LGPL-2.1-or-later
"""Judges pictures of held-out prompts by their pixels.

A rule looks at one of four things:

background  the median colour of the picture's border is nearest to the named one
colour      most pixels that differ from the background are nearest to the named colour
count       there are so many parts that hang together
place       the middle of what differs from the background lies there

prompts.json holds the prompts with their seeds and what each rule expects. Needs numpy and Pillow only.

Usage: judge.py FOLDER   (pictures named 000.png ... in the order of prompts.json)
       judge.py --make   (writes prompts.json)
       judge.py --draw   (judges our own drawings: the rules' own score)
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from palette import COLOURS

PROMPTS = Path(__file__).resolve().parent / "prompts.json"
RULES = ["colour", "background", "count", "place"]
BORDER = 0.06
DISTANCE = 45
SMALLEST = 0.004
NAMES = list(COLOURS)
PALETTE = np.array([COLOURS[name] for name in NAMES], dtype=np.float32)
# Shown with most of their area in one colour, and in one piece.
JUDGED = ["circle", "square", "triangle", "star", "heart", "diamond", "ring", "moon", "cloud",
          "balloon", "apple", "fish", "butterfly", "cat", "dog", "rabbit", "bear", "car", "mushroom",
          "umbrella", "flower"]
COUNTED = ["circle", "square", "triangle", "star", "heart", "diamond", "ring", "moon", "apple",
           "fish", "balloon", "cloud"]
PLACED = COUNTED + ["butterfly", "umbrella"]


def load_prompts():
    """The prompts and what is expected of their pictures."""
    return json.loads(PROMPTS.read_text(encoding="utf-8"))


def border_colour(pixels):
    """Median of a frame."""
    height, width = pixels.shape[:2]
    b = max(2, round(BORDER * min(height, width)))
    frame = np.concatenate([pixels[:b].reshape(-1, 3), pixels[-b:].reshape(-1, 3),
                            pixels[:, :b].reshape(-1, 3), pixels[:, -b:].reshape(-1, 3)])
    return np.median(frame, axis=0)


def nearest(pixels):
    """Index of the nearest named colour of each pixel."""
    return ((pixels[..., None, :] - PALETTE) ** 2).sum(-1).argmin(-1)


def parts(mask):
    """Sizes of the parts of a mask that hang together (4 neighbours), largest first."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        before = labels.copy()
        for axis in (0, 1):
            for flip in (False, True):
                view = labels if axis == 0 else labels.T
                view = view[::-1] if flip else view
                for i in range(1, len(view)):
                    both = (view[i] > 0) & (view[i - 1] > 0)
                    view[i] = np.where(both, np.maximum(view[i], view[i - 1]), view[i])
        if (labels == before).all():
            break
    sizes = np.unique(labels[labels > 0], return_counts=True)[1]
    return sorted(sizes.tolist(), reverse=True)


def where(mask):
    """The middle of a mask, 0 to 1 both ways."""
    y, x = np.nonzero(mask)
    return (x.mean() + 0.5) / mask.shape[1], (y.mean() + 0.5) / mask.shape[0]


def in_place(place, x, y):
    """Whether a middle lies at a place."""
    words = place.split()
    wanted = {"left": x < 0.42, "right": x > 0.58, "top": y < 0.42, "bottom": y > 0.58,
              "centre": abs(x - 0.5) < 0.12 and abs(y - 0.5) < 0.16}
    return all(bool(wanted[word]) for word in words)


def judge(expected, image):
    """Rule to right or wrong, for the rules that are asked for."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    ground = border_colour(pixels)
    mask = np.sqrt(((pixels - ground) ** 2).sum(-1)) > DISTANCE
    result = {}
    if "background" in expected:
        result["background"] = NAMES[int(nearest(ground))] == expected["background"]
    if mask.mean() < SMALLEST:
        return result | {rule: False for rule in expected if rule != "background"}
    if "colour" in expected:
        votes = np.bincount(nearest(pixels[mask]), minlength=len(NAMES))
        if "background" in expected:
            votes[NAMES.index(expected["background"])] = 0
        result["colour"] = NAMES[int(votes.argmax())] == expected["colour"]
    if "count" in expected:
        sizes = parts(mask)
        least = max(SMALLEST * mask.size, 0.25 * sizes[0])
        result["count"] = sum(size >= least for size in sizes) == expected["count"]
    if "place" in expected:
        result["place"] = in_place(expected["place"], *where(mask))
    return result


def judge_images(rules, images):
    """Shares of right answers for each rule and over all."""
    answers = [judge(rule["expect"], image) for rule, image in zip(rules, images)]
    scores = {}
    for name in RULES:
        given = [answer[name] for answer in answers if name in answer]
        if given:
            scores[name] = sum(given) / len(given)
    every = [right for answer in answers for right in answer.values()]
    scores["overall"] = sum(every) / len(every)
    scores["all_right"] = sum(all(answer.values()) for answer in answers) / len(answers)
    return scores


def make_prompts(count=200):
    """Prompts of combinations that training never sees: a third counts, a third places."""
    from captions import say_background, say_group, PLACE
    from scenes import PLACES, SIDES, STANDING
    from split import held_out

    rng = random.Random(2026)
    prompts, used = [], set()
    while len(prompts) < count:
        kind = len(prompts) % 3
        number, place = 1, None
        if kind == 0:
            subject, number = rng.choice(COUNTED), rng.choice([2, 2, 3, 3, 4])
        elif kind == 1:
            subject = rng.choice(PLACED)
            place = rng.choice(SIDES[:2] if subject in STANDING else PLACES[:4] * 3 + PLACES[4:8])
        else:
            subject = rng.choice(JUDGED)
        colour, background = rng.sample(list(COLOURS), 2)
        combination = (subject, colour, place or (number if number > 1 else None), background)
        if combination in used or not held_out(*combination):
            continue
        used.add(combination)
        group = {"subject": subject, "colour": colour, "size": None, "count": number}
        text = say_group(rng, group) + (rng.choice(PLACE[place]) if place else "")
        text += say_background(rng, background)
        expect = {"colour": colour, "background": background}
        if kind != 1:
            expect["count"] = number
        if place:
            expect["place"] = place
        if kind == 2 and subject not in COUNTED:
            del expect["count"]
        scene = {"kind": "plain", "background": background, "relation": None,
                 "groups": [group | {"place": place}]}
        prompts.append({"prompt": text, "seed": 1000 + len(prompts), "expect": expect,
                        "scene": scene})
    lines = ",\n".join(json.dumps(p, ensure_ascii=False) for p in prompts)
    PROMPTS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main():
    """See above."""
    if sys.argv[1] == "--make":
        make_prompts()
        return
    rules = load_prompts()
    if sys.argv[1] == "--draw":
        from drawing import draw
        images = [draw(r["scene"], random.Random(r["seed"]), 128, 128) for r in rules]
    else:
        images = [Image.open(Path(sys.argv[1]) / f"{i:03d}.png") for i in range(len(rules))]
    for rule, image in zip(rules, images):
        wrong = [name for name, right in judge(rule["expect"], image).items() if not right]
        if wrong:
            print(f"{rule['prompt']!r} ({rule['seed']}): wrong {', '.join(wrong)}")
    for name, score in judge_images(rules, images).items():
        asked = sum(name in rule["expect"] for rule in rules)
        print(f"{name:12} {100 * score:5.1f} %" + (f" of {asked}" if asked else ""))


if __name__ == "__main__":
    main()
