# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws landscapes: a sky, what stands in it, land in layers, a subject, weather over all.

A land has a few forms, and stars, flakes and flowers stand where they stand in its form: a small model learns them by
heart, where it would blur what is different in every picture. Chance moves the sun, the subject and the horizon.
"""

import math
import random

import things
from canvas import light, mix
from scenes import IN_AIR

SKIES = {
    "day": [(104, 176, 232), (212, 236, 248)],
    "sunset": [(92, 62, 142), (222, 92, 106), (254, 184, 98)],
    "night": [(16, 22, 58), (54, 62, 126)],
    "dawn": [(152, 182, 230), (250, 202, 196), (255, 230, 186)],
}
RAIN_SKY = [(102, 116, 138), (170, 182, 196)]
SNOW_SKY = [(150, 172, 200), (216, 226, 238)]
TINTS = {"day": ((255, 255, 255), 0.0), "sunset": ((112, 48, 92), 0.38),
         "night": ((18, 24, 66), 0.62), "dawn": ((244, 190, 190), 0.22)}
SNOW = (240, 244, 250)
FORMS = 3
SIZES = {"small": (0.25, 0.3125), None: (0.4375, 0.5), "big": (0.625, 0.6875)}


class Land:
    """What the drawing of one landscape has to know everywhere."""

    def __init__(self, canvas, scene, rng):
        self.canvas = canvas
        self.scene = scene
        self.rng = rng
        self.number = rng.randrange(FORMS)
        self.form = self.chance(scene["terrain"])
        self.pen = canvas.pen()
        self.w = canvas.width
        self.h = canvas.height
        self.horizon = canvas.snap(canvas.height * rng.uniform(0.5, 0.69))

    def chance(self, what):
        """Numbers that are the same in every land of this form."""
        return random.Random(f"{what} {self.number}")

    def tint(self, colour, snow=True):
        """A colour in the light of the hour, and under snow where there is some."""
        if snow and self.scene["weather"] == "snow":
            colour = mix(colour, SNOW, 0.78)
        elif self.scene["weather"] == "rain":
            colour = mix(colour, (96, 106, 124), 0.38)
        return mix(colour, *TINTS[self.scene["time"]])

    def ridge(self, y, height, bumps):
        """Points of a smooth line of hills from left to right, closed at the bottom."""
        rng = self.form
        phase, other = rng.uniform(0, 6.3), rng.uniform(0, 6.3)
        points = []
        for i in range(41):
            x = self.w * i / 40
            a = math.sin(x * bumps * 3.1 + phase) * 0.6 + math.sin(x * bumps * 5.3 + other) * 0.4
            points.append((x, y - height * (0.5 + 0.5 * a)))
        return points + [(self.w + 0.1, self.h + 0.1), (-0.1, self.h + 0.1)]


def draw_sky(land):
    """Gradient, sun or moon, stars, clouds."""
    scene, rng, form, pen = land.scene, land.rng, land.chance("sky"), land.pen
    weather, time = scene["weather"], scene["time"]
    stops = SKIES[time]
    if weather in ("rain", "snow"):
        grey = RAIN_SKY if weather == "rain" else SNOW_SKY
        stops = grey if time == "day" else [mix(a, b, 0.3) for a, b in zip(stops, grey)]
    land.canvas.gradient(stops, 0, land.horizon + 0.06)
    x = land.canvas.snap(land.w * rng.uniform(0.2, 0.8))
    land.sun_x = x
    if time == "night":
        count = int(24 * land.w * land.h)
        for i in range(count):
            pen.disc((i + form.random()) * land.w / count, form.uniform(0, 0.7 * land.h), form.uniform(0.006, 0.011),
                     (250, 244, 214))
        y = land.canvas.snap(land.h * rng.uniform(0.14, 0.26))
        pen.disc(x, y, 0.09, (252, 244, 206))
        pen.disc(x + 0.03, y - 0.02, 0.022, (232, 220, 176))
        pen.disc(x - 0.035, y + 0.025, 0.016, (232, 220, 176))
    elif weather not in ("rain", "snow"):
        low = time in ("sunset", "dawn")
        y = land.canvas.snap(land.horizon - (rng.uniform(0.1, 0.2) if low else rng.uniform(0.34, 0.44) * land.h))
        radius = 0.13 if low else 0.08
        colour = {"sunset": (255, 222, 110), "dawn": (255, 240, 190)}.get(time, (255, 226, 96))
        sky = stops[-1] if low else mix(*stops, 0.4)
        pen.disc(x, y, radius * 1.45, mix(sky, colour, 0.32))
        pen.disc(x, y, radius, colour)
    if weather == "rainbow":
        draw_rainbow(land)
    clouds = {"clouds": 5, "rain": 5, "snow": 0}.get(weather, 1 if time == "day" else 0)
    for i in range(clouds):
        colour = {"day": (250, 252, 254), "sunset": (246, 160, 140), "night": (84, 92, 148),
                  "dawn": (255, 238, 230)}[time]
        if weather == "rain":
            colour = mix(colour, (98, 108, 128), 0.72)
        spot = land.pen.at((i + form.uniform(0.25, 0.75)) * land.w / clouds,
                           land.h * form.uniform(0.08, 0.27), form.uniform(0.26, 0.38))
        spot.disc(-0.27, 0.06, 0.18, colour)
        spot.disc(-0.05, -0.08, 0.24, colour)
        spot.disc(0.22, 0.02, 0.2, colour)
        spot.rect(-0.45, 0.02, 0.46, 0.24, colour, 0.11)


def draw_rainbow(land):
    """Seven bands."""
    bands = [(226, 72, 72), (244, 146, 60), (250, 214, 84), (92, 180, 104), (74, 138, 220),
             (110, 86, 190)]
    radius = 0.46
    for i, colour in enumerate(bands):
        land.pen.ring(land.w * 0.5, land.horizon + 0.06, radius - 0.026 * i, radius - 0.026 * (i + 1.1),
                      colour)


def draw_peaks(land, y, height, count, colour, caps):
    """A row of pointed mountains."""
    rng, pen = land.form, land.pen
    for i in range(count):
        x = land.w * (i + rng.uniform(0.25, 0.75)) / count
        top = y - height * rng.uniform(0.7, 1.0)
        half = (y - top) * rng.uniform(0.85, 1.05) + 0.06
        pen.poly([(x, top), (x + half, y + 0.02), (x - half, y + 0.02)], colour)
        pen.poly([(x, top), (x + half, y + 0.02), (x + half * 0.12, y + 0.02)],
                 mix(colour, (24, 20, 60), 0.16))
        if caps:
            cut, part = 0.3, (y + 0.02 - top) * 0.3
            edge = half * cut
            pen.poly([(x, top), (x + edge, top + part), (x + edge * 0.4, top + part * 0.75),
                      (x, top + part * 1.1), (x - edge * 0.45, top + part * 0.8),
                      (x - edge, top + part)], caps)


def draw_mountains(land):
    """Two rows of mountains and a green foreground."""
    y = land.horizon + 0.04
    caps = land.tint((250, 250, 252))
    draw_peaks(land, y, 0.4, 3, land.tint((134, 148, 186)), caps)
    draw_peaks(land, y + 0.03, 0.24, 4, land.tint((92, 110, 154)), None)
    land.pen.poly(land.ridge(y + 0.08, 0.08, 1.2), land.tint((104, 166, 96)))


def draw_hills(land):
    """Three lines of hills."""
    for y, height, colour in ((0.0, 0.16, (146, 200, 132)), (0.12, 0.14, (112, 180, 104)),
                              (0.25, 0.1, (84, 156, 88))):
        land.pen.poly(land.ridge(land.horizon + y, height, land.form.uniform(0.7, 1.3)),
                      land.tint(colour))


def draw_sea(land):
    """Water with waves and the light on it."""
    rng, pen = land.form, land.pen
    top = land.horizon + 0.02
    base = mix((52, 128, 190), *TINTS[land.scene["time"]])
    if land.scene["weather"] in ("rain", "snow"):
        base = mix(base, (80, 96, 120), 0.4)
    pen.rect(-0.1, top, land.w + 0.1, land.h + 0.1, base)
    pen.rect(-0.1, top + (land.h - top) * 0.5, land.w + 0.1, land.h + 0.1, mix(base, (16, 30, 80), 0.16))
    if land.scene["weather"] not in ("rain", "snow") and land.scene["time"] != "day":
        glow = {"sunset": (255, 206, 120), "dawn": (255, 236, 200), "night": (226, 224, 206)}
        for i in range(5):
            y = top + 0.035 + (land.h - top) * 0.16 * i
            half = 0.15 - 0.02 * i
            pen.line([(land.sun_x - half, y), (land.sun_x + half, y)], 0.02,
                     mix(base, glow[land.scene["time"]], 0.75))
    for i in range(int(7 * land.w)):
        x, y = rng.uniform(0, land.w), rng.uniform(top + 0.05, land.h)
        pen.line([(x - 0.06, y), (x + 0.06, y)], 0.012, light(base, 0.22))


def draw_desert(land):
    """Dunes and a cactus or two."""
    rng = land.form
    for y, colour in ((0.0, (246, 212, 146)), (0.13, (236, 190, 116)), (0.26, (222, 168, 94))):
        land.pen.poly(land.ridge(land.horizon + y, 0.13, rng.uniform(0.6, 0.9)), land.tint(colour))
        if y == 0.13:
            for i in range(2):
                pen = land.pen.at(land.w * (0.12 + 0.72 * i + rng.uniform(-0.06, 0.06)),
                                  land.horizon + 0.1, 0.2)
                green = land.tint((74, 142, 92), False)
                pen.line([(0, -0.4), (0, 0.5)], 0.2, green)
                pen.line([(0, 0.12), (0.28, 0.12), (0.28, -0.14)], 0.14, green)
                pen.line([(0, 0.0), (-0.28, 0.0), (-0.28, -0.24)], 0.14, green)


def draw_forest(land):
    """Rows of firs."""
    rng = land.form
    for row, (y, size, colour) in enumerate(((0.03, 0.26, (98, 160, 124)), (0.12, 0.34, (58, 128, 88)))):
        land.pen.rect(-0.1, land.horizon + y, land.w + 0.1, land.h + 0.1, land.tint((108, 168, 100)))
        count = max(3, round(land.w * (7 - 2 * row)))
        for i in range(count):
            x = land.w * (i + rng.uniform(0.3, 0.7)) / count
            s = size * rng.uniform(0.85, 1.15)
            things.fir(land.pen.at(x, land.horizon + y - s * 0.44, s), land.tint(colour))
    land.pen.poly(land.ridge(land.horizon + 0.2, 0.05, 1.0), land.tint((88, 154, 90)))


def draw_city(land):
    """Houses with rows of windows."""
    rng, pen = land.form, land.pen
    dusk = land.scene["time"] in ("night", "sunset")
    for depth, colour in ((0, (150, 164, 196)), (1, (98, 110, 150))):
        x = -0.05
        while x < land.w:
            width = rng.uniform(0.13, 0.2)
            top = land.horizon - rng.uniform(0.1, 0.32) * (1.2 - 0.4 * depth)
            wall = land.tint(colour, False)
            pen.rect(x, top, x + width - 0.012, land.horizon + 0.12, wall)
            if depth:
                lit = (255, 222, 120) if dusk else (214, 232, 244)
                for i in range(2):
                    for j in range(int((land.horizon + 0.05 - top) / 0.075)):
                        wx = x + width * (0.2 + 0.36 * i)
                        wy = top + 0.035 + 0.075 * j
                        pen.rect(wx, wy, wx + 0.032, wy + 0.04, lit)
            x += width
    pen.rect(-0.1, land.horizon + 0.1, land.w + 0.1, land.h + 0.1, land.tint((120, 170, 112)))
    pen.rect(-0.1, land.horizon + 0.18, land.w + 0.1, land.h + 0.1, land.tint((112, 116, 130)))


def draw_meadow(land):
    """Grass with flowers."""
    rng, pen = land.form, land.pen
    pen.poly(land.ridge(land.horizon + 0.03, 0.07, 0.8), land.tint((134, 198, 112)))
    pen.poly(land.ridge(land.horizon + 0.16, 0.06, 1.0), land.tint((98, 174, 94)))
    if land.scene["weather"] == "snow":
        return
    colours = [(246, 246, 240), (250, 214, 90), (240, 120, 150), (214, 70, 66)]
    for _ in range(int(20 * land.w)):
        x, y = rng.uniform(0, land.w), rng.uniform(land.horizon + 0.12, land.h)
        pen.disc(x, y, rng.uniform(0.015, 0.022), land.tint(rng.choice(colours)))


LANDS = {"mountains": draw_mountains, "hills": draw_hills, "sea": draw_sea, "desert": draw_desert,
         "forest": draw_forest, "city": draw_city, "meadow": draw_meadow}


def draw_subject(land, paint, colour):
    """The subject on the land, on the water or in the air."""
    scene, rng = land.scene, land.rng
    subject = scene["subject"]
    size = rng.choice(SIZES[scene["size"]])
    x = land.canvas.snap(land.w * rng.uniform(0.3, 0.7))
    base = min(land.canvas.snap(land.horizon + rng.uniform(0.16, 0.24)), land.h - 0.06)
    # A subject keeps most of its own colour, so that it stays what the caption says.
    shade, amount = TINTS[scene["time"]]
    colour = mix(colour, shade, amount * 0.3)
    if subject in IN_AIR:
        y = land.canvas.snap(land.h * rng.uniform(0.28, 0.4))
        paint(land.pen.at(x, y, size * 0.8), colour)
        return
    if subject == "boat":
        base = land.horizon + 0.125
        pen = land.pen.at(x, base - size * 0.42, size)
        paint(pen, colour)
        for y in (0.47, 0.53):
            pen.line([(-0.42, y), (0.42, y)], 0.035, (206, 228, 240))
        return
    pen = land.pen.at(x, base - size * 0.5, size)
    paint(pen, colour)
    if scene["weather"] == "snow" and subject == "house":
        pen.line([(-0.45, -0.09), (0, -0.46), (0.45, -0.09)], 0.09, SNOW)
        pen.rect(0.15, -0.43, 0.3, -0.37, SNOW)


def draw_weather(land):
    """What falls, in front of everything."""
    rng, pen = land.chance("weather"), land.pen
    if land.scene["weather"] == "snow":
        count = int(40 * land.w * land.h)
        for i in range(count):
            pen.disc((i + rng.random()) * land.w / count, rng.uniform(0, land.h), rng.uniform(0.012, 0.018),
                     (252, 253, 255))
    elif land.scene["weather"] == "rain":
        count = int(36 * land.w * land.h)
        for i in range(count):
            x, y = (i + rng.random()) * land.w / count, rng.uniform(0, land.h)
            pen.line([(x, y), (x - 0.02, y + 0.075)], 0.014, (204, 220, 236))


def draw_scenery(canvas, scene, rng, painter, colour):
    """A landscape."""
    land = Land(canvas, scene, rng)
    draw_sky(land)
    LANDS[scene["terrain"]](land)
    if scene["subject"]:
        draw_subject(land, painter(scene["subject"]), colour)
    draw_weather(land)
    return canvas.finish()


def draw_in_boat(canvas, rng, paint):
    """Somebody in a boat on the sea by day."""
    scene = {"terrain": "sea", "time": "day", "weather": None, "subject": None}
    land = Land(canvas, scene, rng)
    draw_sky(land)
    draw_sea(land)
    x, base, size = canvas.snap(land.w * rng.uniform(0.4, 0.6)), land.horizon + 0.1, 0.5
    paint(canvas.pen(x, base - size * 0.42, size))
    pen = canvas.pen(x, base, size * 1.3)
    pen.poly([(-0.5, -0.04), (0.5, -0.04), (0.36, 0.2), (-0.36, 0.2)], (190, 74, 62))
    pen.poly([(-0.5, -0.04), (0.5, -0.04), (0.46, 0.03), (-0.46, 0.03)], (246, 236, 218))
    for y in (0.2, 0.26):
        pen.line([(-0.46, y), (0.46, y)], 0.03, (206, 228, 240))
    return canvas.finish()
