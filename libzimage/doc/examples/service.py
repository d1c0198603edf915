# SPDX-License-Identifier: LGPL-2.1-or-later
"""service.py: a picture made by the generator on the session bus, with its progress."""

import os

from gi.repository import Gio, GLib

NAME = "io.github.zimage.Generator"
PATH = "/io/github/zimage/Generator"

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
loop = GLib.MainLoop()


def on_progress(bus, sender, path, interface, signal, arguments):
    stage, step, total, fraction, remaining = arguments.unpack()
    print(f"{fraction:4.0%} {stage} {step}/{total}")


def on_pictures(bus, result):
    try:
        handles, files = bus.call_with_unix_fd_list_finish(result)
        with os.fdopen(files.get(handles.unpack()[0][0]), "rb") as picture, open("sunset.png", "wb") as file:
            file.write(picture.read())
    except GLib.Error as error:
        print(error.message)
    loop.quit()


parameters = {
    "prompt": GLib.Variant("s", "a sunset over mountains"),
    "steps": GLib.Variant("i", 8),
}
(job,) = bus.call_sync(
    NAME, PATH, NAME, "Generate", GLib.Variant("(a{sv})", [parameters]), None, Gio.DBusCallFlags.NONE, -1
)
bus.signal_subscribe(NAME, NAME + ".Job", "Progress", job, None, Gio.DBusSignalFlags.NONE, on_progress)
bus.call_with_unix_fd_list(
    NAME, job, NAME + ".Job", "Wait", None, None, Gio.DBusCallFlags.NONE, GLib.MAXINT, None, None, on_pictures
)
loop.run()
