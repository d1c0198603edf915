# SPDX-License-Identifier: LGPL-2.1-or-later
"""types.gguf: a GGUF file as the gguf package writes it.

    python gguf_file.py

makes this file alone. It has

    Q*                         the data of the case of blocks.safetensors, as two rows
    F32, F16, BF16             0 to 29 in the shape [2, 3, 1, 5]
    row                        0 to 5 in one row, of which comfy.gguf.orig_shape makes [2, 1, 3]
    I16                        a type that is no weight's
    value.*                    a value of every type, and arrays of some
    tokenizer.ggml.*           a tokenizer of three tokens
"""

from pathlib import Path

import gguf
import numpy as np

import blocks

HERE = Path(__file__).resolve().parent


def add_values(writer):
    """Values of every type under their names, and a tokenizer."""
    for name in ("uint8", "uint16", "uint32", "uint64"):
        getattr(writer, f"add_{name}")(f"value.{name}", 7)
    for name in ("int8", "int16", "int32", "int64", "float32", "float64"):
        getattr(writer, f"add_{name}")(f"value.{name}", -7)
    writer.add_bool("value.bool", True)
    writer.add_string("value.string", "naïve")
    writer.add_array("value.numbers", [1.5, -2.5])
    writer.add_array("value.texts", ["", "two"])
    writer.add_array("comfy.gguf.orig_shape.row", [2, 1, 3])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(["a", "b", "ab"])
    writer.add_token_types([gguf.TokenType.NORMAL, gguf.TokenType.NORMAL, gguf.TokenType.CONTROL])
    writer.add_token_merges(["a b"])


def add_tensors(writer):
    """A tensor of every type."""
    cases = blocks.make_cases()
    for name in blocks.GGUF_SCALES:
        data = cases[name]["data"].numpy().view(np.uint8)
        writer.add_tensor(name, data.reshape(2, -1), raw_dtype=gguf.GGMLQuantizationType[name])
    numbers = np.arange(30, dtype=np.float32).reshape(2, 3, 1, 5)
    writer.add_tensor("F32", numbers)
    writer.add_tensor("F16", numbers.astype(np.float16))
    upper = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    writer.add_tensor("BF16", upper.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.add_tensor("row", np.arange(6, dtype=np.float32))
    writer.add_tensor("I16", np.arange(3, dtype=np.int16))


def save(path):
    """Make the file."""
    writer = gguf.GGUFWriter(path, "lumina2")
    add_values(writer)
    add_tensors(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    save(HERE / "fixtures" / "types.gguf")
