#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the page in one language, of its markup, its script and a catalogue of gettext.

Usage: make-page.py index.html page.js LANGUAGE CATALOGUE.po|- PAGE

What po/its/zimage-page.its lets xgettext find in the markup is replaced here, and texts in _() of the script.
"""

import gettext
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
ELEMENTS = {"a", "button", "h1", "h2", "label", "option", "p", "title"}
ATTRIBUTES = {"aria-label", "placeholder"}
TEXT = re.compile(r"_\('((?:[^'\\]|\\.)*)'\)")


def read_catalogue(path):
    """Text to text in another language; to itself, where there is none."""
    if path == "-":
        return lambda text: text
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "page.mo"
        subprocess.run(["msgfmt", "-o", compiled, path], check=True)
        with open(compiled, "rb") as file:
            return gettext.GNUTranslations(file).gettext


def translate_markup(tree, translate):
    """Replace texts, and take the namespace away, which HTML writes nowhere."""
    for element in tree.iter():
        element.tag = element.tag.removeprefix(NAMESPACE)
        wanted = element.attrib.pop("translate", "yes") == "yes"
        if wanted and element.tag in ELEMENTS and element.text and element.text.strip():
            element.text = translate(element.text)
        for name in ATTRIBUTES & set(element.attrib):
            element.set(name, translate(element.get(name)))


def translate_script(text, translate):
    """Replace every _('text') by a string."""
    def replace(match):
        return json.dumps(translate(match[1]), ensure_ascii=False)

    return TEXT.sub(replace, text)


def main():
    """Read, replace, join, write."""
    markup, script, language, catalogue, page = sys.argv[1:]
    translate = read_catalogue(catalogue)
    root = ET.parse(markup).getroot()
    translate_markup(root, translate)
    root.set("lang", language.replace("_", "-"))
    element = root.find("body/script")
    del element.attrib["src"]
    element.text = "\n" + translate_script(Path(script).read_text(encoding="utf-8"), translate)
    html = ET.tostring(root, encoding="unicode", method="html")
    Path(page).write_text("<!DOCTYPE html>\n" + html + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
