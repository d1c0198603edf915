# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs an example of the book beside a tiny model and looks at what it prints and leaves.

Usage: run-example.py picture|progress|await COMMAND...
"""

import subprocess
import sys

import run_in_folder


def check(true, what, process):
    """Ends the test unless true."""
    if not true:
        sys.exit(f"{what}\nexit status {process.returncode}\n{process.stdout}{process.stderr}")


def run(command):
    """Runs the example; gives the process and the picture, if there is one."""
    process, files = run_in_folder.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)
    check(set(files) <= {"sunset.png"}, f"more files than expected: {list(files)}", process)
    return process, files.get("sunset.png")


def check_picture(process, picture):
    """A PNG file that tells its prompt."""
    check(process.returncode == 0, "the example failed", process)
    check(picture is not None and picture.startswith(b"\x89PNG"), "no picture", process)
    check(b"a sunset over mountains" in picture, "the picture does not tell its prompt", process)


def run_progress(command, previews):
    """With time enough it reports each step; without, it is cancelled."""
    process, picture = run(command)
    check_picture(process, picture)
    for step in range(1, 5):
        check(f"step {step} of 4" in process.stdout, f"no step {step}", process)
    check(("preview of 16x16 pixels" in process.stdout) == previews, "previews", process)
    check("done with seed" in process.stdout, "no seed", process)

    process, picture = run(command + ["0"])
    check(process.returncode == 1 and picture is None, "it was not cancelled", process)
    check("cancelled" in process.stderr, "no message", process)


if sys.argv[1] == "picture":
    check_picture(*run(sys.argv[2:]))
else:
    run_progress(sys.argv[2:], sys.argv[1] == "progress")
