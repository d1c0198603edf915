# SPDX-License-Identifier: LGPL-2.1-or-later
"""The colours that captions name, and the quiet ones for what they leave open."""

COLOURS = {
    "red": (214, 48, 52),
    "orange": (243, 132, 36),
    "yellow": (250, 208, 56),
    "green": (58, 158, 84),
    "blue": (46, 100, 204),
    "purple": (124, 66, 172),
    "pink": (244, 140, 178),
    "brown": (132, 84, 54),
    "black": (34, 34, 42),
    "white": (247, 245, 240),
    "grey": (142, 146, 152),
}

# Further words, each a shade of its own.
SHADES = {
    "dark red": (140, 28, 40),
    "dark green": (26, 98, 58),
    "dark blue": (26, 50, 120),
    "dark purple": (74, 36, 112),
    "light green": (150, 212, 140),
    "light blue": (140, 196, 240),
    "turquoise": (56, 184, 180),
    "beige": (232, 214, 180),
}

# Other words for the same colours.
SYNONYMS = {
    "red": ["scarlet", "crimson"],
    "yellow": ["golden", "lemon"],
    "blue": ["azure"],
    "purple": ["violet"],
    "pink": ["rosy"],
    "brown": ["chocolate"],
    "grey": ["gray", "silver"],
    "white": ["snow-white"],
    "dark blue": ["navy", "navy blue"],
    "light blue": ["sky blue", "pale blue"],
    "turquoise": ["teal", "cyan"],
    "light green": ["pale green", "lime"],
    "dark red": ["maroon"],
    "beige": ["cream"],
}

# Backgrounds of pictures whose caption names none.
QUIET = [
    (176, 206, 230),
    (244, 202, 172),
    (188, 220, 192),
    (234, 194, 208),
    (206, 194, 230),
    (240, 224, 170),
]

ALL = COLOURS | SHADES


def shifted(colour, rng, amount=5):
    """The colour with a little chance in it."""
    move = rng.uniform(-amount, amount)
    return tuple(min(255, max(0, round(c + move + rng.uniform(-2, 2)))) for c in colour)


def nearest(rgb):
    """The name of the nearest plain colour."""
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], rgb)))
