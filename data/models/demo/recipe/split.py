# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which combinations training never sees."""

import hashlib

HELD_OUT_PERCENT = 12


def key(subject, colour, place, background):
    """A combination as text; place is also a count, and may be none."""
    return "|".join(str(part or "-") for part in (subject, colour, place, background))


def held_out(subject, colour, place, background):
    """True for the combinations kept for the test; for ever, whatever the seed."""
    digest = hashlib.sha256(key(subject, colour, place, background).encode()).digest()
    return digest[0] * 100 // 256 < HELD_OUT_PERCENT
