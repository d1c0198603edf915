# SPDX-License-Identifier: LGPL-2.1-or-later
"""A picture without blocking, with progress and previews; it gives up after a while.

Usage: progress.py [SECONDS]
"""

import sys

import gi

gi.require_version("ZImage", "1.0")
from gi.repository import GLib, ZImage


def on_progress(pipeline, job, stage, step, total):
    if stage == ZImage.Stage.DENOISE:
        print(f"step {step} of {total}, {job.props.fraction:.0%}")


def on_preview(job, pspec):
    preview = job.props.preview
    print(f"preview of {preview.get_width()}x{preview.get_height()} pixels")


def on_done(job):
    if job.get_error() is None:
        job.props.images[0].save("sunset.png")
        print("done with seed", job.props.seed)
    else:
        print(job.get_error().message, file=sys.stderr)
    loop.quit()


seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
loop = GLib.MainLoop()
pipeline = ZImage.Pipeline.new(ZImage.Model.open("./Z-Image-Turbo"))
pipeline.connect("progress", on_progress)
job = pipeline.submit(ZImage.Params(prompt="a sunset over mountains"))
job.request_preview(2, 256)
job.connect("notify::preview", on_preview)
job.connect("done", on_done)
GLib.timeout_add(1000 * seconds, job.cancel)
loop.run()
sys.exit(job.get_error() is not None)
