# SPDX-License-Identifier: LGPL-2.1-or-later
"""blocks.safetensors: stored weights of every type, and their values as other programs decode them.

    python blocks.py

makes this file alone. Of a case NAME it has

    NAME/data      I8 [bytes]     what is stored
    NAME/scales    F32 or BF16    with types that have scales beside the data
    NAME/biases    BF16
    NAME/values    F32 [values]

Q*: the gguf package. F8*: torch, all 256 codes, and some with a scale for each row. I8 and INT*: their formulas in f64,
which is exact before the last rounding, that to f32.
"""

import functools
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent

# Bytes at which the f16 scales of a block lie.
GGUF_SCALES = {
    "Q8_0": (0,),
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
}
# Both zeros, the smallest and the largest subnormal, the smallest normal, the largest, one.
SCALES = (0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00)


def random_bytes(generator, *shape):
    """Any bytes."""
    return generator.integers(0, 256, shape, np.uint8)


def gguf_blocks(generator, name):
    """Random blocks with the scales of SCALES, of all zeros and of all ones, and with any normal scales."""
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = random_bytes(generator, 16 if elements == 256 else 32, size)
    blocks[len(SCALES)] = 0
    blocks[len(SCALES) + 1] = 255
    for turn, at in enumerate(GGUF_SCALES[name]):
        scales = generator.normal(0, 0.1, len(blocks)).astype(np.float16).view(np.uint16)
        scales[: len(SCALES)] = np.roll(SCALES, 3 * turn)
        blocks[:, at : at + 2] = scales.astype("<u2").reshape(-1, 1).view(np.uint8)
    return blocks


def gguf_case(generator, name):
    """Blocks of one of GGUF's types."""
    blocks = gguf_blocks(generator, name)
    values = gguf.dequantize(blocks, gguf.GGMLQuantizationType[name])
    return {"data": torch.from_numpy(blocks.view(np.int8)), "values": torch.from_numpy(values)}


def codes_case(dtype):
    """All codes of an f8 type."""
    codes = torch.arange(256, dtype=torch.uint8)
    return {"data": codes.view(torch.int8), "values": codes.view(dtype).float()}


def row_scales(generator, rows):
    """Scales of any sign, a subnormal one among them."""
    scales = torch.from_numpy(generator.normal(0, 0.1, rows).astype(np.float32))
    scales[-1] = 1e-40
    return scales


def scaled_case(generator, dtype):
    """Rows of an f8 type with a scale each."""
    codes = torch.from_numpy(random_bytes(generator, 4, 33) & 0xBB)  # without what is not a number
    scales = row_scales(generator, 4)
    values = codes.view(dtype).float() * scales[:, None]
    return {"data": codes.view(torch.int8), "scales": scales, "values": values}


def rotation(size):
    """The Kronecker power of that size."""
    factor = torch.tensor([[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1]]).double() / 2
    power = torch.ones(1, 1, dtype=torch.float64)
    return functools.reduce(torch.kron, [factor] * round(np.log(size) / np.log(4)), power)


def int8_case(generator, size):
    """Rows of small integers with a scale each, of which groups of columns were rotated; 1: not."""
    data = torch.from_numpy(random_bytes(generator, 3, 512).view(np.int8))
    scales = row_scales(generator, 3)
    values = (data.double().reshape(3, -1, size) @ rotation(size)).reshape(3, -1)
    return {"data": data, "scales": scales, "values": (values * scales.double()[:, None]).float()}


def affine_case(generator, bits, group):
    """MLX's affine types: groups of unsigned integers, the first in the lowest bits, each with a scale and a bias."""
    q = torch.from_numpy(generator.integers(0, 2**bits, (3, 256), np.uint8))
    scales = torch.from_numpy(generator.normal(0, 0.1, (3, 256 // group))).bfloat16()
    biases = torch.from_numpy(generator.normal(0, 1, (3, 256 // group))).bfloat16()
    values = q.double().reshape(3, -1, group) * scales.double()[..., None] + biases.double()[..., None]
    data = q if bits == 8 else q[:, ::2] | q[:, 1::2] << 4
    return {
        "data": data.contiguous().view(torch.int8),
        "scales": scales,
        "biases": biases,
        "values": values.reshape(3, -1).float(),
    }


def make_cases():
    """All cases by name."""
    generator = np.random.default_rng(1)
    cases = {name: gguf_case(generator, name) for name in GGUF_SCALES}
    for name, dtype in (("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2)):
        cases[name] = codes_case(dtype)
        cases[f"{name}-rows"] = scaled_case(generator, dtype)
    for size in (1, 4, 16, 64, 256):
        cases[f"I8-{size}"] = int8_case(generator, size)
    for bits in (4, 8):
        for group in (32, 64):
            cases[f"INT{bits}-{group}"] = affine_case(generator, bits, group)
    return cases


def save(path):
    """Make the file."""
    tensors = {f"{name}/{part}": value for name, case in make_cases().items() for part, value in case.items()}
    save_file({name: tensor.flatten().contiguous() for name, tensor in tensors.items()}, path)


if __name__ == "__main__":
    save(HERE / "fixtures" / "blocks.safetensors")
