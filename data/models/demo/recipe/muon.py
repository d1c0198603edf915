# SPDX-License-Identifier: LGPL-2.1-or-later
"""Muon for the matrices, AdamW for the rest.

Muon's step is the momentum with all its singular values made one. The autoencoder learns from a
fifth of the samples with it. Matrices of one shape are handled as a batch.
"""

import torch

from common import has_bfloat16

# Polynomials that bring all singular values to one in few steps (Polar Express).
COEFFICIENTS = [
    (8.287212, -23.595887, 17.300387),
    (4.107059, -2.947850, 0.544843),
    (3.948691, -2.908902, 0.551819),
    (3.318420, -2.488488, 0.510049),
]


@torch.no_grad()
def orthogonal(x):
    """The nearest orthogonal matrices, roughly."""
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7))
    x = x.bfloat16() if has_bfloat16() else x
    for a, b, c in COEFFICIENTS:
        y = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(y, y, y, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


class Muon:
    """Both optimizers behind one face; of several processes each steps every so many matrices."""

    def __init__(self, module, rate, decay=0.01, momentum=0.95, rank=0, ranks=1):
        self.rate, self.decay, self.momentum = rate, decay, momentum
        self.rank, self.ranks = rank, ranks
        matrices, rest = {}, []
        for name, p in module.named_parameters():
            # Convolutions are matrices from all their inputs; what meets the data itself is not one.
            inner = p.ndim >= 2 and min(len(p), p[0].numel()) >= 32 and not any(
                word in name for word in ("embed", "final", "conv_in", "conv_out"))
            if inner:
                matrices.setdefault(tuple(p.shape), []).append(p)
            else:
                rest.append(p)
        self.groups = list(matrices.values())
        self.buffers = [torch.zeros(len(g), len(g[0]), g[0][0].numel(), device=g[0].device) for g in self.groups]
        self.adam = torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, foreach=True)
        self.parameters = list(module.parameters())

    @torch.no_grad()
    def step(self, factor):
        """One step at a part of the rate; clears the gradients."""
        for group, buffer in zip(self.groups, self.buffers):
            group, buffer = group[self.rank::self.ranks], buffer[self.rank::self.ranks]
            if not group:
                continue
            grad = torch.stack([p.grad for p in group]).flatten(2)
            buffer.lerp_(grad, 1 - self.momentum)
            update = orthogonal(grad.lerp_(buffer, self.momentum))
            rate = self.rate * factor
            scale = 0.2 * max(update.shape[1:]) ** 0.5
            torch._foreach_mul_(group, 1 - rate * self.decay)
            torch._foreach_add_(group,
                                [u.view_as(p) for u, p in zip(update.mul_(-rate * scale), group)])
        if self.rank == 0:
            for group in self.adam.param_groups:
                group["lr"] = self.rate * factor
            self.adam.step()
        for p in self.parameters:
            p.grad = None

    def state_dict(self):
        """For a checkpoint."""
        return {"buffers": self.buffers, "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        """From a checkpoint."""
        for mine, saved in zip(self.buffers, state["buffers"]):
            mine.copy_(saved)
        self.adam.load_state_dict(state["adam"])
