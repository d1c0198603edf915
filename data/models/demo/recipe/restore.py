# SPDX-License-Identifier: LGPL-2.1-or-later
"""The way back from a model folder to a work folder, so that a model that was shipped can be trained on."""

import shutil
from pathlib import Path

from safetensors.torch import load_file

import nets
from common import WORK, save


def weights(folder, part):
    """The tensors of a part, in f32."""
    tensors = {}
    for path in sorted((Path(folder) / part).glob("*.safetensors")):
        tensors |= {name: value.float() for name, value in load_file(path).items()}
    return tensors


def is_trained(name):
    """Whether a tensor of the text encoder is one that training knows: export.py adds a layer and a norm."""
    return not name.startswith((f"layers.{nets.TEXT_LAYERS}.", "norm."))


def restore(folder):
    """Write what the stages begin with; leaves what is there already."""
    if (WORK / "start.pt").exists():
        return
    shutil.copyfile(Path(folder) / "tokenizer" / "tokenizer.json", WORK / "tokenizer.json")
    save(WORK / "vae-start.pt", weights(folder, "vae"))
    text = {"text." + k: v for k, v in weights(folder, "text_encoder").items() if is_trained(k)}
    transformer = {"transformer." + k: v for k, v in weights(folder, "transformer").items()}
    save(WORK / "start.pt", text | transformer)
