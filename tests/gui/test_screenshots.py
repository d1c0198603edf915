#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every screenshot that the metainfo lists has a caption and a picture that is kept here, and every one of those is
listed.

    test_screenshots.py METAINFO FOLDER
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

metainfo, folder = sys.argv[1], Path(sys.argv[2])
shots = ElementTree.parse(metainfo).findall('screenshots/screenshot')
names = [shot.findtext('image').rsplit('/', 1)[1] for shot in shots]
assert sorted(names) == sorted(path.name for path in folder.iterdir()), names
assert all(shot.findtext('caption') for shot in shots)
assert [shot.get('type') for shot in shots].count('default') == 1
for name in names:
    data = (folder / name).read_bytes()
    assert data[:3] == b'\xff\xd8\xff', name
    assert len(data) < 100_000, f'{name}: {len(data)} bytes'
