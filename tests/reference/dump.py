# SPDX-License-Identifier: LGPL-2.1-or-later
"""How expected values are stored, and how two dumps are compared.

expected.safetensors holds F32 and I32 tensors only. A tensor NAME of integers or
of at most 1024 values is stored as it is, and so are a pipeline's "latents.0". Of
any other three parts are stored:

    NAME@shape    I32 [dims]   its shape
    NAME@norm     F32 [1]      its L2 norm, summed in f64
    NAME@samples  F32 [512]    the values at the flat (row-major) places
                               p_k = splitmix64 (k * 0x9E3779B97F4A7C15) mod size,
                               k = 1 .. 512, finaliser as in weights.py; a place
                               may come twice

Layouts: activations are [rows, features] without a batch axis, q and k
[rows, heads * head_dim], feature maps [channels, height, width].
"""

import numpy as np
from safetensors.numpy import load_file, save_file

from weights import counter

WHOLE = 1024
SAMPLES = 512


def places(size):
    """The flat places at which a tensor of that size is sampled."""
    return (counter(0, SAMPLES) % np.uint64(size)).astype(np.int64)


def as_array(tensor):
    """A contiguous f32 or i32 array."""
    array = tensor.detach().cpu().numpy()
    kind = np.int32 if array.dtype.kind in "iub" else np.float32
    return np.ascontiguousarray(array.astype(kind))


def parts(name, array, keep_whole=False):
    """The stored parts of one tensor."""
    if keep_whole or array.size <= WHOLE or array.dtype == np.int32:
        return {name: array}
    flat = array.reshape(-1)
    norm = np.sqrt(np.sum(flat.astype(np.float64) ** 2))
    return {
        f"{name}@shape": np.array(array.shape, np.int32),
        f"{name}@norm": np.array([norm], np.float32),
        f"{name}@samples": flat[places(flat.size)],
    }


def pack(tensors, whole=()):
    """All stored parts of a dict of torch tensors, sorted by name."""
    stored = {}
    for name in sorted(tensors):
        stored.update(parts(name, as_array(tensors[name]), name in whole))
    return stored


def save(path, stored):
    """Write packed tensors."""
    save_file(stored, path)


def load(path):
    """Read packed tensors."""
    return load_file(path)


def distance(a, b):
    """||a - b|| / ||b|| in f64; infinite where the shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    a, b = a.astype(np.float64), b.astype(np.float64)
    scale = np.linalg.norm(b)
    gap = np.linalg.norm(a - b)
    return gap / scale if scale > 0 else gap


def differences(found, expected):
    """{name: distance} of two packed dumps, norms and shapes left out."""
    result = {}
    for name, value in expected.items():
        if name.endswith(("@norm", "@shape")):
            continue
        other = found.get(name)
        plain = name.removesuffix("@samples")
        result[plain] = float("inf") if other is None else distance(other, value)
    return result
