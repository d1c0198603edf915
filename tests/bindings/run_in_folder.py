# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command in an empty folder that holds a tiny model, ./Z-Image-Turbo.

Usage: run_in_folder.py COMMAND...
"""

import os
import subprocess
import sys
import tempfile


def run(command, **options):
    """Runs a command beside a new tiny model; gives the finished process and the files that it left."""
    if os.path.exists(command[0]):
        command = [os.path.abspath(command[0]), *command[1:]]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.environ["MAKE_TINY_MODEL"], "--size=small", f"{folder}/Z-Image-Turbo"], check=True)
        process = subprocess.run(command, cwd=folder, check=False, **options)
        files = {}
        for name in sorted(set(os.listdir(folder)) - {"Z-Image-Turbo"}):
            with open(f"{folder}/{name}", "rb") as file:
                files[name] = file.read()
        return process, files


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:])[0].returncode)
