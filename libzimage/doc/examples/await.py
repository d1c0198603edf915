# SPDX-License-Identifier: LGPL-2.1-or-later
"""A picture in a program that uses asyncio, with progress; cancelling the task cancels the work.

GLib's main loop runs in a thread beside asyncio's, and calls of the library are made there.

Usage: await.py [SECONDS]
"""

import asyncio
import sys
import threading

import gi

gi.require_version("ZImage", "1.0")
from gi.repository import Gio, GLib, ZImage


async def generate(pipeline, params):
    """The images; the library's error, if there is one."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    cancellable = Gio.Cancellable()

    def settle(images, error):
        if future.done():
            return
        if error is None:
            future.set_result(images)
        else:
            future.set_exception(error)

    def on_done(pipeline, result):
        try:
            loop.call_soon_threadsafe(settle, pipeline.generate_finish(result), None)
        except GLib.Error as error:
            loop.call_soon_threadsafe(settle, None, error)

    GLib.idle_add(pipeline.generate_async, params, cancellable, on_done)
    try:
        return await future
    finally:
        cancellable.cancel()


def on_progress(pipeline, job, stage, step, total):
    if stage == ZImage.Stage.DENOISE:
        print(f"step {step} of {total}, {job.props.fraction:.0%}")


async def main(seconds):
    pipeline = ZImage.Pipeline.new(ZImage.Model.open("./Z-Image-Turbo"))
    pipeline.connect("progress", on_progress)
    params = ZImage.Params(prompt="a sunset over mountains")
    images = await asyncio.wait_for(generate(pipeline, params), seconds)
    images[0].save("sunset.png")
    print("done with seed", images[0].props.seed)


threading.Thread(target=GLib.MainLoop().run, daemon=True).start()
try:
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 600))
except asyncio.TimeoutError:
    sys.exit("cancelled: it took too long")
except GLib.Error as error:
    sys.exit(error.message)
