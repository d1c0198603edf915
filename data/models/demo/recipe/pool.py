# SPDX-License-Identifier: LGPL-2.1-or-later
"""Encoded pictures with their scenes, a ring for each size; every batch brings new ones."""

import random

import torch

from captions import ENDINGS, PRAISE, say
from common import SEED, autocast, device, to_tensor
from drawing import draw
from nets import batch_ids
from scenes import compose
from train_vae import make_vae

# Width, height, pictures a batch, and how often.
SIZES = [
    (128, 128, 32, 0.72),
    (160, 128, 24, 0.04),
    (128, 160, 24, 0.04),
    (192, 128, 20, 0.03),
    (128, 192, 20, 0.03),
    (192, 192, 14, 0.04),
    (256, 256, 8, 0.05),
    (256, 192, 10, 0.01),
    (192, 256, 10, 0.01),
    (320, 192, 8, 0.01),
    (192, 320, 8, 0.01),
    (384, 256, 4, 0.005),
    (384, 384, 4, 0.005),
]
CAPACITY = 6000
FIRST = 4
FRESH = 0.16
LONG_EVERY = 16
EMPTY = 0.08


class Pool:
    """Batches of latents and ids; of several processes each has a part of them."""

    def __init__(self, words, vae_state, start=0, rank=0, ranks=1):
        self.words = words
        self.vae = make_vae()
        self.vae.load_state_dict(vae_state)
        self.vae.to(device()).eval().requires_grad_(False)
        self.rings = {}
        self.ranks = ranks
        self.rng = random.Random(SEED * 11 + start + rank * 1000003)

    def _add(self, size, count):
        """Draw and encode some more."""
        ring = self.rings.setdefault(size, [])
        while count > 0:
            scenes = [compose(self.rng) for _ in range(min(count, 16))]
            images = to_tensor([draw(s, self.rng, *size) for s in scenes]).to(device())
            with torch.no_grad(), autocast():
                latents = self.vae.encode(images).latent_dist.mean.half().cpu()
            for scene, z in zip(scenes, latents):
                if len(ring) < CAPACITY:
                    ring.append((scene, z))
                else:
                    ring[self.rng.randrange(CAPACITY)] = (scene, z)
            count -= len(scenes)

    def caption(self, scene, long):
        """Ids of a caption, in 32 rows unless long."""
        if self.rng.random() < EMPTY:
            return self.words.ids("")
        while True:
            text = say(scene, self.rng.random())
            if long:
                extra = self.rng.choices(ENDINGS, k=self.rng.randrange(2, 6))
                text = f"{self.rng.choice(PRAISE)} picture, " * self.rng.randrange(2) + text + "".join(extra)
            ids = self.words.ids(text)
            if long or len(ids) <= 32:
                return ids

    def batch(self, step):
        """(latents, ids, lengths); all processes take the same size at a step."""
        weights = [size[3] for size in SIZES]
        width, height, count = random.Random(SEED * 19 + step).choices(SIZES, weights)[0][:3]
        count = max(1, count // self.ranks)
        ring = self.rings.get((width, height), [])
        self._add((width, height), FIRST * count if not ring else max(1, round(count * FRESH)))
        ring = self.rings[width, height]
        chosen = self.rng.choices(ring, k=count)
        long = step % LONG_EVERY == 0
        ids, lengths = batch_ids([self.caption(s, long) for s, _ in chosen], device())
        latents = torch.stack([z for _, z in chosen]).float().to(device())
        return latents, ids, lengths
