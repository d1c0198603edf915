# SPDX-License-Identifier: LGPL-2.1-or-later
"""The translations: valid, none of them doubtful, and nearly complete as the sources are now.

A text that was just written may lack translations; more than a few are too many.
"""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import tap

ROOT = Path(__file__).resolve().parents[2]
PO = ROOT / "po"
LANGUAGES = [line for line in (PO / "LINGUAS").read_text(encoding="utf-8").split("\n") if line and line[0] != "#"]
KEYWORDS = ["_", "N_", "C_:1c,2", "NC_:1c,2", "ngettext:1,2", "g_dngettext:2,3", "g_dpgettext2:2c,3"]
COMPLETE = 0.97


def run(*command):
    """What a program prints, both ways, and that it ended well."""
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8")


class Translations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.template = Path(cls.folder.name) / "zimage.pot"
        os.environ["GETTEXTDATADIRS"] = str(PO)
        run("xgettext", "--from-code=UTF-8", *(f"--keyword={k}" for k in KEYWORDS), "--files-from=po/POTFILES.in",
            "-o", cls.template)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_all_are_listed(self):
        self.assertEqual(LANGUAGES, sorted(path.stem for path in PO.glob("*.po")))

    def test_valid(self):
        for language in LANGUAGES:
            with self.subTest(language):
                run("msgfmt", "--check", "-o", "/dev/null", PO / f"{language}.po")

    def test_complete(self):
        for language in LANGUAGES:
            with self.subTest(language):
                merged = Path(self.folder.name) / f"{language}.po"
                run("msgmerge", "-q", "-N", PO / f"{language}.po", self.template, "-o", merged)
                said = run("msgfmt", "--statistics", "-o", "/dev/null", merged).stderr
                done, fuzzy, missing = (
                    int(match[1]) if (match := re.search(rf"(\d+) {word}", said)) else 0
                    for word in ("translated", "fuzzy", "untranslated"))
                print(f"# {language}: {said.strip()}", flush=True)
                self.assertEqual(fuzzy, 0)
                self.assertGreaterEqual(done, COMPLETE * (done + missing))


tap.main()
