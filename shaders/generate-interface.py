#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes both sides of a shader's interface from its declaration in the shader's own file.

Usage: generate-interface.py glsl SHADER.comp OUTPUT.glsl
       generate-interface.py header|source OUTPUT SHADER.comp…

A shader declares its interface between “#ifdef ZIM_INTERFACE” and “#endif”, which the compiler never sees:

    enum ELEMENT_SILU ELEMENT_TANH;   numbers from 0 on, known to both sides
    constant KIND;                    a specialisation constant, an unsigned number
    variant f16 bf16;                 compiled once for each, with ZIM_F16 or ZIM_BF16 defined
    full_subgroups;                   groups are of whole subgroups, of the size that the device has for them
    buffer f32 x;                     the address of memory: f32, f32x4, u32, u32x2, u32x4
    push uint rows;                   a number of each dispatch: uint, int or float

GLSL gets the constants, a block of push constants that holds the addresses and the numbers, and a group of GROUP_SIZE
invocations, the first constant of every shader. C gets a struct of the constants, one of the push constants, and the
shader's code under one name: ZimVkElementConstants, ZimVkElementPush, zim_vk_element of element.comp. The code of
variants has their names behind it: zim_vk_matmul_coop_f16, from matmul-coop-f16.spv.h.
"""

import re
import sys
from pathlib import Path

MAX_PUSH_SIZE = 128  # what every Vulkan device takes

BUFFERS = {
    "f32": ("float", 4),
    "f32x4": ("vec4", 16),
    "u32": ("uint", 4),
    "u32x2": ("uvec2", 8),
    "u32x4": ("uvec4", 16),
}
NUMBERS = {"uint": "guint32", "int": "gint32", "float": "float"}

HEAD = "/* {name}: made by {generator}{sources} */\n\n"


def c_name(name):
    return "zim_vk_" + name.replace("-", "_")


class Interface:
    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.stem
        self.enums = []
        self.variants = []
        self.full_subgroups = False
        self.constants = ["GROUP_SIZE"]
        self.buffers = []
        self.numbers = []
        inside = False
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip() == "#ifdef ZIM_INTERFACE":
                inside = True
            elif inside and line.strip() == "#endif":
                inside = False
            elif inside:
                self.parse(number, re.sub(r"/\*.*?\*/", "", line).strip())
        if self.push_size() > MAX_PUSH_SIZE:
            self.fail(number, f"{self.push_size()} bytes of push constants, at most {MAX_PUSH_SIZE} are portable")

    def fail(self, number, message):
        sys.exit(f"{self.path}:{number}: {message}")

    def parse(self, number, line):
        words = re.sub(r";$", "", line).split()
        if not words:
            return
        if not line.endswith(";"):
            self.fail(number, f"“{line}” does not end with a semicolon")
        if words[0] == "enum":
            self.enums.append(words[1:])
        elif words[0] == "variant" and len(words) > 1:
            self.variants += words[1:]
        elif words == ["full_subgroups"]:
            self.full_subgroups = True
        elif words[0] == "constant" and len(words) == 2:
            self.constants.append(words[1])
        elif words[0] == "buffer" and len(words) == 3 and words[1] in BUFFERS:
            self.buffers.append((words[1], words[2]))
        elif words[0] == "push" and len(words) == 3 and words[1] in NUMBERS:
            self.numbers.append((words[1], words[2]))
        else:
            self.fail(number, f"“{line}” declares nothing that is known")

    def push_size(self):
        return 8 * len(self.buffers) + 4 * len(self.numbers)

    def type_name(self):
        return "ZimVk" + "".join(part.capitalize() for part in self.name.split("-"))

    def code_names(self):
        return [f"{self.name}-{variant}" for variant in self.variants] or [self.name]

    def glsl(self):
        lines = [
            "#extension GL_EXT_buffer_reference : require",
            "#extension GL_EXT_buffer_reference2 : require",
            "#extension GL_EXT_control_flow_attributes : require",
            "",
        ]
        for names in self.enums:
            lines += [f"const uint {name} = {value};" for value, name in enumerate(names)]
        for index, name in enumerate(self.constants):
            lines.append(f"layout (constant_id = {index}) const uint {name} = 1;")
        lines += ["layout (local_size_x_id = 0) in;", ""]
        for kind, (type_name, size) in BUFFERS.items():
            lines.append(
                f"layout (buffer_reference, std430, buffer_reference_align = {size}) "
                f"buffer {kind.upper()} {{ {type_name} v[]; }};"
            )
        lines += ["", "layout (push_constant) uniform Push", "{"]
        lines += [f"  {kind.upper()} {name};" for kind, name in self.buffers]
        lines += [f"  {kind} {name};" for kind, name in self.numbers]
        return "\n".join(lines + ["};", ""])

    def struct(self):
        name = self.type_name()
        lines = []
        for names in self.enums:
            lines += ["enum {"] + [f"  ZIM_VK_{item}," for item in names] + ["};", ""]
        lines += ["typedef struct {"] + [f"  guint32 {item.lower()};" for item in self.constants]
        lines += [f"}} {name}Constants;", "", "typedef struct {"]
        lines += [f"  guint64 {item};" for _, item in self.buffers]
        lines += [f"  {NUMBERS[kind]} {item};" for kind, item in self.numbers]
        lines += [f"}} {name}Push;", ""]
        lines += [f"extern const ZimVkShader {c_name(name)};" for name in self.code_names()]
        return "\n".join(lines + [""])

    def definition(self):
        lines = []
        for name in self.code_names():
            variable = c_name(name)
            lines += [
                f"static const guint32 {variable}_code[] =",
                f'#include "{name}.spv.h"',
                ";",
                "",
                f"const ZimVkShader {variable} = {{",
                f'  "{name}", {variable}_code, sizeof {variable}_code, {self.push_size()}, {len(self.constants)},',
                f"  {str(self.full_subgroups).upper()},",
                "};",
                "",
            ]
        return "\n".join(lines)


def main():
    kind, *arguments = sys.argv[1:]
    if kind == "glsl":
        shader, output = arguments
        interfaces = [Interface(shader)]
        text = interfaces[0].glsl()
    else:
        output, *shaders = arguments
        interfaces = [Interface(path) for path in shaders]
        if kind == "header":
            parts = [interface.struct() for interface in interfaces]
            text = '#pragma once\n\n#include "compute/vulkan/zim-vk-shader-private.h"\n\n' + "\n".join(parts)
        else:
            parts = [interface.definition() for interface in interfaces]
            text = '#include "config.h"\n\n#include "zim-vk-shaders.h"\n\n' + "\n".join(parts)
    head = HEAD.format(
        name=Path(output).name,
        generator=Path(__file__).name,
        sources=" of " + interfaces[0].path.name if kind == "glsl" else "",
    )
    Path(output).write_text(head + text, encoding="utf-8")


main()
