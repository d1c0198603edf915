# SPDX-License-Identifier: LGPL-2.1-or-later
"""Things of several parts. Each takes a pen and its main colour."""

import math

from canvas import dark, light, luma, mix

WOOD = (122, 78, 50)
LEAF = (64, 150, 84)
INK = (38, 36, 46)
PAPER = (250, 246, 236)
GLASS = (196, 226, 240)


def tree(pen, colour):
    """A round tree."""
    pen.poly([(-0.06, 0.5), (-0.045, 0.0), (0.045, 0.0), (0.06, 0.5)], WOOD)
    pen.disc(0, -0.2, 0.27, colour)
    pen.disc(-0.19, -0.02, 0.2, colour)
    pen.disc(0.19, -0.02, 0.2, colour)
    pen.disc(0.06, -0.02, 0.2, colour)
    pen.disc(-0.1, -0.26, 0.11, light(colour, 0.16))


def fir(pen, colour):
    """A fir tree in three layers."""
    pen.rect(-0.05, 0.3, 0.05, 0.5, WOOD)
    for top, base, half in ((-0.05, 0.36, 0.36), (-0.3, 0.14, 0.29), (-0.5, -0.08, 0.21)):
        pen.poly([(0, top), (half, base), (-half, base)], colour)
        pen.poly([(0, top), (half, base), (half * 0.25, base)], dark(colour))


def flower(pen, colour):
    """A flower with six petals."""
    pen.curve([(0, 0.0), (0.015, 0.25), (0, 0.5)], 0.045, LEAF)
    pen.blob([(0, 0.42), (0.1, 0.26), (0.25, 0.22), (0.16, 0.38)], LEAF)
    pen.blob([(0, 0.46), (-0.1, 0.32), (-0.24, 0.29), (-0.15, 0.43)], LEAF)
    for i in range(6):
        angle = math.radians(60 * i + 30)
        pen.disc(0.19 * math.cos(angle), -0.2 + 0.19 * math.sin(angle), 0.125, colour)
    heart = (120, 72, 40) if luma(colour) > 190 and colour[2] < 150 else (252, 212, 70)
    pen.disc(0, -0.2, 0.115, heart)


def mushroom(pen, colour):
    """A mushroom with dots."""
    pen.poly([(-0.11, 0.0), (0.11, 0.0), (0.16, 0.5), (-0.16, 0.5)], (240, 226, 200))
    points = [(0.48 * math.cos(math.radians(a)), 0.04 + 0.5 * math.sin(math.radians(a)))
              for a in range(180, 361, 6)]
    pen.poly(points, colour, 0.02)
    dots = (244, 238, 226) if luma(colour) < 215 else (222, 90, 80)
    for x, y, radius in ((-0.24, -0.12, 0.065), (0.02, -0.27, 0.08), (0.26, -0.1, 0.06)):
        pen.disc(x, y, radius, dots)


def house(pen, colour):
    """A house with a door, a window and a roof."""
    roof = (176, 70, 58) if abs(colour[0] - 214) + abs(colour[1] - 48) > 120 else (104, 66, 58)
    pen.rect(0.17, -0.4, 0.28, -0.1, dark(roof, 0.25))
    pen.rect(-0.38, -0.08, 0.38, 0.5, colour)
    pen.poly([(0, -0.47), (0.48, -0.06), (-0.48, -0.06)], roof)
    pen.rect(-0.25, 0.12, -0.05, 0.5, dark(WOOD, 0.3) if luma(colour) > 70 else (170, 120, 84))
    pen.rect(0.08, 0.08, 0.29, 0.29, (252, 226, 140))
    pen.rect(0.175, 0.08, 0.195, 0.29, dark(WOOD, 0.2))
    pen.rect(0.08, 0.175, 0.29, 0.195, dark(WOOD, 0.2))


def car(pen, colour):
    """A car from the side."""
    pen.poly([(-0.24, 0.02), (-0.14, -0.2), (0.14, -0.2), (0.28, 0.02)], colour, 0.02)
    pen.rect(-0.49, -0.02, 0.49, 0.24, colour, 0.09)
    pen.poly([(-0.17, 0.0), (-0.1, -0.15), (-0.02, -0.15), (-0.02, 0.0)], GLASS)
    pen.poly([(0.03, 0.0), (0.03, -0.15), (0.12, -0.15), (0.2, 0.0)], GLASS)
    for x in (-0.27, 0.27):
        pen.disc(x, 0.24, 0.115, INK)
        pen.disc(x, 0.24, 0.05, (206, 208, 212))
    pen.disc(0.45, 0.07, 0.035, (255, 236, 150))


