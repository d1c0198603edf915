# SPDX-License-Identifier: LGPL-2.1-or-later
"""Flat drawing with smooth edges: Pillow at four times the size, reduced by averaging.

A canvas measures in units of its shorter side. A pen draws in a square of its own, from -0.5 to 0.5
both ways with y down, which the canvas puts at a place and in a size.

A token of the transformer is a square of TOKEN pixels. What stands on their grid, in one of a few sizes, looks the
same to it wherever it stands: so it has to learn the outline of a thing once, not for each place between two tokens.
"""

import math

from PIL import Image, ImageDraw

OVERSAMPLING = 4
TOKEN = 16


def mix(first, second, amount):
    """A colour between two."""
    return tuple(round(a + (b - a) * amount) for a, b in zip(first, second))


def luma(colour):
    """How bright a colour is, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def dark(colour, amount=0.18):
    """The shaded side of a colour; black has a lighter one, so that it can be seen."""
    if luma(colour) < 60:
        return mix(colour, (255, 255, 255), amount * 0.7)
    return mix(colour, (30, 25, 50), amount)


def light(colour, amount=0.3):
    """The lit side of a colour."""
    return mix(colour, (255, 255, 255), amount)


def smooth(points, steps=8):
    """A closed Catmull-Rom curve through points."""
    count = len(points)
    curve = []
    for i in range(count):
        p0, p1, p2, p3 = (points[(i + k - 1) % count] for k in range(4))
        for j in range(steps):
            t = j / steps
            curve.append(tuple(
                0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t
                       + (3 * b - a - 3 * c + d) * t ** 3)
                for a, b, c, d in zip(p0, p1, p2, p3)))
    return curve


class Pen:
    """Draws in a square that lies somewhere on a canvas."""

    def __init__(self, draw, x, y, size, flip=False):
        self.draw = draw
        self.x = x
        self.y = y
        self.size = size
        self.sign = -1 if flip else 1

    def at(self, x, y, size):
        """A pen for a square inside this one."""
        pen = Pen(self.draw, self.x + self.sign * x * self.size, self.y + y * self.size,
                  size * self.size)
        pen.sign = self.sign
        return pen

    def _map(self, points):
        return [(self.x + self.sign * px * self.size, self.y + py * self.size)
                for px, py in points]

    def poly(self, points, colour, rounding=0.0):
        """A polygon, with its corners rounded outwards."""
        mapped = self._map(points)
        self.draw.polygon(mapped, fill=colour)
        if rounding:
            radius = rounding * self.size
            self.draw.line(mapped + mapped[:2], fill=colour, width=max(1, round(2 * radius)))
            for px, py in mapped:
                self.draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=colour)

    def blob(self, points, colour):
        """A smooth closed shape through points."""
        self.poly(smooth(points), colour)

    def ellipse(self, x, y, rx, ry, colour):
        """A full ellipse."""
        (cx, cy), = self._map([(x, y)])
        rx, ry = rx * self.size, ry * self.size
        self.draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=colour)

    def disc(self, x, y, radius, colour):
        """A full circle."""
        self.ellipse(x, y, radius, radius, colour)

    def rect(self, x0, y0, x1, y1, colour, radius=0.0):
        """A rectangle, with its corners rounded inwards."""
        (ax, ay), (bx, by) = self._map([(x0, y0), (x1, y1)])
        box = (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))
        if radius:
            self.draw.rounded_rectangle(box, radius * self.size, fill=colour)
        else:
            self.draw.rectangle(box, fill=colour)

    def line(self, points, width, colour):
        """A line of some width with round ends."""
        mapped = self._map(points)
        radius = width * self.size / 2
        self.draw.line(mapped, fill=colour, width=max(1, round(2 * radius)), joint="curve")
        for px, py in (mapped[0], mapped[-1]):
            self.draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=colour)

    def curve(self, points, width, colour, steps=6):
        """A smooth open line through points."""
        first = [2 * a - b for a, b in zip(points[0], points[1])]
        last = [2 * a - b for a, b in zip(points[-1], points[-2])]
        around = smooth([tuple(first), *points, tuple(last)], steps)
        self.line(around[steps:(len(points)) * steps + 1], width, colour)

    def sector(self, x, y, radius, start, end, colour):
        """A slice of a disc, angles in degrees clockwise from the right."""
        points = [(x, y)]
        count = max(2, int((end - start) / 6))
        for i in range(count + 1):
            a = math.radians(start + (end - start) * i / count)
            points.append((x + radius * math.cos(a), y + radius * math.sin(a)))
        self.poly(points, colour)

    def ring(self, x, y, outer, inner, colour):
        """A disc with a hole."""
        (cx, cy), = self._map([(x, y)])
        outer, inner = outer * self.size, inner * self.size
        self.draw.ellipse((cx - outer, cy - outer, cx + outer, cy + outer), outline=colour,
                          width=max(1, round(outer - inner)))


class Canvas:
    """A picture that is drawn on in units of its shorter side."""

    def __init__(self, width, height, colour, oversampling=OVERSAMPLING):
        self.oversampling = oversampling
        self.image = Image.new("RGB", (width * oversampling, height * oversampling), colour)
        self.unit = min(width, height) * oversampling
        self.width = width / min(width, height)
        self.height = height / min(width, height)
        self.draw = ImageDraw.Draw(self.image)

    def pen(self, x=0.0, y=0.0, size=1.0, flip=False):
        """A pen for a square with its middle at (x, y)."""
        return Pen(self.draw, x * self.unit, y * self.unit, size * self.unit, flip)

    def snap(self, *values):
        """The nearest places on the grid of tokens."""
        step = TOKEN * self.oversampling / self.unit
        snapped = [round(value / step) * step for value in values]
        return snapped if len(snapped) > 1 else snapped[0]

    def gradient(self, stops, top=0.0, bottom=None):
        """Vertical gradient through colours at equal distances."""
        bottom = self.height if bottom is None else bottom
        y0, y1 = round(top * self.unit), round(bottom * self.unit)
        if y1 <= y0:
            return
        column = Image.new("RGB", (1, len(stops)))
        column.putdata([tuple(stop) for stop in stops])
        span = column.resize((1, y1 - y0), Image.Resampling.BILINEAR,
                             box=(0, 0.5, 1, len(stops) - 0.5))
        self.image.paste(span.resize((self.image.width, y1 - y0)), (0, y0))

    def finish(self):
        """The picture at its own size."""
        return self.image.reduce(self.oversampling)
