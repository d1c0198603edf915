#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the demo model from nothing and writes it: one command, which goes on where it stopped.

Usage: train.py [--work FOLDER] [--to FOLDER] [--threads N] [--stages vae,base,...]
"""

import argparse
import os
from pathlib import Path

STAGES = ["vae", "base", "refine", "turbo"]


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default="work", help="where checkpoints and samples go")
    parser.add_argument("--to", help="the model folder to write at the end")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--stages", default=",".join(STAGES))
    return parser.parse_args()


def main():
    """All stages in turn; a finished one is passed over."""
    arguments = parse()
    os.environ["DEMO_WORK"] = str(Path(arguments.work).resolve())
    os.environ["DEMO_THREADS"] = str(arguments.threads)
    # Threads that wait would otherwise keep a core busy that another may need.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import common
    import train_flow
    import train_vae
    common.setup()
    for stage in arguments.stages.split(","):
        if stage == "vae":
            train_vae.train()
        elif stage == "refine":
            train_vae.refine()
        else:
            train_flow.train(stage)
    if arguments.to:
        import export
        export.export(arguments.to)


if __name__ == "__main__":
    main()