def boat(pen, colour):
    """A sailing boat; the hull has the colour."""
    pen.rect(-0.02, -0.5, 0.015, 0.24, WOOD)
    pen.poly([(0.04, -0.46), (0.4, 0.16), (0.04, 0.16)], (250, 246, 238))
    pen.poly([(-0.05, -0.34), (-0.05, 0.16), (-0.34, 0.16)], (236, 228, 214))
    pen.poly([(-0.46, 0.22), (0.46, 0.22), (0.32, 0.46), (-0.32, 0.46)], colour)


def cup(pen, colour):
    """A cup of something hot."""
    for x in (-0.16, 0.06):
        pen.curve([(x, -0.22), (x + 0.05, -0.3), (x - 0.02, -0.38), (x + 0.04, -0.47)], 0.035,
                  (228, 228, 232))
    pen.ring(0.3, 0.1, 0.17, 0.09, colour)
    pen.poly([(-0.36, -0.14), (0.28, -0.14), (0.2, 0.38), (-0.28, 0.38)], colour, 0.025)
    pen.ellipse(-0.04, -0.15, 0.31, 0.045, dark(colour, 0.4))
    pen.ellipse(-0.04, 0.45, 0.42, 0.045, dark(colour, 0.25))


def apple(pen, colour):
    """An apple with a leaf."""
    pen.curve([(0.01, -0.2), (0.02, -0.34), (0.07, -0.44)], 0.05, WOOD)
    pen.blob([(0.06, -0.33), (0.17, -0.47), (0.34, -0.44), (0.22, -0.31)], LEAF)
    pen.blob([(0, -0.22), (0.2, -0.28), (0.42, -0.12), (0.4, 0.2), (0.18, 0.46), (0, 0.42),
              (-0.18, 0.46), (-0.4, 0.2), (-0.42, -0.12), (-0.2, -0.28)], colour)
    pen.ellipse(-0.23, -0.04, 0.06, 0.1, light(colour, 0.4))


def umbrella(pen, colour):
    """An open umbrella."""
    pen.line([(0, -0.1), (0, 0.38)], 0.035, WOOD)
    pen.curve([(0, 0.38), (0.03, 0.46), (0.1, 0.46), (0.13, 0.38)], 0.035, WOOD)
    pen.sector(0, 0.04, 0.48, 180, 360, colour)
    pen.sector(0, 0.04, 0.48, 240, 300, dark(colour, 0.13))
    pen.line([(0, -0.44), (0, -0.49)], 0.03, WOOD)


def rocket(pen, colour):
    """A rocket that goes up."""
    pen.blob([(0, 0.52), (0.1, 0.36), (0, 0.28), (-0.1, 0.36)], (250, 170, 60))
    pen.poly([(-0.13, 0.1), (-0.29, 0.34), (-0.1, 0.3)], dark(colour, 0.3))
    pen.poly([(0.13, 0.1), (0.29, 0.34), (0.1, 0.3)], dark(colour, 0.3))
    pen.blob([(0, -0.5), (0.13, -0.27), (0.18, 0.02), (0.12, 0.32), (0, 0.33), (-0.12, 0.32),
              (-0.18, 0.02), (-0.13, -0.27)], colour)
    pen.disc(0, -0.1, 0.085, PAPER)
    pen.disc(0, -0.1, 0.058, (96, 160, 214))


def snowman(pen, colour):
    """Three balls, a hat; the colour is the scarf's."""
    snow = (246, 248, 250)
    pen.disc(0, 0.29, 0.22, snow)
    pen.disc(0, -0.02, 0.165, snow)
    pen.disc(0, -0.24, 0.12, snow)
    pen.rect(-0.14, -0.16, 0.14, -0.1, colour, 0.03)
    pen.rect(0.05, -0.13, 0.11, 0.05, colour, 0.02)
    pen.rect(-0.15, -0.36, 0.15, -0.325, INK)
    pen.rect(-0.09, -0.5, 0.09, -0.34, INK)
    pen.disc(-0.045, -0.26, 0.016, INK)
    pen.disc(0.045, -0.26, 0.016, INK)
    pen.poly([(0, -0.24), (0.1, -0.215), (0, -0.2)], (240, 130, 40))


def fish(pen, colour):
    """A fish that swims to the left."""
    pen.poly([(0.2, 0), (0.48, -0.24), (0.42, 0), (0.48, 0.24)], dark(colour), 0.015)
    pen.blob([(-0.05, -0.18), (0.02, -0.33), (0.16, -0.27), (0.14, -0.14)], dark(colour))
    pen.ellipse(-0.1, 0, 0.38, 0.24, colour)
    pen.sector(0.0, 0.04, 0.12, -60, 60, dark(colour))
    pen.disc(-0.3, -0.06, 0.055, PAPER)
    pen.disc(-0.31, -0.06, 0.028, INK)


