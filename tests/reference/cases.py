# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cases: what is run, on which model, with which inputs.

"kind" says which network runs: transformer, text, decode, encode or pipeline.
"models", "full" and "older" are for the generator; the rest goes into case.json.
"""

PROMPT = "a sunset over mountains"
NEGATIVE = "blurry, low quality, 2 cats"
UNICODE = "一幅创意海报：「春天」 👩‍🚀🚂 cafe\u0301 naïve Ünïcödé 1234"
LONG = (
    "A very long prompt, written so that it has to be cut: in the foreground an old steam train "
    "climbs through deep snow, its lamps are lit and the smoke drifts to the left; behind it three "
    "ranges of blue mountains, a yellow sky, seven birds, and a small red house with its door open."
)


def transformer(name, model, latents, captions, t, purpose, **more):
    """One forward of a transformer."""
    return {
        "name": f"transformer-{name}",
        "kind": "transformer",
        "purpose": purpose,
        "models": {"transformer": model},
        "inputs": {"latents": [16, *latents], "features": captions},
        "t": t,
        **more,
    }


def text(name, model, prompt, purpose, **more):
    """One prompt through a text encoder."""
    return {
        "name": f"text-{name}",
        "kind": "text",
        "purpose": purpose,
        "models": {"text_encoder": model},
        "prompt": prompt,
        "max_tokens": 512,
        **more,
    }


def decode(name, model, size, purpose, **more):
    """Latents to a picture."""
    return {
        "name": f"decode-{name}",
        "kind": "decode",
        "purpose": purpose,
        "models": {"vae": model},
        "inputs": {"latents": [16, *size]},
        **more,
    }


def encode(name, model, size, purpose, **more):
    """A picture to the moments of its latents."""
    return {
        "name": f"encode-{name}",
        "kind": "encode",
        "purpose": purpose,
        "models": {"vae": model},
        "inputs": {"image": [3, *size]},
        **more,
    }


def pipeline(name, scheduler, purpose, older=False, models=("384", "t", "t"), **params):
    """A prompt to pictures; params has the names of the public properties."""
    defaults = {
        "prompt": PROMPT,
        "negative_prompt": None,
        "width": 64,
        "height": 64,
        "steps": 8,
        "guidance_scale": 0.0,
        "cfg_normalization": 0.0,
        "cfg_truncation": 1.0,
        "seed": 42,
        "n": 1,
        "max_tokens": 512,
        "rng": "cpu",
    }
    return {
        "name": f"pipeline-{name}",
        "kind": "pipeline",
        "purpose": purpose,
        "older": older,
        "models": {
            "transformer": models[0],
            "text_encoder": models[1],
            "vae": models[2],
            "scheduler": scheduler,
        },
        "params": {**defaults, **params},
    }


TRANSFORMER_CASES = [
    transformer("min", "min", (8, 8), [5, 16], 0.25, "odd feed-forward width", full=True),
    transformer("model", "model", (16, 16), [16, 16], 0.0, "one head, t = 0", full=True),
    transformer("96", "96", (12, 20), [33, 64], 0.125, "heads of 48", full=True),
    transformer("384", "384", (12, 20), [20, 256], 0.5, "heads of 128", full=True),
    transformer("768q", "768q", (8, 8), [40, 256], 0.6875, "sizes for quantized blocks", full=True),
    transformer(
        "small",
        "96",
        (12, 20),
        [33, 64],
        0.375,
        "small activations: each epsilon shows",
        full=True,
        weight_shift={"": -5},
        input_shift={"features": -7},
    ),
]

SHAPE_CASES = [
    transformer("shape-1-8", "96", (2, 2), [8, 64], 0.9375, "one image token"),
    transformer("shape-16-1", "96", (8, 8), [1, 64], 0.0625, "16 tokens, one caption row"),
    transformer("shape-60-31", "96", (12, 20), [31, 64], 0.1875, "60 tokens, wide, 31 rows"),
    transformer("shape-60-32", "96", (20, 12), [32, 64], 0.3125, "60 tokens, high, 32 rows"),
    transformer("shape-256-33", "96", (32, 32), [33, 64], 0.4375, "256 tokens, square, 33 rows"),
    transformer("shape-256-64", "96", (16, 64), [64, 64], 0.5625, "256 tokens, wide, 64 rows"),
    transformer("shape-256-65", "96", (64, 16), [65, 64], 0.8125, "256 tokens, high, 65 rows"),
]

TEXT_CASES = [
    text("t", "t", PROMPT, "two query heads per key head"),
    text("empty", "t", "", "the empty prompt"),
    text("unicode", "t", UNICODE, "Chinese, emoji, marks that need NFC"),
    text("truncated", "t", LONG, "cut on the right", max_tokens=64),
    text(
        "min",
        "min",
        PROMPT,
        "heads wider than the model; config spelling of the published files",
        older=True,
    ),
    text("odd", "odd", LONG, "three query heads per key head, odd sizes"),
    text(
        "small",
        "t",
        PROMPT,
        "small activations: each epsilon shows",
        weight_shift={"embed_tokens": -5, "q_proj": -5, "k_proj": -5, "o_proj": -5},
    ),
]

VAE_CASES = [
    decode("t", "t", (8, 8), "one layer per block"),
    decode("two", "two", (4, 6), "two layers per block, wide"),
    decode("even", "even", (6, 4), "all widths alike, high; some is clamped", weight_shift={"": 1}),
    decode("quant", "quant", (4, 4), "8 groups, post_quant_conv"),
    decode("small", "t", (4, 4), "small activations: each epsilon shows", weight_shift={"": -5}),
    encode("t", "t", (64, 64), "one layer per block"),
    encode("two", "two", (32, 48), "two layers per block, wide"),
    encode("even", "even", (48, 32), "all widths alike, high"),
    encode("quant", "quant", (32, 32), "8 groups, quant_conv"),
    encode("small", "t", (32, 32), "small activations: each epsilon shows", weight_shift={"": -5}),
]

PIPELINE_CASES = [
    pipeline("turbo", "turbo", "no guidance"),
    pipeline(
        "base",
        "base",
        "guidance with a negative prompt, wide",
        negative_prompt=NEGATIVE,
        width=160,
        height=96,
        steps=6,
        guidance_scale=3.0,
    ),
    pipeline(
        "empty-negative",
        "base",
        "guidance without a negative prompt, high",
        width=32,
        height=48,
        steps=4,
        guidance_scale=3.0,
        seed=0,
    ),
    pipeline(
        "normalized",
        "base",
        "guidance whose length is bounded",
        negative_prompt=NEGATIVE,
        width=32,
        height=32,
        steps=6,
        guidance_scale=3.0,
        cfg_normalization=1.0,
    ),
    pipeline(
        "truncated-guidance",
        "turbo",
        "no guidance where 1 - sigma > 0.3: the last three steps",
        negative_prompt=NEGATIVE,
        width=32,
        height=32,
        guidance_scale=3.0,
        cfg_truncation=0.3,
    ),
    pipeline(
        "two",
        "turbo",
        "two pictures, seeds 7 and 8",
        width=48,
        height=32,
        steps=4,
        seed=7,
        n=2,
    ),
    pipeline(
        "long",
        "turbo",
        "a prompt that is cut",
        prompt=LONG,
        width=32,
        height=32,
        steps=2,
        max_tokens=64,
    ),
    pipeline(
        "unicode",
        "turbo",
        "one step; a seed of which the low 32 bits count",
        prompt=UNICODE,
        width=32,
        height=32,
        steps=1,
        seed=2**32 + 5,
    ),
    pipeline(
        "min",
        "turbo",
        "the smallest models, nine steps; config spelling of the published files",
        older=True,
        models=("min", "min", "two"),
        negative_prompt=NEGATIVE,
        width=32,
        height=32,
        steps=9,
        guidance_scale=3.0,
        max_tokens=16,
        seed=2**53 - 1,
    ),
]

CASES = TRANSFORMER_CASES + SHAPE_CASES + TEXT_CASES + VAE_CASES + PIPELINE_CASES
HIDDEN_KEYS = ("name", "models", "full", "older")


def public(case):
    """What goes into case.json."""
    return {key: value for key, value in case.items() if key not in HIDDEN_KEYS}


def by_name(name):
    """The case called name."""
    return next(case for case in CASES if case["name"] == name)
