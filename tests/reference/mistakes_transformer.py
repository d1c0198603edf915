# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mistakes in the transformer."""

import functools

import torch
import torch.nn.functional as F
from diffusers.models.transformers import transformer_z_image

from mistake import mutation, patch, wrap

BLOCKS = ["transformer-min", "transformer-96", "transformer-384", "transformer-small"]
PADDED = ["transformer-384", "transformer-shape-60-31", "transformer-shape-16-1"]


def blocks_of(model, modulated_only=False):
    """All blocks of a transformer."""
    groups = [model.noise_refiner, model.layers]
    if not modulated_only:
        groups.append(model.context_refiner)
    return [block for group in groups for block in group]


@mutation("SiLU before the blocks' modulation", BLOCKS)
def silu_before_modulation(parts, _stack):
    for block in blocks_of(parts.transformer, True):
        block.adaLN_modulation.insert(0, torch.nn.SiLU())


@mutation("no SiLU before the final modulation", BLOCKS)
def no_final_silu(parts, _stack):
    parts.transformer.all_final_layer["2-1"].adaLN_modulation[0] = torch.nn.Identity()


@mutation("cos and sin swapped in the time embedding", BLOCKS)
def time_sin_first(parts, _stack):
    wrap(
        parts.transformer.t_embedder,
        "timestep_embedding",
        lambda original, t, size: original(t, size).roll(size // 2, -1),
    )


@mutation("time not multiplied by 1000", BLOCKS)
def time_unscaled(parts, _stack):
    parts.transformer.t_scale = 1.0


@mutation("sigma instead of 1 - sigma as time", BLOCKS)
def time_reversed(parts, _stack):
    wrap(
        parts.transformer.t_embedder,
        "forward",
        lambda original, t: original(parts.transformer.t_scale - t),
    )


@mutation("cos and sin swapped in the rotation", BLOCKS)
def rope_swapped(parts, _stack):
    wrap(
        parts.transformer,
        "rope_embedder",
        lambda original, ids: torch.complex((table := original(ids)).imag, table.real),
    )


@mutation("rotation by the opposite angle", BLOCKS)
def rope_conjugated(parts, _stack):
    wrap(parts.transformer, "rope_embedder", lambda original, ids: original(ids).conj())


@mutation("half-split instead of interleaved rotation", BLOCKS)
def rope_half_split(_parts, stack):
    def as_complex(pairs):
        first, second = pairs.flatten(-2).chunk(2, -1)
        return torch.complex(first, second)

    patch(stack, torch, "view_as_complex", as_complex)
    patch(stack, torch, "view_as_real", lambda x: torch.cat([x.real, x.imag], -1))


@mutation("rotation axes in another order", BLOCKS)
def rope_axes(parts, _stack):
    wrap(parts.transformer, "rope_embedder", lambda original, ids: original(ids[:, [0, 2, 1]]))


@mutation("rotation base 10000", BLOCKS)
def rope_base(parts, _stack):
    parts.transformer.rope_embedder.theta = 10000.0


@mutation("no q/k norm", BLOCKS)
def no_qk_norm(parts, _stack):
    for block in blocks_of(parts.transformer):
        block.attention.norm_q = torch.nn.Identity()


@mutation("q norm's weights used for k", BLOCKS)
def qk_norm_shared(parts, _stack):
    for block in blocks_of(parts.transformer):
        block.attention.norm_k.weight = block.attention.norm_q.weight


@mutation("attention not scaled", BLOCKS)
def attention_unscaled(_parts, stack):
    original = transformer_z_image.dispatch_attention_fn
    fake = functools.partial(original, scale=1.0)
    patch(stack, transformer_z_image, "dispatch_attention_fn", fake)


def replace_pad_mask(parts, token):
    """Leave the pad rows of one kind as they are."""

    def prepare(original, feats, ids, mask, pad_token, *more):
        if pad_token is token:
            mask = [torch.zeros_like(part) for part in mask]
        return original(feats, ids, mask, pad_token, *more)

    wrap(parts.transformer, "_prepare_sequence", prepare)


@mutation("caption pad rows not replaced", PADDED)
def caption_pad_kept(parts, _stack):
    replace_pad_mask(parts, parts.transformer.cap_pad_token)


@mutation("image pad rows not replaced", PADDED)
def image_pad_kept(parts, _stack):
    replace_pad_mask(parts, parts.transformer.x_pad_token)


@mutation("caption pad rows left out of attention", PADDED)
def caption_pad_masked(parts, _stack):
    count = {}

    def pad(original, feat, size, start, *more):
        if start[0] == 1:
            count["real"] = len(feat)
        return original(feat, size, start, *more)

    def forward(original, x, _mask, *more):
        mask = torch.ones(1, x.shape[1], dtype=torch.bool)
        pad_rows = -count["real"] % 32
        mask[:, x.shape[1] - pad_rows :] = False
        return original(x, mask, *more)

    wrap(parts.transformer, "_pad_with_ids", pad)
    for block in [*parts.transformer.context_refiner, *parts.transformer.layers]:
        wrap(block, "forward", forward)


@mutation("image positions begin at Lc + 1, not Lc' + 1", PADDED)
def image_offset_unpadded(parts, _stack):
    count = {}

    def pad(original, feat, size, start, *more):
        if start[0] == 1:
            count["caption"] = len(feat)
        else:
            start = (count["caption"] + 1, 0, 0)
        return original(feat, size, start, *more)

    wrap(parts.transformer, "_pad_with_ids", pad)


@mutation("caption positions begin at 0", PADDED)
def caption_from_zero(parts, _stack):
    def pad(original, feat, size, start, *more):
        if start[0] == 1:
            start = (0, 0, 0)
        return original(feat, size, start, *more)

    wrap(parts.transformer, "_pad_with_ids", pad)


@mutation("image pad rows not at position 0, 0, 0", PADDED)
def image_pad_positions(parts, _stack):
    def pad(original, feat, size, start, *more):
        result = original(feat, size, start, *more)
        if start[0] > 1:
            result[1][len(feat) :] = torch.tensor([start[0], 0, 0])
        return result

    wrap(parts.transformer, "_pad_with_ids", pad)


@mutation("patches with the channel outermost", BLOCKS)
def channel_first(parts, _stack):
    model = parts.transformer

    def patchify(original, image, *more):
        tokens, *rest = original(image, *more)
        return tokens.unflatten(1, (4, -1)).transpose(1, 2).flatten(1), *rest

    def unpatchify(original, tokens, *more):
        return original([x.unflatten(1, (-1, 4)).transpose(1, 2).flatten(1) for x in tokens], *more)

    wrap(model, "_patchify_image", patchify)
    wrap(model, "unpatchify", unpatchify)


@mutation("patches read column by column", BLOCKS)
def patch_columns(parts, _stack):
    def patchify(original, image, *more):
        tokens, *rest = original(image, *more)
        return tokens.unflatten(1, (2, 2, -1)).transpose(1, 2).flatten(1), *rest

    wrap(parts.transformer, "_patchify_image", patchify)


@mutation("gates without tanh", BLOCKS)
def gate_without_tanh(_parts, stack):
    patch(stack, torch.Tensor, "tanh", lambda x: x)


def shift_bias(linear, rows):
    """Take 1 off some of a modulation's biases."""
    linear.bias[rows] -= 1


@mutation("the blocks' scale without 1 +", BLOCKS)
def scale_without_one(parts, _stack):
    size = parts.transformer.dim
    for block in blocks_of(parts.transformer, True):
        shift_bias(block.adaLN_modulation[0], slice(0, size))
        shift_bias(block.adaLN_modulation[0], slice(2 * size, 3 * size))


@mutation("the final scale without 1 +", BLOCKS)
def final_scale_without_one(parts, _stack):
    shift_bias(parts.transformer.all_final_layer["2-1"].adaLN_modulation[1], slice(None))


@mutation("modulation split as scale, scale, gate, gate", BLOCKS)
def modulation_order(parts, _stack):
    def reorder(original, x):
        first, second, third, fourth = original(x).chunk(4, -1)
        return torch.cat([first, third, second, fourth], -1)

    for block in blocks_of(parts.transformer, True):
        wrap(block.adaLN_modulation[0], "forward", reorder)


@mutation("w1 and w3 swapped", BLOCKS)
def gate_and_up_swapped(parts, _stack):
    for block in blocks_of(parts.transformer):
        feed = block.feed_forward
        feed.w1.weight, feed.w3.weight = feed.w3.weight, feed.w1.weight


@mutation("RMSNorm instead of LayerNorm in the final layer", BLOCKS)
def final_rms_norm(parts, _stack):
    norm = parts.transformer.all_final_layer["2-1"].norm_final
    norm.forward = lambda x: F.rms_norm(x, x.shape[-1:], eps=norm.eps)


@mutation("LayerNorm instead of RMSNorm in the blocks", BLOCKS)
def block_layer_norm(parts, _stack):
    def as_layer_norm(norm):
        norm.forward = lambda x: F.layer_norm(x, x.shape[-1:], norm.weight, eps=norm.eps)

    for block in blocks_of(parts.transformer):
        for name in ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"):
            as_layer_norm(getattr(block, name))


@mutation("attention_norm2 left out", BLOCKS)
def no_attention_norm2(parts, _stack):
    for block in blocks_of(parts.transformer):
        block.attention_norm2 = torch.nn.Identity()


def block_epsilon(name, value):
    """A mutation that sets the epsilon of one norm of each block."""

    def change(parts, _stack):
        for block in blocks_of(parts.transformer):
            functools.reduce(getattr, name.split("."), block).eps = value

    return change


for _name in (
    "attention_norm1",
    "attention_norm2",
    "ffn_norm1",
    "ffn_norm2",
    "attention.norm_q",
    "attention.norm_k",
):
    mutation(f"epsilon 1e-6 in {_name}", BLOCKS)(block_epsilon(_name, 1e-6))


@mutation("epsilon 1e-6 in cap_embedder.0", BLOCKS)
def caption_epsilon(parts, _stack):
    parts.transformer.cap_embedder[0].eps = 1e-6


@mutation("epsilon 1e-5 in the final LayerNorm", BLOCKS)
def final_epsilon(parts, _stack):
    parts.transformer.all_final_layer["2-1"].norm_final.eps = 1e-5
