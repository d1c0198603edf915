# SPDX-License-Identifier: LGPL-2.1-or-later
"""scheduler.json, noise.json and weights.json: numbers that need no network."""

from types import SimpleNamespace

import torch
import weights
from diffusers import FlowMatchEulerDiscreteScheduler, ZImageImg2ImgPipeline
from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas

WEIGHTS = (
    ("transformer", "layers.0.attention.to_q.weight", (384, 384)),
    ("transformer", "layers.0.attention.norm_q.weight", (128,)),
    ("transformer", "cap_embedder.0.weight", (256,)),
    ("transformer", "x_pad_token", (1, 384)),
    ("transformer", "t_embedder.mlp.0.bias", (1024,)),
    ("text_encoder", "embed_tokens.weight", (100, 256)),
    ("vae", "decoder.conv_in.weight", (64, 16, 3, 3)),
    ("vae", "decoder.mid_block.attentions.0.group_norm.weight", (64,)),
    ("input", "latents", (16, 8, 8)),
)
STEPS = (1, 2, 4, 8, 9, 28, 50)
SHIFTS = (3.0, 6.0)
SEEDS = (0, 42, 2**32 + 5, 2**53 - 1)
SIZES = (16, 16 * 1000, 262144)
STRENGTHS = (0.3, 0.5, 0.6, 0.8, 1.0)
TOKENS = (16, 1024, 4096)

# Published values of torch.randn on CUDA; they cannot be made without a GPU.
PHILOX = {
    "0": [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284],
    "42": [0.1940, 2.1614, -0.1721, 0.8491, -1.9244, 0.6530, -0.6494, -0.8175],
}


def short(values):
    """f32 values with as many digits as they need."""
    return [float(f"{value:.9g}") for value in values]


def schedule(config, steps, mu):
    """Sigmas and timesteps, set the way ZImagePipeline does."""
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, **config)
    scheduler.set_timesteps(sigmas=get_default_z_image_sigmas(steps), mu=mu)
    return {
        "steps": steps,
        "sigmas": short(scheduler.sigmas.tolist()),
        "timesteps": short(scheduler.timesteps.tolist()),
    }


def static_schedules():
    """All step counts with both shifts; the mu handed over is ignored."""
    mu = calculate_shift(4096)
    return [
        {"shift": shift, **schedule({"shift": shift}, steps, mu)}
        for shift in SHIFTS
        for steps in STEPS
    ]


def dynamic_schedules():
    """Schedules whose shift depends on the size."""
    result = []
    for kind in ("exponential", "linear"):
        config = {"shift": 3.0, "use_dynamic_shifting": True, "time_shift_type": kind}
        for tokens in TOKENS:
            mu = calculate_shift(tokens)
            entry = {"time_shift_type": kind, "image_tokens": tokens, "mu": mu}
            result.append({**entry, **schedule(config, 8, mu)})
    return result


def image_to_image():
    """Where a run that begins with a picture starts."""
    result = []
    for shift, steps in ((3.0, 8), (3.0, 9), (6.0, 28), (6.0, 50)):
        scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift)
        for strength in STRENGTHS:
            scheduler.set_timesteps(sigmas=get_default_z_image_sigmas(steps), mu=1.0)
            owner = SimpleNamespace(scheduler=scheduler)
            _, left = ZImageImg2ImgPipeline.get_timesteps(owner, steps, strength, "cpu")
            start = scheduler.begin_index
            result.append(
                {
                    "shift": shift,
                    "steps": steps,
                    "strength": strength,
                    "start": start,
                    "steps_left": left,
                    "sigma": short([scheduler.sigmas[start].item()])[0],
                }
            )
    return result


def hashed_tensor(component, name, shape):
    """What a test of the hash compares; sums are exact in f64."""
    if component == "input":
        tensor = weights.input_tensor(name, shape)
    else:
        tensor = weights.weight(component, name, shape)
    wide = tensor.double().flatten()
    return {
        "name": f"{component}/{name}",
        "shape": list(shape),
        "first": wide[:4].tolist(),
        "last": wide[-4:].tolist(),
        "sum": wide.sum().item(),
    }


def weights_table():
    """All of weights.json."""
    return [hashed_tensor(*entry) for entry in WEIGHTS]


def scheduler_table():
    """All of scheduler.json."""
    return {
        "static": static_schedules(),
        "dynamic": dynamic_schedules(),
        "image_to_image": image_to_image(),
    }


def uniform_draws(seed, count):
    """The 24-bit integers below torch.rand, one draw of the generator each."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return (torch.rand(count, generator=generator).double() * 2**24).long()


def noise(seed, count):
    """First and last normals, their moments, and an exact sum of the draws."""
    generator = torch.Generator("cpu").manual_seed(seed)
    values = torch.randn(count, generator=generator)
    draws = uniform_draws(seed, count)
    wide = values.double()
    return {
        "seed": seed,
        "count": count,
        "first_draws": draws[:8].tolist(),
        "sum_of_draws": int(draws.sum()),
        "first": short(values[:16].tolist()),
        "last": short(values[-16:].tolist()),
        "sum": wide.sum().item(),
        "sum_of_squares": (wide * wide).sum().item(),
        "smallest": short([values.min().item()])[0],
        "largest": short([values.max().item()])[0],
    }


def noise_table():
    """All of noise.json."""
    return {
        "cpu": [noise(seed, count) for seed in SEEDS for count in SIZES],
        "cuda_published": PHILOX,
    }
