# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mistakes around the transformer: text encoder, autoencoder, sampling."""

import functools

import torch
import torch.nn.functional as F
from diffusers import ZImagePipeline
from diffusers.models.downsampling import Downsample2D
from diffusers.models.upsampling import Upsample2D
from diffusers.pipelines.z_image import pipeline_z_image
from tokenizers import normalizers
from transformers.models.qwen3 import modeling_qwen3

import models
from mistake import mutation, patch, wrap

TEXTS = ["text-t", "text-min", "text-odd", "text-small"]
DECODERS = ["decode-t", "decode-two", "decode-even", "decode-quant", "decode-small"]
ENCODERS = ["encode-t", "encode-two", "encode-even", "encode-quant", "encode-small"]
TURBO = ["pipeline-turbo", "pipeline-unicode"]
GUIDED = [
    "pipeline-base",
    "pipeline-empty-negative",
    "pipeline-normalized",
    "pipeline-truncated-guidance",
]


# Text encoder


@mutation("interleaved instead of half-split rotation in the text encoder", TEXTS)
def text_rope_interleaved(_parts, stack):
    def rotate(x, cos, sin):
        cos, sin = (table[:, None, :, : x.shape[-1] // 2] for table in (cos, sin))
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)

    def apply(q, k, cos, sin):
        return rotate(q, cos, sin), rotate(k, cos, sin)

    patch(stack, modeling_qwen3, "apply_rotary_pos_emb", apply)


def replace_features(parts, choose):
    """Let choose (model, hidden_states, last) give the features."""
    model = parts.text_encoder
    last = {}
    model.layers[-1].register_forward_hook(lambda _m, _a, output: last.update(value=output))

    def forward(original, **kwargs):
        result = original(**kwargs)
        features = choose(model, result.hidden_states, last["value"])
        result.hidden_states = (*result.hidden_states[:-2], features, None)
        return result

    wrap(model, "forward", forward)


@mutation("features after the last layer", TEXTS, "pipeline-turbo")
def last_layer(parts, _stack):
    replace_features(parts, lambda _model, _states, last: last)


@mutation("features after the last layer and the final norm", TEXTS, "pipeline-turbo")
def last_layer_and_norm(parts, _stack):
    replace_features(parts, lambda model, _states, last: model.norm(last))


@mutation("final norm on the features", TEXTS, "pipeline-turbo")
def norm_applied(parts, _stack):
    replace_features(parts, lambda model, states, _last: model.norm(states[-2]))


@mutation("features one layer too early", TEXTS, "pipeline-turbo")
def early_layer(parts, _stack):
    replace_features(parts, lambda _model, states, _last: states[-3])


@mutation("text attention not causal", TEXTS)
def not_causal(_parts, stack):
    def mask(attention_mask, **_more):
        return torch.where(attention_mask[:, None, None, :].bool(), 0.0, -1e30)

    patch(stack, modeling_qwen3, "create_causal_mask", mask)


@mutation("query head h uses key head h mod n, not h / n", TEXTS)
def heads_modulo(_parts, stack):
    patch(stack, modeling_qwen3, "repeat_kv", lambda x, count: x.repeat(1, count, 1, 1))


@mutation("no q/k norm in the text encoder", TEXTS)
def text_no_qk_norm(parts, _stack):
    for layer in parts.text_encoder.layers:
        layer.self_attn.q_norm = torch.nn.Identity()


@mutation("gate and up swapped in the text encoder", TEXTS)
def text_gate_and_up_swapped(parts, _stack):
    for layer in parts.text_encoder.layers:
        mlp = layer.mlp
        mlp.gate_proj.weight, mlp.up_proj.weight = mlp.up_proj.weight, mlp.gate_proj.weight


@mutation("rotation base 10000 in the text encoder", TEXTS)
def text_rope_base(parts, _stack):
    inverse = parts.text_encoder.rotary_emb.inv_freq
    inverse.copy_(inverse ** (4 / 6))


def text_epsilon(name):
    """A mutation that sets the epsilon of one norm of each text layer."""

    def change(parts, _stack):
        for layer in parts.text_encoder.layers:
            functools.reduce(getattr, name.split("."), layer).variance_epsilon = 1e-5

    return change


for _name in (
    "input_layernorm",
    "post_attention_layernorm",
    "self_attn.q_norm",
    "self_attn.k_norm",
):
    mutation(f"epsilon 1e-5 in the text encoder's {_name}", TEXTS)(text_epsilon(_name))


@mutation("prompt cut on the left", "text-truncated", "pipeline-long")
def cut_left(parts, _stack):
    parts.tokenizer.truncation_side = "left"


@mutation("an empty <think> block", "text-t", "pipeline-turbo")
def think_block(parts, _stack):
    parts.tokenizer.chat_template = models.CHAT_TEMPLATE.replace("is false", "")


@mutation("prompt not normalized to NFC", "text-unicode", "pipeline-unicode")
def no_nfc(parts, _stack):
    parts.tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([])


# Autoencoder


def group_epsilon(half):
    """A mutation that sets the epsilon of all GroupNorms of one half."""

    def change(parts, _stack):
        for module in getattr(parts.vae, half).modules():
            if isinstance(module, torch.nn.GroupNorm):
                module.eps = 1e-5

    return change


mutation("epsilon 1e-5 in the decoder's GroupNorm", DECODERS)(group_epsilon("decoder"))
mutation("epsilon 1e-5 in the encoder's GroupNorm", ENCODERS)(group_epsilon("encoder"))


@mutation("32 groups whatever the config says", "decode-quant", "encode-quant")
def fixed_groups(parts, _stack):
    for module in parts.vae.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = 32


@mutation("downsampler padded on all sides", ENCODERS)
def symmetric_padding(parts, _stack):
    for module in parts.vae.modules():
        if isinstance(module, Downsample2D):
            module.padding = 1
            module.conv.padding = (1, 1)


@mutation("up blocks in reversed order", "decode-even")
def up_blocks_reversed(parts, _stack):
    blocks = parts.vae.decoder.up_blocks
    state = {}
    for index, block in enumerate(blocks):
        state[f"resnets.{3 - index}"] = block.resnets.state_dict()
        if index < 3:
            state[f"upsamplers.{2 - index}"] = block.upsamplers.state_dict()
    state = {key: {name: x.clone() for name, x in part.items()} for key, part in state.items()}
    for index, block in enumerate(blocks):
        block.resnets.load_state_dict(state[f"resnets.{index}"])
        if index < 3:
            block.upsamplers.load_state_dict(state[f"upsamplers.{index}"])


@mutation("shift added before dividing by the scale", DECODERS, "pipeline-turbo")
def scale_order(parts, _stack):
    config = parts.vae.config

    def decode(original, z, **more):
        latents = (z - config.shift_factor) * config.scaling_factor
        return original((latents + config.shift_factor) / config.scaling_factor, **more)

    wrap(parts.vae, "decode", decode)


@mutation("latents decoded unscaled", DECODERS, "pipeline-turbo")
def unscaled(parts, _stack):
    config = parts.vae.config

    def decode(original, z, **more):
        return original((z - config.shift_factor) * config.scaling_factor, **more)

    wrap(parts.vae, "decode", decode)


@mutation("bilinear instead of nearest upsampling", DECODERS)
def bilinear(_parts, stack):
    def forward(module, x, *_args, **_kwargs):
        return module.conv(F.interpolate(x, scale_factor=2, mode="bilinear"))

    patch(stack, Upsample2D, "forward", forward)


@mutation("no residual around the autoencoder's attention", DECODERS, ENCODERS)
def attention_residual(parts, _stack):
    for module in parts.vae.modules():
        if getattr(module, "residual_connection", False):
            module.residual_connection = False


@mutation("middle attention left out", DECODERS, ENCODERS)
def no_middle_attention(parts, _stack):
    for half in (parts.vae.encoder, parts.vae.decoder):
        half.mid_block.attentions[0] = None


@mutation("post_quant_conv and quant_conv left out", "decode-quant", "encode-quant")
def no_quant_convs(parts, _stack):
    parts.vae.register_to_config(use_quant_conv=False, use_post_quant_conv=False)
    parts.vae.quant_conv = parts.vae.post_quant_conv = None


# Pipeline


@mutation("velocity not negated", TURBO)
def not_negated(parts, _stack):
    def step(original, velocity, *more, **kwargs):
        return original(-velocity, *more, **kwargs)

    wrap(parts.scheduler, "step", step)


@mutation("guidance in the other convention (g = 3 taken as s = 3)", GUIDED)
def guidance_convention(_parts, stack):
    lower = property(lambda self: self._guidance_scale - 1)
    patch(stack, ZImagePipeline, "guidance_scale", lower)


def override(stack, **changes):
    """Call the pipeline with some arguments changed."""
    original = ZImagePipeline.__call__

    def call(self, prompt, **params):
        return original(self, prompt, **{**params, **changes})

    patch(stack, ZImagePipeline, "__call__", call)


@mutation("guidance never truncated", "pipeline-truncated-guidance")
def never_truncated(_parts, stack):
    override(stack, cfg_truncation=1.0)


@mutation("guided prediction not normalized", "pipeline-normalized")
def never_normalized(_parts, stack):
    override(stack, cfg_normalization=0.0)


@mutation("negative features of zeros where there is no negative prompt", "pipeline-empty-negative")
def negative_zeros(parts, _stack):
    def encode(original, **kwargs):
        positive, negative = original(**kwargs)
        return positive, [torch.zeros_like(features) for features in negative]

    wrap(parts, "encode_prompt", encode)


@mutation("sigmas down to 0 (older releases)", TURBO, GUIDED)
def older_sigmas(_parts, stack):
    def sigmas(count):
        return torch.linspace(1.0, 0.0, count).tolist()

    patch(stack, pipeline_z_image, "get_default_z_image_sigmas", sigmas)


@mutation("shift chosen by size", "pipeline-turbo", GUIDED)
def dynamic_shift(parts, _stack):
    parts.scheduler.register_to_config(use_dynamic_shifting=True)


@mutation("shift 3 whatever the config says", GUIDED)
def fixed_shift(parts, _stack):
    parts.scheduler.set_shift(3.0)


@mutation("shift applied twice", "pipeline-turbo", GUIDED)
def double_shift(parts, _stack):
    def set_timesteps(original, sigmas, **more):
        shift = parts.scheduler.shift
        return original(sigmas=[shift * x / (1 + (shift - 1) * x) for x in sigmas], **more)

    # retrieve_timesteps () looks at the signature
    wrapped = functools.partial(set_timesteps, parts.scheduler.set_timesteps)
    parts.scheduler.set_timesteps = lambda sigmas=None, device=None, mu=None: wrapped(
        sigmas, device=device, mu=mu
    )


@mutation("both pictures from one generator", "pipeline-two")
def one_generator(parts, _stack):
    def prepare(original, *args):
        *args, generators, latents = args
        return original(*args, generators[0], latents)

    wrap(parts, "prepare_latents", prepare)
