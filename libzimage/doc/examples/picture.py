# SPDX-License-Identifier: LGPL-2.1-or-later
"""One picture, in ten lines."""

import gi

gi.require_version("ZImage", "1.0")
from gi.repository import ZImage

model = ZImage.Model.open("./Z-Image-Turbo")
pipeline = ZImage.Pipeline.new(model)
params = ZImage.Params(prompt="a sunset over mountains")
images = pipeline.generate(params)
images[0].save("sunset.png")
