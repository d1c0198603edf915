#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps the code of shaders that an older glslc cannot compile.

Usage: spirv.py words CODE.spv OUTPUT.spv.h    code as words for C
       spirv.py make GLSLC                     compiles every variant into spirv/, which “./dev shaders” does
       spirv.py check                          says which code in spirv/ is not that of its sources

spirv/MANIFEST has a line for each: its name, the SHA-256 of what it was compiled from (the shader, all that it
includes, its interface as generated, the options), that of the code, and the compiler.
"""

import hashlib
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPIRV = HERE / "spirv"
MANIFEST = SPIRV / "MANIFEST"
GENERATOR = HERE / "generate-interface.py"
OPTIONS = ["--target-env=vulkan1.2", "-O0"]

HEAD = """\
# What each file beside this one was compiled from: name, SHA-256 of its sources, SHA-256 of its code, compiler. Made by
# “./dev shaders”.
"""


def variants():
    """Names of code, its shader and its define: (“matmul-coop-f16”, …/matmul-coop.comp, “ZIM_F16”)"""
    for shader in sorted(HERE.glob("*.comp")):
        match = re.search(r"^variant (.*);", shader.read_text(encoding="utf-8"), re.MULTILINE)
        for variant in match[1].split() if match else ():
            yield f"{shader.stem}-{variant}", shader, f"ZIM_{variant.upper()}"


def make_interface(shader, folder):
    output = Path(folder) / f"{shader.stem}.interface.glsl"
    subprocess.run([sys.executable, GENERATOR, "glsl", shader, output], check=True)
    return output


def list_sources(path, interface, found):
    """The shader and all that it includes, in the order of their names"""
    found[path.name] = path.read_text(encoding="utf-8")
    for name in re.findall(r'^#include "([^"]+)"', found[path.name], re.MULTILINE):
        if name not in found:
            list_sources(interface if name == interface.name else HERE / name, interface, found)
    return found


def digest(shader, interface, define):
    sources = list_sources(shader, interface, {})
    parts = [*OPTIONS, define] + [f"{name}\n{text}" for name, text in sorted(sources.items())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def compiler_version(glslc):
    """“shaderc 2026.4 glslang 16.4.0”, of the first words of each line"""
    output = subprocess.run([glslc, "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(re.findall(r"^(?:shaderc|glslang) v?\d[\d.]*", output, re.MULTILINE)) or "unknown"


def make(glslc):
    lines = []
    version = compiler_version(glslc)
    SPIRV.mkdir(exist_ok=True)
    for name, shader, define in variants():
        output = SPIRV / f"{name}.spv"
        with tempfile.TemporaryDirectory() as folder:
            interface = make_interface(shader, folder)
            command = [glslc, *OPTIONS, f"-D{define}", f"-I{folder}", f"-I{HERE}", shader, "-o", output]
            if subprocess.run(command, check=False).returncode != 0:
                sys.exit(f"{glslc} ({version}) cannot compile {name}: shaderc of 2025 or newer is needed")
            source = digest(shader, interface, define)
        code = hashlib.sha256(output.read_bytes()).hexdigest()
        lines.append(f"{name} {source} {code} {version}\n")
    MANIFEST.write_text(HEAD + "".join(lines), encoding="utf-8")


def read_manifest():
    lines = MANIFEST.read_text(encoding="utf-8").splitlines()
    return {line.split()[0]: line.split()[1:3] for line in lines if line and not line.startswith("#")}


def check():
    """What is wrong, a line to each fault"""
    manifest = read_manifest()
    wanted = list(variants())
    for name in sorted(set(manifest) - {name for name, _, _ in wanted}):
        yield f"spirv/{name}.spv belongs to no shader"
    for name, shader, define in wanted:
        code = SPIRV / f"{name}.spv"
        if name not in manifest or not code.exists():
            yield f"spirv/{name}.spv is missing: run ./dev shaders"
            continue
        with tempfile.TemporaryDirectory() as folder:
            source = digest(shader, make_interface(shader, folder), define)
        if manifest[name][0] != source:
            yield f"spirv/{name}.spv is older than {shader.name} or what that includes: run ./dev shaders"
        if manifest[name][1] != hashlib.sha256(code.read_bytes()).hexdigest():
            yield f"spirv/{name}.spv is not what MANIFEST tells of: run ./dev shaders"


def words(path, output):
    code = Path(path).read_bytes()
    if len(code) % 4 != 0 or code[:4] != b"\x03\x02\x23\x07":
        sys.exit(f"{path} is no SPIR-V")
    numbers = struct.unpack(f"<{len(code) // 4}I", code)
    Path(output).write_text("{" + ",\n".join(f"0x{number:08x}" for number in numbers) + "}\n", encoding="utf-8")


def main():
    match sys.argv[1:]:
        case ["words", path, output]:
            words(path, output)
        case ["make", glslc]:
            make(glslc)
        case ["check"]:
            faults = list(check())
            print("".join(f"{fault}\n" for fault in faults), end="")
            sys.exit(1 if faults else 0)
        case _:
            sys.exit(__doc__)


main()
