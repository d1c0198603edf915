# SPDX-License-Identifier: LGPL-2.1-or-later
"""The text encoder and the transformer for training: Qwen3 and Z-Image with diffusers' names.

The same computation as transformers' Qwen3Model and diffusers' ZImageTransformer2DModel on single
samples (pads are seen), written for batches of one picture size and without complex numbers, so that
a CPU trains them in bf16. export.py proves the two alike.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

WIDTH = 192
HEADS = 3
AXES = [16, 24, 24]
LAYERS = 6
REFINERS = 1
TEXT_LAYERS = 3
TEXT_INNER = 384
TEXT_HEADS = 3
HEAD = 64
BUCKET = 32


class _Rms(torch.autograd.Function):
    """x / rms(x) * weight with few passes; the weight may differ from sample to sample."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        x = x.float()
        turned = torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(x, weight, turned)
        return (x * turned).mul_(weight)

    @staticmethod
    def backward(ctx, grad):
        x, weight, turned = ctx.saved_tensors
        normed = x * turned
        grad = grad.float()
        for_weight = (grad * normed).sum_to_size(weight.shape)
        grad = grad * weight
        mean = (grad * normed).mean(-1, keepdim=True)
        return grad.sub_(normed.mul_(mean)).mul_(turned), for_weight, None


class Norm(nn.Module):
    """RMSNorm, its result multiplied by a factor."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x, factor=None):
        weight = self.weight if factor is None else self.weight * factor
        return _Rms.apply(x, weight, self.eps)


def turn_halves(x, table):
    """Rotary positions: the halves of a head are pairs."""
    cos, sin = table
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def attend(q, k, v, mask=None):
    """Attention in two products, which trains faster on a CPU than the fused one."""
    n, heads, length, width = q.shape
    q, k, v = (x.reshape(n * heads, length, width) for x in (q, k, v))
    scores = torch.bmm(q * width ** -0.5, k.mT)
    if mask is not None:
        scores = scores + mask
    out = torch.bmm(scores.softmax(-1).to(v.dtype), v)
    return out.view(n, heads, length, width).transpose(1, 2).flatten(2)


class TextAttention(nn.Module):
    """Causal, with one head of keys for all."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, TEXT_HEADS * HEAD, bias=False)
        self.k_proj = nn.Linear(WIDTH, HEAD, bias=False)
        self.v_proj = nn.Linear(WIDTH, HEAD, bias=False)
        self.o_proj = nn.Linear(TEXT_HEADS * HEAD, WIDTH, bias=False)
        self.q_norm = Norm(HEAD, 1e-6)
        self.k_norm = Norm(HEAD, 1e-6)

    def forward(self, x, table):
        n, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(n, length, TEXT_HEADS, HEAD)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(n, length, 1, HEAD)).transpose(1, 2)
        v = self.v_proj(x).view(n, length, 1, HEAD).transpose(1, 2)
        q, k = turn_halves(q, table).to(v.dtype), turn_halves(k, table).to(v.dtype)
        k, v = k.expand(-1, TEXT_HEADS, -1, -1), v.expand(-1, TEXT_HEADS, -1, -1)
        mask = torch.full((length, length), -torch.inf, dtype=q.dtype, device=x.device).triu(1)
        return self.o_proj(attend(q, k, v, mask))


class TextFeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(WIDTH, TEXT_INNER, bias=False)
        self.up_proj = nn.Linear(WIDTH, TEXT_INNER, bias=False)
        self.down_proj = nn.Linear(TEXT_INNER, WIDTH, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TextLayer(nn.Module):
    """One layer of Qwen3."""

    def __init__(self):
        super().__init__()
        self.input_layernorm = Norm(WIDTH, 1e-6)
        self.self_attn = TextAttention()
        self.post_attention_layernorm = Norm(WIDTH, 1e-6)
        self.mlp = TextFeedForward()

    def forward(self, x, table):
        x = x + self.self_attn(self.input_layernorm(x), table)
        return x + self.mlp(self.post_attention_layernorm(x))


class TextEncoder(nn.Module):
    """The layers that the pipeline uses; one more is shipped, see export.py."""

    def __init__(self, vocabulary):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, WIDTH)
        nn.init.normal_(self.embed_tokens.weight, std=0.5)
        self.layers = nn.ModuleList(TextLayer() for _ in range(TEXT_LAYERS))

    def forward(self, ids):
        x = self.embed_tokens(ids)
        speeds = 1e6 ** (-torch.arange(0, HEAD, 2, device=ids.device) / HEAD)
        angles = torch.arange(ids.shape[1], device=ids.device)[:, None] * speeds
        table = (angles.cos(), angles.sin())
        for layer in self.layers:
            x = layer(x, table)
        return x