def bird(pen, colour):
    """A round bird that looks to the left."""
    beak = (246, 160, 50) if not (colour[0] > 220 and 100 < colour[1] < 220) else (110, 70, 50)
    pen.line([(-0.06, 0.3), (-0.06, 0.48)], 0.03, beak)
    pen.line([(0.07, 0.3), (0.07, 0.48)], 0.03, beak)
    pen.poly([(0.2, 0.1), (0.5, -0.08), (0.46, 0.14)], dark(colour), 0.01)
    pen.poly([(-0.34, -0.18), (-0.5, -0.11), (-0.34, -0.05)], beak)
    pen.ellipse(0.02, 0.09, 0.3, 0.25, colour)
    pen.disc(-0.2, -0.15, 0.18, colour)
    pen.blob([(-0.06, 0.02), (0.14, -0.04), (0.3, 0.1), (0.1, 0.2)], dark(colour))
    pen.disc(-0.25, -0.19, 0.045, PAPER)
    pen.disc(-0.26, -0.19, 0.025, INK)


def butterfly(pen, colour):
    """A butterfly from above."""
    for s in (-1, 1):
        pen.blob([(0, -0.08), (s * 0.16, -0.38), (s * 0.46, -0.4), (s * 0.4, -0.06),
                  (s * 0.12, 0.03)], colour)
        pen.blob([(0, 0.0), (s * 0.26, 0.02), (s * 0.36, 0.22), (s * 0.2, 0.4),
                  (s * 0.05, 0.16)], dark(colour, 0.14))
        pen.disc(s * 0.3, -0.24, 0.06, light(colour, 0.5))
        pen.curve([(0, -0.26), (s * 0.05, -0.38), (s * 0.12, -0.45)], 0.018, INK)
    pen.ellipse(0, 0.01, 0.04, 0.28, INK)


def hat(pen, colour):
    """A hat, its brim at y = 0, as wide as the pen."""
    pen.rect(-0.3, -0.42, 0.3, 0.0, colour, 0.06)
    pen.rect(-0.3, -0.15, 0.3, -0.04, dark(colour, 0.4))
    pen.rect(-0.5, -0.07, 0.5, 0.04, colour, 0.05)


def book(pen, colour):
    """An open book as its reader's friends see it."""
    pen.poly([(-0.48, -0.24), (0, -0.15), (0, 0.3), (-0.48, 0.2)], colour, 0.02)
    pen.poly([(0.48, -0.24), (0, -0.15), (0, 0.3), (0.48, 0.2)], dark(colour), 0.02)
    pen.poly([(-0.46, -0.31), (0, -0.2), (0.46, -0.31), (0.46, -0.25), (0, -0.14),
              (-0.46, -0.25)], PAPER)


def piano(pen, colour):
    """An upright piano from the side, its keys to the left."""
    pen.rect(0.02, -0.45, 0.44, 0.5, colour)
    pen.rect(-0.02, -0.5, 0.48, -0.42, dark(colour, 0.3), 0.02)
    pen.rect(-0.4, 0.02, 0.06, 0.14, colour)
    pen.rect(-0.38, -0.04, 0.06, 0.03, PAPER)
    for i in range(5):
        pen.rect(-0.33 + 0.08 * i, -0.04, -0.295 + 0.08 * i, 0.005, INK)
    pen.rect(-0.36, 0.14, -0.28, 0.5, dark(colour, 0.3))
    pen.poly([(-0.06, -0.13), (-0.03, -0.36), (0.03, -0.36), (0.02, -0.1)], PAPER)


def guitar(pen, colour):
    """A guitar, its neck up to the right."""
    pen.line([(-0.05, 0.12), (0.4, -0.33)], 0.075, dark(WOOD, 0.2))
    pen.line([(0.38, -0.31), (0.46, -0.39)], 0.12, dark(WOOD, 0.35))
    pen.disc(-0.02, 0.08, 0.17, colour)
    pen.disc(-0.2, 0.24, 0.23, colour)
    pen.disc(-0.08, 0.13, 0.075, INK)
    pen.line([(-0.25, 0.22), (-0.17, 0.3)], 0.035, INK)


def note(pen, colour):
    """A quaver."""
    pen.ellipse(-0.14, 0.33, 0.2, 0.15, colour)
    pen.line([(0.03, 0.3), (0.03, -0.42)], 0.075, colour)
    pen.curve([(0.03, -0.4), (0.14, -0.24), (0.3, -0.16), (0.27, 0.06)], 0.09, colour)


def shadow(pen, colour):
    """What a thing throws on the floor under it."""
    pen.ellipse(0, 0.49, 0.42, 0.045, colour)


def belly(colour):
    """The lighter part of an animal's coat."""
    return mix(colour, (255, 250, 240), 0.55) if luma(colour) < 215 else (228, 214, 206)
