#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes tests/reference/fixtures from diffusers and transformers.

    python generate.py [CASE ...]

Without a case all are made, and scheduler.json, noise.json, weights.json, blocks.safetensors and types.gguf too.
"""

import os

# The plainest kernels there are: the same numbers on each x86-64 processor.
os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")
os.environ.setdefault("MKL_CBWR", "COMPATIBLE")

import argparse
import shutil
import time

import blocks
import cases
import dump
import gguf_file
import models
import tables
from run import build, plain_arithmetic, run

FIXTURES = models.HERE / "fixtures"


def whole_tensors(tensors):
    """The tensors that a test feeds back in and so needs complete."""
    return [name for name in tensors if name.endswith("latents.0")]


def save_configs(case, parts, folder):
    """Write the configs of the models that a case uses."""
    older = case.get("older", False)
    if case["kind"] == "pipeline":
        models.save_pipeline(parts, folder, older)
        return
    for name in case["models"]:
        models.save_component(getattr(parts, name), folder / name, older)


def save_pictures(pictures, folder):
    """expected.png, and expected.B.png for further pictures."""
    for index, picture in enumerate(pictures):
        name = f"expected.{index}.png" if index else "expected.png"
        picture.save(folder / name, optimize=True)


def make(case, tokenizer):
    """Make the folder of one case."""
    folder = FIXTURES / case["name"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = build(case, tokenizer)
    save_configs(case, parts, folder)
    tensors, pictures = run(case, parts)
    models.write_json(folder / "case.json", cases.public(case))
    dump.save(folder / "expected.safetensors", dump.pack(tensors, whole_tensors(tensors)))
    save_pictures(pictures, folder)


def size_of(folder):
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def make_case(case, tokenizer):
    """Make one case and say so."""
    start = time.monotonic()
    make(case, tokenizer)
    size = size_of(FIXTURES / case["name"])
    print(f"{case['name']:32} {size / 1024:7.1f} KiB {time.monotonic() - start:6.1f} s", flush=True)


def make_tables():
    """Make the files that belong to no case."""
    models.write_json(FIXTURES / "scheduler.json", tables.scheduler_table())
    models.write_json(FIXTURES / "noise.json", tables.noise_table())
    models.write_json(FIXTURES / "weights.json", tables.weights_table())
    blocks.save(FIXTURES / "blocks.safetensors")
    gguf_file.save(FIXTURES / "types.gguf")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", help="name of a case")
    parser.add_argument("--tokenizer", default=models.TOKENIZER, help="another tokenizer.json")
    arguments = parser.parse_args()
    tokenizer = models.load_tokenizer(arguments.tokenizer)
    wanted = [cases.by_name(name) for name in arguments.case]
    if not wanted:
        shutil.rmtree(FIXTURES, ignore_errors=True)
    with plain_arithmetic():
        for case in wanted or cases.CASES:
            make_case(case, tokenizer)
        if not wanted:
            make_tables()
    print(f"{size_of(FIXTURES) / 1024:.0f} KiB in all")


if __name__ == "__main__":
    main()
