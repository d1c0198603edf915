#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows that the fixtures notice the mistakes an implementation may make.

    python mutations.py

Each mistake is made in the reference, the cases that could notice are run again,
and what they give is compared with their expected.safetensors. The result is
MUTATIONS.md; the exit status is 1 if a mistake goes unnoticed.
"""

import generate  # noqa: F401  sets the environment before torch is imported

import argparse
import sys
from contextlib import ExitStack

import cases
import dump
import mistakes_pipeline  # noqa: F401  registers its mistakes
import mistakes_transformer  # noqa: F401  registers its mistakes
import models
from mistake import MUTATIONS
from run import build, plain_arithmetic, run

# Largest ||a - b|| / ||b|| that counts as the same, by the start of a name.
TOLERANCES = [
    ("time.embed", 1e-5),
    ("rope.", 1e-6),
    ("text.", 1e-5),
    ("negative.text.", 1e-5),
    ("image.", 1e-5),
    ("caption.", 1e-5),
    ("time.", 1e-5),
    ("noise_refiner.", 1e-5),
    ("context_refiner.", 1e-5),
    ("layers.", 1e-5),
    ("", 1e-4),
]


def tolerance(name):
    """The tolerance of the tensor called name."""
    return next(limit for start, limit in TOLERANCES if name.startswith(start))


def double_precision(parts, _stack):
    """No mistake: how far rounding alone moves the numbers."""
    for name in ("transformer", "text_encoder", "vae"):
        if hasattr(parts, name):
            getattr(parts, name).double()


def try_case(name, change, tokenizer_path):
    """Distances of all tensors of a case that is run with a mistake."""
    case = cases.by_name(name)
    with ExitStack() as stack:
        parts = build(case, models.load_tokenizer(tokenizer_path))
        change(parts, stack)
        tensors, _pictures = run(case, parts)
    found = dump.pack(tensors, generate.whole_tensors(tensors))
    expected = dump.load(generate.FIXTURES / name / "expected.safetensors")
    return dump.differences(found, expected)


def worst(distances):
    """(tensor, distance, ratio to the tolerance) of the clearest change."""
    name = max(distances, key=lambda name: distances[name] / tolerance(name))
    return name, distances[name], distances[name] / tolerance(name)


def survey(change, names, tokenizer_path):
    """(case, tensor, distance, ratio) of each case, the clearest first."""
    found = [(name, *worst(try_case(name, change, tokenizer_path))) for name in names]
    return sorted(found, key=lambda row: -row[3])


def row(title, found):
    """One line of the table."""
    caught = sum(entry[3] > 1 for entry in found)
    case, tensor, distance, _ratio = found[0]
    change = "shape" if distance == float("inf") else f"{distance:.1e}"
    count = f"{caught} of {len(found)}"
    return f"| {title} | {count} | {case} | {tensor} | {change} | {tolerance(tensor):.0e} |"


HEAD = """# Mistakes that the fixtures notice

Made by `mutations.py`. Each line is a mistake made in the reference; "noticed" counts the cases,
of those that were run again, in which some stored tensor moved by more than its tolerance; the
rest of the line is the clearest of them. A change is ‖a − b‖₂ / ‖b‖₂ over the stored values.
[MUTATIONS-C.md](MUTATIONS-C.md) has the same mistakes made in the C code.

| mistake | noticed | case | tensor | change | tolerance |
| --- | --- | --- | --- | --- | --- |
"""

NOISE = """
Rounding alone, for comparison: each case with its networks in f64, and the tensor that comes
nearest to its tolerance:

| case | tensor | change | tolerance |
| --- | --- | --- | --- |
"""


def noise_rows(tokenizer_path):
    """How far f64 arithmetic is from the stored f32 values."""
    names = [case["name"] for case in cases.CASES]
    for case, tensor, distance, _ratio in survey(double_precision, names, tokenizer_path):
        yield f"| {case} | {tensor} | {distance:.1e} | {tolerance(tensor):.0e} |"


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default=models.TOKENIZER, help="another tokenizer.json")
    path = parser.parse_args().tokenizer
    lines, missed = [], 0
    with plain_arithmetic():
        for title, change, names in MUTATIONS:
            found = survey(change, names, path)
            missed += found[0][3] <= 1
            lines.append(row(title, found))
            print(lines[-1], flush=True)
        noise = list(noise_rows(path))
    text = HEAD + "\n".join(lines) + "\n" + NOISE + "\n".join(noise) + "\n"
    (models.HERE / "MUTATIONS.md").write_text(text)
    print("\n".join(noise))
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
