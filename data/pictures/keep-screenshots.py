#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps in desktop/ those pictures of the application that its metainfo lists, much smaller.

    ./dev screenshots FOLDER
    data/pictures/keep-screenshots.py FOLDER

Needs Pillow.
"""

import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
NAMES = ['light', 'generating', 'history', 'dark', 'first-run', 'narrow', 'rtl']

for name in NAMES:
    with Image.open(Path(sys.argv[1]) / f'{name}.png') as picture:
        picture.convert('RGB').save(HERE / 'desktop' / f'{name}.jpg', quality=90, subsampling=0, optimize=True)
