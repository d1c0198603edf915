# SPDX-License-Identifier: LGPL-2.1-or-later
"""Weights and inputs from a hash, the same here and in the C tests.

No weight is stored. The element i (row-major, from 0) of a tensor is a function
of the tensor's full name "component/name" and i alone:

    h = FNV-1a 64 of the UTF-8 bytes of "component/name"
    z = (h + 0x9E3779B97F4A7C15 * (i + 1)) mod 2^64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 mod 2^64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB mod 2^64
    r = z ^ (z >> 31)
    j = (int) ((r >> 32) mod (2 J + 1)) - J
    value = mean + j * step

component is transformer, text_encoder or vae; name is the state-dict name that
diffusers or transformers uses (text encoder: without a leading "model."). Every
value is exact in f32, bf16 and f16. mean, J and step come from the first rule
that fits the name:

    1. contains "norm", ends ".weight" and is 1-D; or is "cap_embedder.0.weight":
       mean 1, J 16, step 2^-7
    2. ends ".bias":                mean 0, J 127, step 2^-9
    3. ends "pad_token":            mean 0, J 127, step 2^-6
    4. ends "embed_tokens.weight":  mean 0, J 127, step 2^-7
    5. anything else: fan_in = product of dims[1:], e = the smallest integer >= 0
       with 3 * 4^e >= fan_in:      mean 0, J 127, step 2^-(e + 7)

A case may carry "weight_shift", an object of numbers. For each of its keys that
the name contains (the key "" is in every name) the step of rules 2 to 5 is
multiplied by 2^number. Small weights make small activations, so that each epsilon
shows; large ones make the picture reach black and white.

Inputs follow the same hash with mean 0, J 127 and a step of their own:
"input/latents" and "input/features" 2^-6, "input/image" 2^-7, multiplied by
2^number where the case has "input_shift": {"latents": number}.
"""

import math

import numpy as np
import torch

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
INPUT_STEPS = {"latents": 2.0**-6, "features": 2.0**-6, "image": 2.0**-7}


def fnv1a(text):
    """FNV-1a, 64 bits, of the UTF-8 bytes of text."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def splitmix64(z):
    """The finaliser of splitmix64 on a uint64 array."""
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def counter(start, count):
    """The hashes of the counters 1 .. count that begin at start."""
    steps = np.arange(1, count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        return splitmix64(np.uint64(start) + GOLDEN * steps)


def values(full_name, shape, mean, span, step):
    """The tensor full_name as f32: mean + j * step with j in -span .. span."""
    count = math.prod(shape)
    bits = counter(fnv1a(full_name), count) >> np.uint64(32)
    j = (bits % np.uint64(2 * span + 1)).astype(np.int64) - span
    return torch.from_numpy((mean + j * step).astype(np.float32).reshape(shape))


def rule(name, shape, shifts=None):
    """(mean, J, step) of the weight called name."""
    scale = 2.0 ** sum(number for key, number in (shifts or {}).items() if key in name)
    is_norm = "norm" in name and name.endswith(".weight") and len(shape) == 1
    if is_norm or name == "cap_embedder.0.weight":
        return 1.0, 16, 2.0**-7
    if name.endswith(".bias"):
        return 0.0, 127, 2.0**-9 * scale
    if name.endswith("pad_token"):
        return 0.0, 127, 2.0**-6 * scale
    if name.endswith("embed_tokens.weight"):
        return 0.0, 127, 2.0**-7 * scale
    fan_in = math.prod(shape[1:])
    e = 0
    while 3 * 4**e < fan_in:
        e += 1
    return 0.0, 127, 2.0 ** -(e + 7) * scale


def weight(component, name, shape, shifts=None):
    """The weight called name of a component."""
    mean, span, step = rule(name, shape, shifts)
    return values(f"{component}/{name}", shape, mean, span, step)


def fill(module, component, shifts=None):
    """Overwrite all parameters of a module; returns it, ready for inference."""
    state = {
        name: weight(component, name, tuple(old.shape), shifts)
        for name, old in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


def input_tensor(name, shape, shift=0):
    """The input called name ("latents", "features" or "image")."""
    step = INPUT_STEPS[name] * 2.0**shift
    return values(f"input/{name}", tuple(shape), 0.0, 127, step)
