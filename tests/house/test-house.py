# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules of the house: who includes whom, what is exported, how sources look.

Usage: test-house.py SHARED_LIBRARY
"""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import tap

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(sys.argv[1]).resolve()

# Which private folders of the library a folder may include from, itself aside. The public classes are "".
MAY_INCLUDE = {
    "": {"compute", "diffusion", "formats", "store", "text"},
    "compute": set(),
    "compute/cpu": {"compute"},
    "compute/vulkan": {"compute"},
    "diffusion": {"compute", "formats"},
    "formats": {"compute"},
    "store": {"formats"},
    "text": {"formats"},
}
# Headers that stand below all folders.
COMMON = {"config.h", "zim-enums.h", "zim-enum-types.h", "zim-error.h"}
# Headers that are made of a folder's own sources.
MADE = {"compute/vulkan": {"zim-vk-shaders.h"}}
# The public classes that create a backend or measure one.
BACKEND_USERS = {"zim-benchmark.c", "zim-device.c"}

# Which front end may include which others.
FRONT_ENDS = {
    "common": set(),
    "cli": {"common", "server"},
    "gui": {"common"},
    "server": {"common"},
    "service": {"common"},
}
# Headers of theirs that are made.
MADE_FOR_FRONT_ENDS = {"app-bus.h": "common"}
ENTRY_HEADER = {"server": "app-server.h"}

# Headers of other libraries that belong to some folders alone.
FOREIGN = {
    r"cblas\.h|openblas.*": {"libzimage/compute/cpu"},
    r"vulkan/.*": {"libzimage/compute/vulkan"},
    r"immintrin\.h|arm_neon\.h": {"libzimage/compute/cpu"},
    r"json-glib/.*": {"libzimage/formats", "libzimage/text", "libzimage/store", "app"},
    r"libsoup/.*": {"libzimage/store", "app/server", "app/common"},
    r"gtk/.*|adwaita\.h|gdk/.*": {"app/gui"},
    r"gdk-pixbuf/.*": {"libzimage", "app"},
    r"readline/.*|sixel\.h|termios\.h": {"app/cli"},
}

SOURCES = {".c", ".h", ".py", ".js", ".sh", ".comp", ".glsl"}
TEXTS = SOURCES | {".build", ".in", ".md", ".txt", ".yml", ".css", ".xml"}
# Data of the tests, licence texts and tables that a program wrote.
NOT_OURS = re.compile(
    r"tests/reference/(fixtures/|tokenizer/.*\.(txt|json|jsonl)$)|tests/[^/]*/bad/|COPYING|po/.*\.po$"
)
GENERATED = re.compile(r"zim-unicode-tables\.h$")


def list_files():
    """Every file of the project, without what git ignores; in a release tarball, every file."""
    git = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=False
    )
    if git.returncode == 0 and (ROOT / ".git").exists():
        names = git.stdout.splitlines()
    else:
        builds = (".git/", ".venv/", *(f"{path.parent.name}/" for path in ROOT.glob("*/build.ninja")))
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if not name.startswith(builds) and "__pycache__" not in name]
    return sorted(name for name in names if (ROOT / name).is_file() and not NOT_OURS.search(name))


FILES = list_files()


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def is_script(name):
    return name in ("dev", ".ci/run")


def sources(*suffixes, folder=""):
    return [name for name in FILES if name.startswith(folder) and Path(name).suffix in suffixes]


def includes(name):
    """Pairs of line number and header."""
    found = []
    for number, line in enumerate(read(name).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            found.append((number, match[1], match[2]))
    return found


class House(unittest.TestCase):
    def check(self, faults):
        """Fails with the list of what is wrong."""
        faults = list(faults)
        if faults:
            self.fail("\n" + "\n".join(faults))

    # Includes

    def library_faults(self, name, line, header):
        """What is wrong with an include of a library source; header is relative to libzimage/."""
        folder = str(Path(name).parent.relative_to("libzimage")).removeprefix(".")
        target = str(Path(header).parent).removeprefix(".")
        where = f"{name}:{line}: "
        if folder == "doc/examples":
            yield where + f"an example includes “{header}”"
        elif target == folder or header in COMMON or header in MADE.get(folder, ()):
            return
        elif target.startswith("compute/"):
            if Path(name).name not in BACKEND_USERS:
                yield where + f"only {', '.join(sorted(BACKEND_USERS))} include from {target}/, not this file"
        elif target not in MAY_INCLUDE[folder]:
            yield where + f"{folder or 'a public class'} may not include “{header}”"

    def test_library_includes(self):
        faults = []
        for name in sources(".c", ".h", folder="libzimage/"):
            for line, kind, header in includes(name):
                if kind == '"':
                    faults += self.library_faults(name, line, header)
        self.check(faults)

    def test_public_headers(self):
        faults = []
        for name in sources(".h", ".in", folder="libzimage/"):
            if name.count("/") > 1 or name.endswith("-private.h"):
                continue
            for line, kind, header in includes(name):
                if kind == '"' and ("/" in header or "-private" in header):
                    faults.append(f"{name}:{line}: a public header includes “{header}”")
        self.check(faults)

    def test_front_ends(self):
        faults = []
        for name in sources(".c", ".h", folder="app/"):
            end = name.split("/")[1]
            own = {path.rsplit("/", 1)[1]: path.split("/")[1] for path in sources(".h", folder="app/")}
            own |= MADE_FOR_FRONT_ENDS
            for line, kind, header in includes(name):
                where = f"{name}:{line}: "
                if kind == "<" and header.startswith("zim") and header != "zimage.h":
                    faults.append(where + f"a front end includes <{header}>; it sees <zimage.h> alone")
                if kind == "<" or header == "config.h":
                    continue
                target = own.get(header)
                if target is None:
                    faults.append(where + f"“{header}” is no header of the front ends")
                elif target != end and (
                    target not in FRONT_ENDS[end] or header != ENTRY_HEADER.get(target, header)
                ):
                    faults.append(where + f"{end} may not include “{header}” of {target}")
        self.check(faults)

    def test_foreign_headers(self):
        faults = []
        for name in sources(".c", ".h", folder="libzimage/") + sources(".c", ".h", folder="app/"):
            folder = str(Path(name).parent)
            for line, _, header in includes(name):
                for pattern, homes in FOREIGN.items():
                    at_home = folder in homes or any(folder.startswith(home + "/") for home in homes - {"libzimage"})
                    if re.fullmatch(pattern, header) and not at_home:
                        faults.append(f"{name}:{line}: <{header}> belongs to {', '.join(sorted(homes))}")
        self.check(faults)

    def test_model_knows_no_device(self):
        faults = []
        for name in sources(".c", ".h", folder="libzimage/diffusion/"):
            for number, line in enumerate(read(name).splitlines(), 1):
                if re.match(r"\s*#\s*(if|ifdef|ifndef)\b", line):
                    faults.append(f"{name}:{number}: the model's code has no #if")
        self.check(faults)

    # Symbols

    def exported(self):
        """What the shared library exports."""
        lines = subprocess.run(
            ["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        symbols = {line.split()[2].split("@")[0] for line in lines}
        # What sanitizers and profilers add.
        return {symbol for symbol in symbols if not symbol.startswith(("__asan", "__tsan", "__ubsan", "__odr_asan"))}

    def declared(self):
        """The functions of the public headers, with the generated ones for enumerations."""
        functions = set()
        for name in sources(".h", ".in", folder="libzimage/"):
            if name.count("/") > 1 or name.endswith("-private.h"):
                continue
            for match in re.finditer(r"^ZIM_AVAILABLE_IN_\w+\n([^(]*\([^)]*)", read(name), re.MULTILINE):
                declare = re.match(r"G_DECLARE_\w+ \(\w+, (\w+),", match[1])
                functions.add(declare[1] + "_get_type" if declare else re.search(r"(\w+)\s*\(", match[1])[1])
            for match in re.finditer(r"^} Zim(\w+);$", read(name), re.MULTILINE):
                snake = re.sub(r"(?<!^)(?=[A-Z])", "_", match[1]).lower()
                functions.add(f"zim_{snake}_get_type")
        return functions

    def test_exported_symbols(self):
        exported, declared = self.exported(), self.declared()
        faults = [f"{symbol} is exported but in no public header" for symbol in sorted(exported - declared)]
        faults += [f"{symbol} is in a public header but not exported" for symbol in sorted(declared - exported)]
        faults += [f"{symbol} does not begin with zim_" for symbol in sorted(exported) if not symbol.startswith("zim_")]
        self.check(faults)

    def test_documented_symbols(self):
        text = "".join(read(name) for name in sources(".c", ".h", folder="libzimage/") if name.count("/") == 1)
        documented = set(re.findall(r"^/\*\*\n \* (zim_\w+):", text, re.MULTILINE))
        types = {symbol for symbol in self.declared() if symbol.endswith("_get_type")}
        self.check(f"{symbol} has no documentation" for symbol in sorted(self.declared() - documented - types))

    # Looks

    def test_licence(self):
        faults = []
        for name in FILES:
            if not (Path(name).suffix in SOURCES or is_script(name)):
                continue
            licence = "GPL-3.0-or-later" if name.startswith("app/") else "LGPL-2.1-or-later"
            head = read(name)[:3000]
            if f"SPDX-License-Identifier: {licence}\n" not in head:
                faults.append(f"{name}: no line “SPDX-License-Identifier: {licence}” at the top")
        self.check(faults)

    def test_headings(self):
        faults = []
        for name in sources(".c", ".h", ".js"):
            if not GENERATED.search(name) and not read(name).startswith(f"/* {Path(name).name.removesuffix('.in')}: "):
                faults.append(f"{name}: does not begin with “/* {Path(name).name}: what it is”")
        for name in sources(".py"):
            if not re.match(rf'(#!.*\n)?(# {Path(name).name}: |(#.*\n)+"""\S)', read(name)):
                faults.append(f"{name}: does not begin with what it is: the licence and a docstring")
        self.check(faults)

    def test_lines(self):
        faults = []
        for name in FILES:
            if not (Path(name).suffix in TEXTS or is_script(name)) or GENERATED.search(name):
                continue
            text = read(name)
            is_prose = Path(name).suffix == ".md"
            if text and (not text.endswith("\n") or text.endswith("\n\n")):
                faults.append(f"{name}: does not end with one newline")
            for number, line in enumerate(text.splitlines(), 1):
                where = f"{name}:{number}: "
                if "\t" in line:
                    faults.append(where + "tab")
                if line != line.rstrip():
                    faults.append(where + "space at the end of the line")
                if len(line) > 120 and not is_prose:
                    faults.append(where + f"{len(line)} columns")
                if re.search(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b", line):
                    faults.append(where + "a note of what is left to do; that is for the tracker")
        self.check(faults)

    # Lists

    def test_sources_are_built(self):
        faults = []
        for name in sources(".c"):
            folder = Path(name).parent
            lists = [ROOT / parent / "meson.build" for parent in [folder, *folder.parents]]
            text = "".join(path.read_text(encoding="utf-8") for path in lists if path.exists())
            stem = Path(name).stem
            short = re.sub(r"^(test|fuzz|cases|op-cases)-", "", stem)
            if not re.search(rf"['/]({stem}\.c|{short}|{stem})'", text):
                if not name.startswith("libzimage/doc/examples/"):
                    faults.append(f"{name}: in no meson.build")
        self.check(faults)

    def test_shader_code(self):
        """What shaders/spirv/ holds was compiled from the shaders as they are."""
        command = [sys.executable, "shaders/spirv.py", "check"]
        self.check(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines())

    def test_potfiles(self):
        listed = [line for line in read("po/POTFILES.in").splitlines() if line and not line.startswith("#")]
        marked = re.compile(
            r'\b(N?_|N?C_|n?gettext|g_dngettext|g_dpgettext2?) ?\(|translatable="yes"|gettext-domain=|'
            r"^\[Desktop Entry\]|<component type=|<html "
        )
        expected = [
            name
            for name in sources(".c", ".ui", ".js", ".html", folder="app/")
            + sources(".c", folder="libzimage/")
            + sources(".in", ".xml", folder="data/")
            if marked.search(read(name))
        ]
        faults = [f"{name} has texts to translate" for name in expected if name not in listed]
        faults += [f"{name} is listed but has no texts" for name in listed if name not in expected]
        if listed != sorted(listed):
            faults.append("the list is not sorted")
        self.check("po/POTFILES.in: " + fault for fault in faults)

    def test_messages_are_whole(self):
        """A macro in a text to translate ends it for xgettext, so that it is looked for under another name."""
        macro = re.compile(r'\b_ ?\((?:"(?:[^"\\]|\\.)*"|\s)*(G_\w+_FORMAT|PRI\w+)')
        self.check(
            f"{name}: {match[1]} in a text to translate; use %lld, %llu or %zu"
            for name in sources(".c", folder="app/") + sources(".c", folder="libzimage/")
            for match in macro.finditer(read(name))
        )

    # Documentation

    def blocks(self, name):
        """The code in C, Python and JavaScript of a page: pairs of line number and text."""
        for match in re.finditer(r"^```(c|python|js|javascript)\n(.*?)^```$", read(name), re.MULTILINE | re.DOTALL):
            yield read(name)[: match.start()].count("\n") + 1, match[2]

    def test_code_is_from_the_examples(self):
        folder = "libzimage/doc/examples/"
        examples = [re.sub(r"^ +", "", read(name), flags=re.MULTILINE) for name in FILES if name.startswith(folder)]
        faults = []
        for name in ["README.md"] + sources(".md", folder="libzimage/doc/"):
            for line, block in self.blocks(name):
                if not any(re.sub(r"^ +", "", block, flags=re.MULTILINE) in example for example in examples):
                    faults.append(f"{name}:{line}: this code is in no file of {folder}")
        self.check(faults)

    def test_readme_has_all_languages(self):
        text = read("README.md")
        for name in ("picture.c", "picture.py", "picture.js"):
            example = read(f"libzimage/doc/examples/{name}")
            body = re.sub(r"^(/\*.*?\*/|#.*?\"\"\".*?\"\"\")\n+", "", example, flags=re.DOTALL)
            self.assertIn(body, text, f"README.md does not have the lines of {name}")


os.chdir(ROOT)
tap.main()
