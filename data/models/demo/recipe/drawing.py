# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws plain scenes and actions; scenery has a module of its own."""

import animals
import scenery
import shapes
import things
from canvas import Canvas, dark, luma, mix
from palette import ALL, COLOURS, QUIET, shifted
from scenes import ANY_USUAL, STANDING, USUAL

SIZES = {"small": (0.3125, 0.375), None: (0.5625, 0.6875), "big": (0.8125, 0.875)}
# Narrow enough to stand closer together than their size.
NARROW = {"cat", "dog", "rabbit", "bear", "snowman", "flower", "tree", "fir", "rocket", "balloon"}
PLACED_SIZES = {"small": (0.25, 0.3125), None: (0.375, 0.4375), "big": (0.5, 0.5625)}
LIGHT = 26 # levels that a background may be lighter or darker than its name says
STEP = 0.0625 # between the sizes of things in a group


def painter(subject):
    """The function that draws a subject."""
    for module in (shapes, things, animals):
        if hasattr(module, subject):
            return getattr(module, subject)
    raise KeyError(subject)


def pick_colour(rng, subject, name, background):
    """A colour for a subject, and for one without a name a usual one that can be seen."""
    if name is None:
        names = [n for n in USUAL.get(subject, ANY_USUAL) if n != background]
        name = rng.choice(names or ANY_USUAL)
    return shifted(ALL[name], rng, 4)


def pick_background(rng, name):
    """The colour behind everything."""
    return shifted(ALL[name] if name else rng.choice(QUIET), rng, LIGHT)


def floor_colour(colour):
    """The floor under standing things: a shade of the background that is still the same colour."""
    return mix(colour, (255, 255, 255), 0.07) if luma(colour) < 60 else mix(colour, (30, 25, 50), 0.08)


def draw_floor(canvas, colour, y):
    """A floor from y down."""
    canvas.pen().rect(-1, y, canvas.width + 1, canvas.height + 1, floor_colour(colour))


def place_point(canvas, place, rng):
    """The middle of a subject at a place."""
    # Where a place leaves a direction open, it is chance: two seeds are two pictures.
    free = 0.06 if place == "centre" else 0.2
    x = canvas.width * 0.5 + rng.uniform(-free, free)
    y = canvas.height * 0.5 + rng.uniform(-free, free)
    margin_x = 0.25 * canvas.width + rng.uniform(-0.03, 0.09)
    margin_y = 0.25 * canvas.height + rng.uniform(-0.03, 0.09)
    words = place.split()
    if "left" in words:
        x = margin_x
    if "right" in words:
        x = canvas.width - margin_x
    if "top" in words:
        y = margin_y
    if "bottom" in words:
        y = canvas.height - margin_y
    return x, y


def rows_of(count, canvas, standing):
    """How many equal things stand in each row."""
    wide = canvas.width / canvas.height
    if count == 1:
        return [1]
    if count == 2:
        return [2] if wide > 0.7 or standing else [1, 1]
    if count == 3:
        return [3] if wide > 0.9 or standing else [1, 1, 1]
    if count == 4:
        return [4] if wide > 1.4 or standing else [2, 2]
    return [count] if wide > 1.7 else [3, count - 3]


