#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the demo model from nothing and writes it: one command, which goes on where it stopped.

Usage: train.py [--work FOLDER] [--to FOLDER] [--from FOLDER] [--threads N] [--stages vae,base,...] [--steps base=N,...]
"""

import argparse
import os
from pathlib import Path

STAGES = ["vae", "base", "turbo", "decoder"]


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default="work", help="where checkpoints and samples go")
    parser.add_argument("--to", help="the model folder to write at the end")
    parser.add_argument("--from", dest="source", help="a model folder whose weights are trained on")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--steps", default="", help="other numbers of steps than the usual, as base=4000")
    return parser.parse_args()


def main():
    """All stages in turn; a finished one is passed over."""
    arguments = parse()
    os.environ["DEMO_WORK"] = str(Path(arguments.work).resolve())
    os.environ["DEMO_THREADS"] = str(arguments.threads)
    import common
    import train_decoder
    import train_flow
    import train_vae
    common.setup()
    steps = {stage: int(count) for stage, count in (
        part.split("=") for part in arguments.steps.split(",") if part)}
    if arguments.source:
        import restore
        restore.restore(arguments.source)
    for stage in arguments.stages.split(","):
        train = {"vae": train_vae.train, "decoder": train_decoder.train}.get(stage)
        if train:
            train(steps.get(stage))
        else:
            train_flow.train(stage, steps.get(stage))
    if arguments.to:
        import export
        export.export(arguments.to)


if __name__ == "__main__":
    main()