class Attention(nn.Module):
    """All see all."""

    def __init__(self):
        super().__init__()
        self.to_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_k = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_v = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(WIDTH, WIDTH, bias=False)])
        self.norm_q = Norm(HEAD, 1e-5)
        self.norm_k = Norm(HEAD, 1e-5)

    def forward(self, x, table):
        n, length, _ = x.shape
        weight = torch.cat([self.to_q.weight, self.to_k.weight, self.to_v.weight])
        q, k, v = F.linear(x, weight).view(n, length, 3, HEADS, HEAD).permute(2, 0, 3, 1, 4)
        norms = torch.stack([self.norm_q.weight, self.norm_k.weight])[:, None, None, None]
        both = _Rms.apply(torch.stack([q, k]), norms, self.norm_q.eps)
        # Neighbours are pairs here: complex numbers.
        both = torch.view_as_complex(both.unflatten(-1, (-1, 2))) * table
        q, k = torch.view_as_real(both).flatten(-2).to(v.dtype)
        return self.to_out[0](attend(q, k, v))


class FeedForward(nn.Module):
    """SwiGLU, with the widths that Z-Image derives."""

    def __init__(self):
        super().__init__()
        inner = int(WIDTH / 3 * 8)
        self.w1 = nn.Linear(WIDTH, inner, bias=False)
        self.w2 = nn.Linear(inner, WIDTH, bias=False)
        self.w3 = nn.Linear(WIDTH, inner, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    """One layer, modulated by time or not."""

    def __init__(self, modulated):
        super().__init__()
        self.attention = Attention()
        self.feed_forward = FeedForward()
        self.attention_norm1 = Norm(WIDTH, 1e-5)
        self.attention_norm2 = Norm(WIDTH, 1e-5)
        self.ffn_norm1 = Norm(WIDTH, 1e-5)
        self.ffn_norm2 = Norm(WIDTH, 1e-5)
        if modulated:
            self.adaLN_modulation = nn.ModuleList([nn.Linear(min(WIDTH, 256), 4 * WIDTH)])

    def forward(self, x, table, time=None):
        if time is None:
            x = x + self.attention_norm2(self.attention(self.attention_norm1(x), table))
            return x + self.ffn_norm2(self.feed_forward(self.ffn_norm1(x)))
        scale_a, gate_a, scale_f, gate_f = (
            self.adaLN_modulation[0](time).float()[:, None].chunk(4, -1))
        out = self.attention(self.attention_norm1(x, 1 + scale_a), table)
        x = x + self.attention_norm2(out, gate_a.tanh())
        out = self.feed_forward(self.ffn_norm1(x, 1 + scale_f))
        return x + self.ffn_norm2(out, gate_f.tanh())


class FinalLayer(nn.Module):
    """To patches."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, 64)
        self.adaLN_modulation = nn.ModuleList([nn.Identity(), nn.Linear(min(WIDTH, 256), WIDTH)])
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x, time):
        scale = self.adaLN_modulation[1](F.silu(time)).float()[:, None]
        return self.linear(F.layer_norm(x.float(), (WIDTH,), eps=1e-6) * (1 + scale))


class TimeEmbedder(nn.Module):
    """Sines of the time and two layers."""

    def __init__(self):
        super().__init__()
        self.mlp = nn.ModuleList([nn.Linear(256, 1024), nn.Identity(),
                                  nn.Linear(1024, min(WIDTH, 256))])

    def forward(self, t):
        speeds = torch.exp(-math.log(10000) * torch.arange(128, device=t.device) / 128)
        angles = t[:, None].float() * 1000 * speeds
        return self.mlp[2](F.silu(self.mlp[0](torch.cat([angles.cos(), angles.sin()], -1))))


class Transformer(nn.Module):
    """Latents, time and captions to what diffusers' model returns: clean minus noise."""

    def __init__(self):
        super().__init__()
        self.all_x_embedder = nn.ModuleDict({"2-1": nn.Linear(64, WIDTH)})
        self.all_final_layer = nn.ModuleDict({"2-1": FinalLayer()})
        self.t_embedder = TimeEmbedder()
        self.cap_embedder = nn.ModuleList([Norm(WIDTH, 1e-5), nn.Linear(WIDTH, WIDTH)])
        self.x_pad_token = nn.Parameter(torch.randn(1, WIDTH) * 0.02)
        self.cap_pad_token = nn.Parameter(torch.randn(1, WIDTH) * 0.02)
        self.noise_refiner = nn.ModuleList(Block(True) for _ in range(REFINERS))
        self.context_refiner = nn.ModuleList(Block(False) for _ in range(REFINERS))
        self.layers = nn.ModuleList(Block(True) for _ in range(LAYERS))
        for module in self.modules():
            if isinstance(module, nn.Linear) and module.weight.abs().sum() > 0:
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @staticmethod
    def table(rows, height, width, device):
        """Angles of the image's tokens, its pads, and the caption's rows."""
        count = height * width
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        image = torch.stack([torch.full((count,), rows + 1), y.flatten(), x.flatten()], -1)
        pads = torch.zeros(-count % BUCKET, 3, dtype=torch.long)
        caption = torch.zeros(rows, 3, dtype=torch.long)
        caption[:, 0] = torch.arange(rows) + 1
        places = torch.cat([image, pads, caption]).to(device)
        angles = [places[:, i:i + 1] * 256.0 ** (-torch.arange(0, d, 2, device=device) / d)
                  for i, d in enumerate(AXES)]
        angles = torch.cat(angles, -1).float()
        return torch.polar(torch.ones_like(angles), angles)

    def forward(self, latents, t, features, lengths):
        """latents [n, 16, h, w]; t = 1 - sigma [n]; features [n, rows, width], valid to lengths."""
        n, channels, high, wide = latents.shape
        height, width = high // 2, wide // 2
        x = latents.view(n, channels, height, 2, width, 2).permute(0, 2, 4, 3, 5, 1)
        x = self.all_x_embedder["2-1"](x.reshape(n, height * width, 64)).float()
        pads = -height * width % BUCKET
        if pads:
            x = torch.cat([x, self.x_pad_token.expand(n, pads, WIDTH)], 1)
        rows = features.shape[1]
        table = self.table(rows, height, width, latents.device)
        tokens = x.shape[1]
        time = self.t_embedder(t)
        for block in self.noise_refiner:
            x = block(x, table[:tokens], time)
        c = self.cap_embedder[1](self.cap_embedder[0](features)).float()
        valid = torch.arange(rows, device=c.device)[None] < lengths[:, None]
        c = torch.where(valid[..., None], c, self.cap_pad_token)
        for block in self.context_refiner:
            c = block(c, table[tokens:])
        x = torch.cat([x, c], 1)
        for block in self.layers:
            x = block(x, table, time)
        x = self.all_final_layer["2-1"](x[:, :height * width], time).float()
        x = x.view(n, height, width, 2, 2, channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, channels, high, wide)


class Model(nn.Module):
    """Both, trained as one."""

    def __init__(self, vocabulary):
        super().__init__()
        self.text = TextEncoder(vocabulary)
        self.transformer = Transformer()

    def forward(self, latents, sigma, ids, lengths):
        return self.transformer(latents, 1 - sigma, self.text(ids), lengths)


def batch_ids(lists, device, longest=512):
    """Ids as a matrix with a multiple of 32 columns, and how many of them count."""
    lengths = [min(len(ids), longest) for ids in lists]
    rows = -(-max(lengths) // BUCKET) * BUCKET
    matrix = torch.zeros(len(lists), rows, dtype=torch.long)
    for i, ids in enumerate(lists):
        matrix[i, :lengths[i]] = torch.tensor(ids[:lengths[i]])
    return matrix.to(device), torch.tensor(lengths, device=device)


@torch.no_grad()
def sample(model, ids, lengths, noise, steps=8, shift=3.0, guidance=0.0, empty=None):
    """The pipeline's Euler steps."""
    sigmas = [shift * u / (1 + (shift - 1) * u) for u in (1 - i / steps for i in range(steps))] + [0.0]
    return denoise(model, ids, lengths, noise, sigmas, guidance, empty)


@torch.no_grad()
def denoise(model, ids, lengths, x, sigmas, guidance=0.0, empty=None):
    """Euler steps from the first of some sigmas, which is that of x, to the last."""
    n = len(x)
    features = model.text(ids)
    other = model.text(empty[0].expand(n, -1)) if guidance else None
    for now, after in zip(sigmas, sigmas[1:]):
        t = torch.full((n,), 1 - now, device=x.device)
        v = model.transformer(x, t, features, lengths)
        if guidance:
            v = v + guidance * (v - model.transformer(x, t, other, empty[1].expand(n)))
        x = x + (now - after) * v
    return x
