# SPDX-License-Identifier: LGPL-2.1-or-later
"""Animals that sit, face us and may hold something. Each takes a pen and the colour of its coat."""

from canvas import dark, luma, mix
from things import INK, PAPER, belly

ROSE = (240, 160, 160)


def _eyes(pen, y, apart, size, colour):
    """Two round eyes, light around dark on a dark coat."""
    if luma(colour) < 110:
        for s in (-1, 1):
            pen.disc(s * apart, y, size * 1.5, (250, 222, 110))
    for s in (-1, 1):
        pen.disc(s * apart, y, size, INK)
        pen.disc(s * apart - size * 0.3, y - size * 0.35, size * 0.33, PAPER)


def _body(pen, colour):
    """The sitting body with its front legs."""
    pen.blob([(0, -0.08), (0.15, 0.02), (0.25, 0.3), (0.22, 0.48), (0, 0.5), (-0.22, 0.48),
              (-0.25, 0.3), (-0.15, 0.02)], colour)
    pen.ellipse(0, 0.24, 0.1, 0.15, belly(colour))
    for s in (-1, 1):
        pen.ellipse(s * 0.1, 0.465, 0.085, 0.045, dark(colour, 0.12))


def cat_head(pen, colour):
    """Pointed ears, whiskers; in the middle of the pen."""
    for s in (-1, 1):
        pen.poly([(s * 0.12, -0.28), (s * 0.4, -0.5), (s * 0.43, -0.08)], colour, 0.015)
        pen.poly([(s * 0.21, -0.27), (s * 0.36, -0.4), (s * 0.37, -0.16)], ROSE)
    pen.ellipse(0, 0.05, 0.46, 0.38, colour)
    _eyes(pen, 0.0, 0.19, 0.068, colour)
    pen.poly([(-0.055, 0.12), (0.055, 0.12), (0, 0.18)], ROSE, 0.01)
    line = INK if luma(colour) > 110 else (190, 190, 200)
    pen.curve([(-0.1, 0.22), (-0.05, 0.255), (0, 0.2), (0.05, 0.255), (0.1, 0.22)], 0.025, line)
    for s in (-1, 1):
        pen.line([(s * 0.27, 0.14), (s * 0.53, 0.1)], 0.018, line)
        pen.line([(s * 0.27, 0.19), (s * 0.52, 0.23)], 0.018, line)


def cat(pen, colour):
    """A cat that sits, its tail to the right."""
    pen.curve([(0.16, 0.43), (0.36, 0.42), (0.41, 0.24), (0.34, 0.1)], 0.085, dark(colour, 0.1))
    _body(pen, colour)
    cat_head(pen.at(0, -0.22, 0.56), colour)


def dog_head(pen, colour):
    """Hanging ears and a large nose."""
    pen.ellipse(0, 0.0, 0.4, 0.4, colour)
    for s in (-1, 1):
        pen.blob([(s * 0.24, -0.34), (s * 0.44, -0.3), (s * 0.52, 0.02), (s * 0.42, 0.2),
                  (s * 0.33, 0.0)], dark(colour, 0.42))
    pen.ellipse(0, 0.2, 0.23, 0.18, belly(colour))
    _eyes(pen, -0.06, 0.16, 0.06, colour)
    pen.ellipse(0, 0.11, 0.085, 0.06, INK)
    pen.curve([(-0.09, 0.25), (0, 0.29), (0.09, 0.25)], 0.025, INK)


def dog(pen, colour):
    """A dog that sits."""
    pen.curve([(0.18, 0.42), (0.32, 0.38), (0.36, 0.24)], 0.075, dark(colour, 0.1))
    _body(pen, colour)
    dog_head(pen.at(0, -0.21, 0.56), colour)


def rabbit_head(pen, colour):
    """Long ears."""
    for s in (-1, 1):
        pen.ellipse(s * 0.17, -0.45, 0.115, 0.33, colour)
        pen.ellipse(s * 0.17, -0.43, 0.055, 0.23, ROSE)
    pen.ellipse(0, 0.06, 0.4, 0.36, colour)
    _eyes(pen, 0.02, 0.17, 0.06, colour)
    pen.ellipse(0, 0.14, 0.055, 0.04, ROSE)
    pen.rect(-0.045, 0.23, 0.045, 0.32, PAPER)
    line = INK if luma(colour) > 110 else (190, 190, 200)
    pen.curve([(-0.1, 0.22), (0, 0.24), (0.1, 0.22)], 0.022, line)


def rabbit(pen, colour):
    """A rabbit that sits."""
    pen.disc(0.25, 0.4, 0.085, mix(colour, (255, 255, 255), 0.4))
    _body(pen, colour)
    rabbit_head(pen.at(0, -0.13, 0.5), colour)


def bear_head(pen, colour):
    """Round ears and a light muzzle."""
    for s in (-1, 1):
        pen.disc(s * 0.31, -0.3, 0.14, colour)
        pen.disc(s * 0.31, -0.3, 0.075, belly(colour))
    pen.ellipse(0, 0.02, 0.43, 0.39, colour)
    pen.ellipse(0, 0.17, 0.19, 0.15, belly(colour))
    _eyes(pen, -0.06, 0.18, 0.055, colour)
    pen.ellipse(0, 0.1, 0.07, 0.05, INK)


def bear(pen, colour):
    """A bear that sits."""
    _body(pen, colour)
    for s in (-1, 1):
        pen.blob([(s * 0.13, 0.02), (s * 0.26, 0.08), (s * 0.29, 0.26), (s * 0.2, 0.28)],
                 dark(colour, 0.12))
    bear_head(pen.at(0, -0.22, 0.54), colour)


HEADS = {
    "cat": (cat_head, -0.22, 0.56),
    "dog": (dog_head, -0.21, 0.56),
    "rabbit": (rabbit_head, -0.13, 0.5),
    "bear": (bear_head, -0.22, 0.54),
}


def asleep(name, pen, colour):
    """The animal lying down with its eyes closed."""
    if name == "cat":
        pen.curve([(0.36, 0.38), (0.49, 0.3), (0.44, 0.16)], 0.08, dark(colour, 0.1))
    pen.blob([(-0.3, 0.42), (-0.2, 0.16), (0.1, 0.06), (0.36, 0.16), (0.44, 0.4), (0.3, 0.48),
              (-0.2, 0.49)], colour)
    pen.ellipse(0.22, 0.45, 0.15, 0.045, dark(colour, 0.12))
    head = pen.at(-0.22, 0.2 if name != "rabbit" else 0.24, 0.48)
    HEADS[name][0](head, colour)
    for s in (-1, 1):
        head.ellipse(s * 0.18, -0.02, 0.115, 0.115, colour)
        line = INK if luma(colour) > 110 else (220, 220, 228)
        head.curve([(s * 0.18 - 0.08, -0.02), (s * 0.18, 0.025), (s * 0.18 + 0.08, -0.02)],
                   0.03, line)
