# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in a picture: chosen at random, without regard to how it is drawn or said.

A scene is a dict that JSON can hold:

plain    groups of subjects on one colour: background, groups, relation
action   an animal that does something: animal, colour, action, tint, background
scenery  a landscape, perhaps with a subject: terrain, time, weather, subject, colour, size
"""

from palette import COLOURS, SHADES
from split import held_out

SHAPES = ["circle", "square", "triangle", "star", "heart", "diamond", "ring", "moon"]
FLOATING = ["sun", "cloud", "balloon", "apple", "fish", "bird", "butterfly", "rocket", "umbrella",
            "boat"]
STANDING = ["cat", "dog", "rabbit", "bear", "house", "tree", "fir", "flower", "mushroom", "car",
            "cup", "snowman", "piano", "guitar", "book", "hat"]
ANIMALS = ["cat", "dog", "rabbit", "bear"]
SUBJECTS = SHAPES + FLOATING + STANDING

# Chosen where the caption gives no colour; one alone is certain, several are up to the seed.
USUAL = {
    "sun": ["yellow"], "cloud": ["white"], "moon": ["yellow"], "tree": ["green"], "fir": ["green"],
    "apple": ["red", "green"], "cat": ["orange", "grey", "black"], "dog": ["brown"],
    "rabbit": ["white", "grey"], "bear": ["brown"], "bird": ["blue", "red"],
    "fish": ["orange", "blue"], "house": ["white", "yellow", "red"], "mushroom": ["red"],
    "heart": ["red"], "star": ["yellow"], "boat": ["red", "brown", "blue"], "piano": ["brown"],
    "guitar": ["orange"], "snowman": ["red"], "cup": ["white", "blue"],
}
ANY_USUAL = ["red", "orange", "yellow", "green", "blue", "purple", "pink"]

PLACES = ["left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right",
          "centre"]
SIDES = ["left", "right", "centre"]
RELATIONS = ["above", "below", "left of", "right of", "and"]
ACTIONS = ["piano", "guitar", "hat", "balloon", "umbrella", "book", "asleep", "boat"]
TINTED = {"hat", "balloon", "umbrella", "book"}

TERRAINS = ["mountains", "hills", "sea", "desert", "forest", "city", "meadow"]
TIMES = ["day", "sunset", "night", "dawn"]
WEATHERS = ["snow", "rain", "rainbow", "clouds"]
ON_LAND = ["house", "tree", "cat", "dog", "rabbit", "bear", "car", "flower", "mushroom"]
IN_AIR = ["bird", "balloon", "butterfly", "rocket"]

MAX_COUNT = 5


def colour_other_than(rng, *others):
    """A named colour that can be told from the others."""
    names = list(COLOURS) + (list(SHADES) if rng.random() < 0.12 else [])
    while True:
        name = rng.choice(names)
        if all(other is None or name.split()[-1] != other.split()[-1] for other in others):
            return name


def choose_group(rng, background, subject=None):
    """A subject with a colour, maybe several of it."""
    subject = subject or rng.choice(SHAPES if rng.random() < 0.38 else SUBJECTS)
    group = {"subject": subject, "colour": None, "count": 1, "size": None, "place": None}
    group["colour"] = colour_other_than(rng, background)
    return group


def compose_single(rng, background):
    """One subject, with a size or a place now and then."""
    group = choose_group(rng, background)
    chance = rng.random()
    if chance < 0.5:
        floor = group["subject"] in STANDING
        group["place"] = rng.choice(SIDES if floor else PLACES[:4] * 2 + PLACES)
    if rng.random() < 0.25:
        group["size"] = rng.choice(["small", "big"])
    return {"kind": "plain", "background": background, "groups": [group], "relation": None}


def compose_several(rng, background):
    """Two to five of the same, shapes mostly: of many things each is small."""
    group = choose_group(rng, background, rng.choice(SHAPES) if rng.random() < 0.6 else None)
    group["count"] = rng.choice([2, 2, 2, 3, 3, 3, 4, 4, 5])
    return {"kind": "plain", "background": background, "groups": [group], "relation": None}


def compose_pair(rng, background):
    """Two kinds of subject and how they stand to each other."""
    first = choose_group(rng, background)
    second = choose_group(rng, background)
    while second["subject"] == first["subject"]:
        second = choose_group(rng, background)
    for group in (first, second):
        if rng.random() < 0.18:
            group["count"] = 2
    return {"kind": "plain", "background": background, "groups": [first, second],
            "relation": rng.choice(RELATIONS)}


def compose_plain(rng):
    """A picture on one colour."""
    background = None if rng.random() < 0.2 else rng.choice(list(COLOURS))
    if background and rng.random() < 0.08:
        background = rng.choice(list(SHADES))
    chance = rng.random()
    if chance < 0.45:
        scene = compose_single(rng, background)
    elif chance < 0.78:
        scene = compose_several(rng, background)
    else:
        scene = compose_pair(rng, background)
    for group in scene["groups"]:
        # Nothing but shapes goes without a colour: "a cat" is a prompt, "a circle" hardly.
        if group["subject"] in USUAL and rng.random() < 0.15:
            names = [n for n in USUAL[group["subject"]] if n != background]
            group["colour"] = None if names else group["colour"]
    return scene


def compose_action(rng):
    """An animal that does something."""
    background = None if rng.random() < 0.5 else rng.choice(list(COLOURS))
    animal = rng.choice(ANIMALS + ["cat"])
    action = rng.choice(ACTIONS + ["piano"])
    if action == "boat":
        background = None
    named = rng.random() < 0.55 or background in USUAL[animal]
    colour = colour_other_than(rng, background) if named else None
    tint = None
    if action in TINTED and rng.random() < 0.8:
        tint = colour_other_than(rng, background, colour)
    return {"kind": "action", "animal": animal, "colour": colour, "action": action, "tint": tint,
            "background": background}


def compose_scenery(rng):
    """A landscape."""
    terrain = rng.choice(TERRAINS + ["mountains", "sea"])
    time = rng.choice(TIMES + ["sunset", "night"])
    weather = None
    if rng.random() < 0.4:
        weather = rng.choice(WEATHERS + ["snow"])
        if weather == "rainbow":
            time = "day"
        elif weather in ("snow", "rain"):
            time = rng.choice(["day", "day", "night"])
        if terrain == "desert" and weather == "snow":
            terrain = "hills"
    subject = None
    if rng.random() < 0.6:
        if terrain == "sea":
            subject = rng.choice(["boat"] * 5 + IN_AIR)
        elif weather == "snow" and rng.random() < 0.3:
            subject = "snowman"
        else:
            subject = rng.choice(ON_LAND * 2 + ["house"] * 4 + IN_AIR)
    colour = None
    if subject and subject != "snowman" and rng.random() < 0.4:
        colour = rng.choice(list(COLOURS))
    size = None
    if subject and rng.random() < 0.3:
        size = rng.choice(["small", "big"])
    return {"kind": "scenery", "terrain": terrain, "time": time, "weather": weather,
            "subject": subject, "colour": colour, "size": size}


def is_held_out(scene):
    """Whether the test may ask for a subject like this, colour, place and background together."""
    if scene["kind"] != "plain":
        return False
    return any(
        held_out(group["subject"], group["colour"],
                 group["place"] or (group["count"] if group["count"] > 1 else None),
                 scene["background"])
        for group in scene["groups"])


def compose(rng, kinds=(0.66, 0.12, 0.22)):
    """A scene for training."""
    makers = (compose_plain, compose_action, compose_scenery)
    while True:
        scene = rng.choices(makers, kinds)[0](rng)
        if not is_held_out(scene):
            return scene