def draw_group(canvas, group, box, rng, background, floor=None):
    """Some subjects inside a box (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = box
    paint = painter(group["subject"])
    colour = pick_colour(rng, group["subject"], group["colour"], background)
    rows = rows_of(group["count"], canvas, floor is not None)
    # As many as can be divided by two have their middle on the grid when their distance is two tokens.
    x_step, y_step = 2 - max(rows) % 2, 2 - len(rows) % 2
    dx = x_step * canvas.snap((x1 - x0) / max(rows) / x_step)
    dy = y_step * canvas.snap((y1 - y0) / len(rows) / y_step)
    scale = {"small": 0.7, "big": 1.08}.get(group["size"], 1.0) * rng.uniform(0.75, 0.9)
    size = min(dx * (1.3 if group["subject"] in NARROW else 1.0), dy) * scale
    size = max(2, size // STEP) * STEP
    top = canvas.snap((y0 + y1 - (len(rows) - 1) * dy) / 2)
    for row, count in enumerate(rows):
        left = canvas.snap((x0 + x1 - (count - 1) * dx) / 2)
        y = top + row * dy if floor is None else floor - size * 0.5
        for i in range(count):
            paint(canvas.pen(left + i * dx, y, size), colour)


def draw_single(canvas, scene, rng, background):
    """One subject alone."""
    group = scene["groups"][0]
    subject, place = group["subject"], group["place"]
    low, high = (SIZES if place in (None, "centre") else PLACED_SIZES)[group["size"]]
    size = rng.choice((low, high))
    if place is None:
        room_x = max(0.0, canvas.width - size - 0.1) / 2
        room_y = max(0.0, canvas.height - size - 0.1) / 2
        x = canvas.width / 2 + rng.uniform(-1, 1) * min(room_x, 0.2 * canvas.width)
        y = canvas.height / 2 + rng.uniform(-1, 1) * min(room_y, 0.12 * canvas.height)
    else:
        x, y = place_point(canvas, place, rng)
    x, y = canvas.snap(x, y)
    if subject in STANDING:
        floor = canvas.snap(canvas.height * rng.uniform(0.7, 0.78))
        draw_floor(canvas, background, floor)
        y = floor + 0.07 * size + 0.02 - size * 0.5
        if y - size * 0.55 < 0.02:
            y = 0.02 + size * 0.55
        things.shadow(canvas.pen(x, y, size), dark(floor_colour(background), 0.14))
    paint = painter(subject)
    paint(canvas.pen(x, y, size), pick_colour(rng, subject, group["colour"], scene["background"]))


def draw_several(canvas, scene, rng, background):
    """Several of one kind."""
    group = scene["groups"][0]
    w, h = canvas.width, canvas.height
    room = rng.uniform(0.8, 1.0)
    middle = h * 0.5 + (rng.uniform(-0.16, 0.16) * h if group["count"] < 4 else 0)
    floor = None
    if group["subject"] in STANDING and group["count"] < 5:
        line = canvas.snap(h * rng.uniform(0.66, 0.74))
        draw_floor(canvas, background, line)
        floor = line + 0.05
    half_w, half_h = 0.47 * w * room, 0.42 * h * room
    box = (w / 2 - half_w, middle - half_h, w / 2 + half_w, middle + half_h)
    draw_group(canvas, group, box, rng, scene["background"], floor)


def draw_pair(canvas, scene, rng, background):
    """Two kinds of subject."""
    first, second = scene["groups"]
    w, h = canvas.width, canvas.height
    relation = scene["relation"]
    stacked = relation in ("above", "below")
    if relation in ("below", "right of"):
        first, second = second, first
    cut = rng.uniform(0.46, 0.54)
    if stacked:
        boxes = ((0.05 * w, 0.05 * h, 0.95 * w, cut * h), (0.05 * w, cut * h, 0.95 * w, 0.95 * h))
    else:
        y0 = rng.uniform(0.1, 0.25) * h
        boxes = ((0.04 * w, y0, cut * w, y0 + 0.65 * h), (cut * w, y0, 0.96 * w, y0 + 0.65 * h))
    for group, box in zip((first, second), boxes):
        draw_group(canvas, group, box, rng, scene["background"])


def draw_plain(scene, rng, width, height):
    """Subjects on one colour."""
    background = pick_background(rng, scene["background"])
    canvas = Canvas(width, height, background)
    if len(scene["groups"]) == 2:
        draw_pair(canvas, scene, rng, background)
    elif scene["groups"][0]["count"] > 1:
        draw_several(canvas, scene, rng, background)
    else:
        draw_single(canvas, scene, rng, background)
    return canvas.finish()


def paws(pen, colour, points):
    """Paws in front of what the animal holds."""
    for x, y in points:
        pen.ellipse(x, y, 0.075, 0.06, dark(colour, 0.12))


def act(canvas, scene, rng, x, base, size, coat, tint):
    """The animal and what it has."""
    name, action = scene["animal"], scene["action"]
    pen = canvas.pen(x, base - size * 0.5, size)
    head = animals.HEADS[name]
    if action == "asleep":
        animals.asleep(name, pen.at(0, -0.02, 1.15), coat)
        return
    if action == "piano":
        pen = canvas.pen(x - 0.3 * size, base - size * 0.5, size)
        painter(name)(pen, coat)
        things.piano(canvas.pen(x + 0.36 * size, base - size * 0.52, size * 1.04), tint)
        pen.curve([(0.13, 0.06), (0.24, 0.09), (0.35, 0.06)], 0.085, dark(coat, 0.12))
        ink = things.INK if luma(scene["_ground"]) > 110 else things.PAPER
        for dx, dy, s in ((0.3, -0.52, 0.2), (0.55, -0.68, 0.16)):
            things.note(pen.at(dx, dy, s), ink)
        return
    if action == "umbrella":
        things.umbrella(pen.at(0.1, -0.22, 1.0), tint)
        painter(name)(pen.at(-0.05, 0.1, 0.8), coat)
        paws(pen, coat, [(0.1, 0.2)])
        return
    if action == "balloon":
        shapes.balloon(pen.at(0.36, -0.36, 0.72), tint)
        pen.curve([(0.37, 0.0), (0.36, 0.1), (0.22, 0.16)], 0.013, (110, 110, 120))
    painter(name)(pen, coat)
    if action == "balloon":
        paws(pen, coat, [(0.2, 0.16)])
    elif action == "guitar":
        things.guitar(pen.at(0.06, 0.12, 0.66), tint)
        paws(pen, coat, [(-0.08, 0.24), (0.22, -0.03)])
    elif action == "hat":
        things.hat(pen.at(0, head[1] - (0.3 if name == "rabbit" else 0.29) * head[2] + 0.02,
                          0.4 if name != "rabbit" else 0.34), tint)
    elif action == "book":
        things.book(pen.at(0, 0.2, 0.52), tint)
        paws(pen, coat, [(-0.22, 0.25), (0.22, 0.25)])


def draw_action(scene, rng, width, height):
    """An animal at something."""
    name, action = scene["animal"], scene["action"]
    background = pick_background(rng, scene["background"])
    scene = scene | {"_ground": background}
    canvas = Canvas(width, height, background)
    coat = pick_colour(rng, name, scene["colour"], scene["background"])
    if action == "boat":
        return scenery.draw_in_boat(canvas, rng, lambda pen: painter(name)(pen, coat))
    default = {"piano": COLOURS["brown"], "guitar": COLOURS["orange"]}.get(action)
    tint = default or pick_colour(rng, "", scene["tint"], scene["background"])
    if default and (scene["background"] in ("brown", "orange") or scene["colour"] == "brown"):
        tint = (64, 58, 72)
    floor = canvas.snap(canvas.height * rng.uniform(0.72, 0.8))
    draw_floor(canvas, background, floor)
    size = rng.choice((0.5625, 0.625))
    x = canvas.width / 2
    if action not in ("balloon", "piano"):
        x = canvas.snap(x + rng.uniform(-0.1, 0.1) * canvas.width)
    base = floor + 0.06
    act(canvas, scene, rng, x, base, size, coat, tint)
    return canvas.finish()


def draw(scene, rng, width, height):
    """A picture of a scene."""
    makers = {"plain": draw_plain, "action": draw_action}
    if scene["kind"] == "scenery":
        colour = None
        if scene["subject"]:
            colour = pick_colour(rng, scene["subject"], scene["colour"], None)
        canvas = Canvas(width, height, (128, 128, 128))
        return scenery.draw_scenery(canvas, scene, rng, painter, colour)
    return makers[scene["kind"]](scene, rng, width, height)
