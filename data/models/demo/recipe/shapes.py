# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plain shapes. Each takes a pen and a colour."""

import math

from canvas import light


def circle(pen, colour):
    """A disc."""
    pen.disc(0, 0, 0.47, colour)


def square(pen, colour):
    """A square."""
    pen.rect(-0.42, -0.42, 0.42, 0.42, colour)


def triangle(pen, colour):
    """A triangle that stands on its side."""
    pen.poly([(0, -0.44), (0.5, 0.42), (-0.5, 0.42)], colour)


def star(pen, colour):
    """Five points, one up."""
    points = []
    for i in range(10):
        radius = 0.52 if i % 2 == 0 else 0.225
        angle = math.radians(-90 + 36 * i)
        points.append((radius * math.cos(angle), 0.03 + radius * math.sin(angle)))
    pen.poly(points, colour)


def heart(pen, colour):
    """A heart."""
    points = []
    for i in range(64):
        t = 2 * math.pi * i / 64
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x / 33, -(y + 2.5) / 31))
    pen.poly(points, colour)


def diamond(pen, colour):
    """A square on its corner, higher than wide."""
    pen.poly([(0, -0.52), (0.4, 0), (0, 0.52), (-0.4, 0)], colour)


def ring(pen, colour):
    """A thick ring."""
    pen.ring(0, 0, 0.48, 0.27, colour)


def moon(pen, colour):
    """A crescent that opens to the right."""
    points = []
    for i in range(41):
        angle = math.radians(40 + 280 * i / 40)
        points.append((0.48 * math.cos(angle) + 0.05, 0.48 * math.sin(angle)))
    tip = points[0]
    cx, radius = 0.05 + 0.27, math.hypot(tip[0] - 0.32, tip[1])
    first = math.degrees(math.atan2(points[-1][1], points[-1][0] - cx))
    last = math.degrees(math.atan2(tip[1], tip[0] - cx))
    for i in range(31):
        angle = math.radians(first % 360 + (last - first % 360) * i / 30)
        points.append((cx + radius * math.cos(angle), radius * math.sin(angle)))
    pen.poly(points, colour)


def sun(pen, colour):
    """A disc with rays."""
    for i in range(12):
        angle = math.radians(30 * i)
        c, s = math.cos(angle), math.sin(angle)
        pen.line([(0.37 * c, 0.37 * s), (0.48 * c, 0.48 * s)], 0.055, colour)
    pen.disc(0, 0, 0.29, colour)


def cloud(pen, colour):
    """A cloud with a flat base."""
    pen.disc(-0.27, 0.06, 0.18, colour)
    pen.disc(-0.05, -0.08, 0.24, colour)
    pen.disc(0.22, 0.02, 0.2, colour)
    pen.rect(-0.45, 0.02, 0.46, 0.24, colour, 0.11)


def balloon(pen, colour):
    """A balloon on a string."""
    pen.curve([(0, 0.2), (0.04, 0.32), (-0.03, 0.42), (0.02, 0.52)], 0.018, (110, 110, 120))
    pen.poly([(0, 0.14), (0.05, 0.22), (-0.05, 0.22)], colour)
    pen.ellipse(0, -0.16, 0.29, 0.34, colour)
    pen.ellipse(-0.11, -0.28, 0.055, 0.09, light(colour, 0.45))
