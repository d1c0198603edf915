# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the models of a case and runs it."""

import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import torch
from diffusers import ZImagePipeline
from diffusers.image_processor import VaeImageProcessor
from diffusers.models.attention_dispatch import attention_backend
from torch.nn.attention import SDPBackend, sdpa_kernel

import models
from capture import DecoderTap, EncoderTap, PipelineTap, TextTap, TransformerTap
from weights import input_tensor


@contextmanager
def plain_arithmetic():
    """One thread, f32, no fused attention, no convolution library."""
    warnings.filterwarnings("ignore", message="TF32 acceleration")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with (
        torch.no_grad(),
        torch.backends.mkldnn.flags(enabled=False),
        attention_backend("_native_math"),
        sdpa_kernel(SDPBackend.MATH),
    ):
        yield


def build(case, tokenizer):
    """The models of a case as attributes; for a pipeline the pipeline itself."""
    if case["kind"] == "pipeline":
        return models.make_pipeline(case, tokenizer)
    parts = SimpleNamespace(tokenizer=tokenizer)
    shifts = case.get("weight_shift")
    wanted = case["models"]
    if "transformer" in wanted:
        parts.transformer = models.make_transformer(wanted["transformer"], shifts)
    if "text_encoder" in wanted:
        parts.text_encoder = models.make_text_encoder(wanted["text_encoder"], tokenizer, shifts)
    if "vae" in wanted:
        parts.vae = models.make_vae(wanted["vae"], shifts)
    return parts


def run(case, parts):
    """(tensors, pictures) of a case."""
    return RUNNERS[case["kind"]](case, parts)


def inputs_of(case, dtype):
    """The input tensors of a case."""
    shifts = case.get("input_shift", {})
    return [
        input_tensor(name, shape, shifts.get(name, 0)).to(dtype)
        for name, shape in case["inputs"].items()
    ]


def run_transformer(case, parts):
    """One forward."""
    model = parts.transformer
    latents, features = inputs_of(case, model.dtype)
    t = torch.tensor([case["t"]], dtype=torch.float32)
    with TransformerTap(model, case.get("full", False)) as tap:
        output = model([latents[:, None]], t, [features], return_dict=False)[0]
        return tap.finish(latents, output[0]), []


def run_text(case, parts):
    """One prompt, through the pipeline's own code."""
    owner = SimpleNamespace(
        tokenizer=parts.tokenizer,
        text_encoder=parts.text_encoder,
        _execution_device="cpu",
    )
    with TextTap(parts.text_encoder) as tap:
        features = ZImagePipeline._encode_prompt(
            owner, [case["prompt"]], max_sequence_length=case["max_tokens"]
        )
        tap.keep("text.features", features[0])
        return tap.values, []


def run_decode(case, parts):
    """Latents to pixels."""
    vae = parts.vae
    (latents,) = inputs_of(case, vae.dtype)
    with DecoderTap(vae) as tap:
        z = latents / vae.config.scaling_factor + vae.config.shift_factor
        image = vae.decode(z[None], return_dict=False)[0]
        tap.keep("decode.z", z)
        tap.keep("image", image[0])
        return tap.values, to_pictures(image.float())


def run_encode(case, parts):
    """Pixels to moments and to the mode, in the transformer's units."""
    vae = parts.vae
    (image,) = inputs_of(case, vae.dtype)
    with EncoderTap(vae) as tap:
        posterior = vae.encode(image[None]).latent_dist
        tap.keep("encode.moments", posterior.parameters[0])
        latents = (posterior.mode() - vae.config.shift_factor) * vae.config.scaling_factor
        tap.keep("encode.latents", latents[0])
        return tap.values, []


def to_pictures(image):
    """Pixels as ZImagePipeline makes them."""
    return VaeImageProcessor().postprocess(image, output_type="pil")


def run_pipeline(case, parts):
    """A whole run of ZImagePipeline."""
    params = case["params"]
    seeds = range(params["seed"], params["seed"] + params["n"])
    with PipelineTap(parts) as tap:
        pictures = parts(
            params["prompt"],
            negative_prompt=params["negative_prompt"],
            width=params["width"],
            height=params["height"],
            num_inference_steps=params["steps"],
            guidance_scale=params["guidance_scale"],
            cfg_normalization=params["cfg_normalization"],
            cfg_truncation=params["cfg_truncation"],
            num_images_per_prompt=params["n"],
            generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            max_sequence_length=params["max_tokens"],
        ).images
        return tap.values, pictures


RUNNERS = {
    "transformer": run_transformer,
    "text": run_text,
    "decode": run_decode,
    "encode": run_encode,
    "pipeline": run_pipeline,
}
