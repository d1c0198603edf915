#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures torch and diffusers at the sizes of bench-ops.c and of a picture; run calls it.

Usage: peers.py [--size WIDTHxHEIGHT] [--divisor N]

Lines of JSON: versions; the operations in bf16 and f16; the stages of a picture with random weights of the published
sizes in bf16, the transformer compiled. Needs torch with a device of CUDA or ROCm; the stages need diffusers and
transformers.
"""

import argparse
import json
import sys

import torch
import torch.nn.functional as F

RUNS = 10
STEPS = 8
TOKENS = 62

LINEARS = {
    "transformer qkv": (4128, 3840, 11520),
    "transformer out": (4128, 3840, 3840),
    "transformer w1 w3": (4128, 3840, 20480),
    "transformer w2": (4128, 10240, 3840),
    "text qkv": (64, 2560, 6144),
    "text gate up": (64, 2560, 19456),
    "text down": (64, 9728, 2560),
}
ATTENTIONS = {"transformer": (4128, 30, 128), "autoencoder": (16384, 1, 512)}
CONVOLUTIONS = {
    "512 channels, 256x256": (256, 512),
    "256 channels, 512x512": (512, 256),
    "128 channels, 1024x1024": (1024, 128),
}
TYPES = {"bf16": torch.bfloat16, "f16": torch.float16}


def seconds_of(function, runs=RUNS):
    """The median of some runs, by the device's own clock"""
    times = []
    for _ in range(3):
        function()
    for _ in range(runs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        function()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


def report(precision, op, name, flops, function):
    seconds = seconds_of(function)
    tflops = flops / seconds / 1e12
    print(json.dumps({"precision": precision, "op": op, "name": name, "tflops": tflops}), flush=True)


def random(*shape, dtype):
    return torch.randn(*shape, device="cuda", dtype=dtype) * 0.02


def measure_operations(divisor):
    def divide(number):
        return max(32, number // divisor // 32 * 32)

    for precision, dtype in TYPES.items():
        for name, shape in LINEARS.items():
            rows, k, cols = map(divide, shape)
            x, w = random(rows, k, dtype=dtype), random(cols, k, dtype=dtype)
            report(precision, "linear", name, 2 * rows * k * cols, lambda: F.linear(x, w))
        for name, (rows, heads, size) in ATTENTIONS.items():
            rows, heads = divide(rows), max(1, heads // divisor)
            q, k, v = (random(1, heads, rows, size, dtype=dtype) for _ in range(3))
            flops = 4 * rows * rows * heads * size
            report(precision, "attention", name, flops, lambda: F.scaled_dot_product_attention(q, k, v))
        for name, (side, channels) in CONVOLUTIONS.items():
            side, channels = divide(side), divide(channels)
            x = random(1, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last)
            w = random(channels, channels, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
            flops = 2 * side * side * channels * channels * 9
            report(precision, "conv", name, flops, lambda: F.conv2d(x, w, padding=1))


def on_device(make):
    """A model with random weights in bf16, made on the device"""
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = make().eval().requires_grad_(False)
    torch.set_default_dtype(torch.float32)
    return model


def measure_stages(width, height):
    from diffusers import AutoencoderKL, ZImageTransformer2DModel
    from transformers import Qwen3Config, Qwen3Model

    encoder = on_device(lambda: Qwen3Model(Qwen3Config(
        vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128, rms_norm_eps=1e-6,
    )))
    ids = torch.arange(TOKENS, device="cuda")[None]
    stages = {"text": seconds_of(lambda: encoder(ids, output_hidden_states=True))}
    del encoder

    transformer = on_device(ZImageTransformer2DModel)
    compiled = torch.compile(transformer)
    latents = [random(16, 1, height // 8, width // 8, dtype=torch.bfloat16)]
    features = [random(TOKENS, 2560, dtype=torch.bfloat16)]
    moment = torch.zeros(1, device="cuda", dtype=torch.bfloat16)
    stages["step"] = seconds_of(lambda: compiled(latents, moment, features))
    del transformer, compiled

    vae = on_device(lambda: AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=16, block_out_channels=(128, 256, 512, 512), layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=32,
        use_quant_conv=False, use_post_quant_conv=False,
    ))
    z = random(1, 16, height // 8, width // 8, dtype=torch.bfloat16)
    stages["decode"] = seconds_of(lambda: vae.decode(z, return_dict=False))
    stages["whole"] = stages["text"] + STEPS * stages["step"] + stages["decode"]
    for stage, seconds in stages.items():
        print(json.dumps({"stage": stage, "seconds": seconds}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1024x1024")
    parser.add_argument("--divisor", type=int, default=1)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no device")
    torch.set_grad_enabled(False)
    print(json.dumps({"versions": f"torch {torch.__version__} on {torch.cuda.get_device_name()}"}), flush=True)
    measure_operations(options.divisor)
    width, height = map(int, options.size.split("x"))
    measure_stages(width, height)


main()
