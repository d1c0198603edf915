# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes that train one model together, each with a part of every batch.

The parameters lie in memory that all of them see. Each computes gradients of its own part; then each
steps its own part of the matrices. On a processor this is faster than threads inside the operations,
of which networks as small as these have many, and short ones.
"""

import torch

from common import device

PATIENCE = 900  # seconds; whoever waits longer has lost the others


def size():
    """How many: one a core, or one for a GPU."""
    return 1 if device().type == "cuda" else torch.get_num_threads()


class Team:
    """What the processes share beside the model: gradients, and where they wait for each other."""

    def __init__(self, model, ranks):
        self.context = torch.multiprocessing.get_context("spawn")
        self.ranks = ranks
        self.sizes = [p.numel() for p in model.parameters()]
        self.barrier = self.context.Barrier(ranks)
        self.gradients = torch.zeros(ranks, sum(self.sizes)).share_memory_()
        model.share_memory()

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("context", "others")}

    def start(self, target, *arguments):
        """Run target (rank, team, ...) in all other processes."""
        self.others = [self.context.Process(target=target, args=(rank, self, *arguments), daemon=True)
                       for rank in range(1, self.ranks)]
        for process in self.others:
            process.start()
        if self.others:
            torch.set_num_threads(1)

    def stop(self):
        """When all have come to their end."""
        for process in self.others:
            process.join()
        if self.others:
            torch.set_num_threads(self.ranks)

    def wait(self):
        """Until all are here."""
        self.barrier.wait(PATIENCE)

    def average(self, rank, parameters):
        """Every gradient becomes the mean of those of all."""
        parts = [torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in parameters]
        torch.cat(parts, out=self.gradients[rank])
        self.wait()
        for p, mean in zip(parameters, self.gradients.mean(0).split(self.sizes)):
            p.grad = mean.view_as(p)
