"""Models that are trained beside the one of a fit, on the very samples that it learns from.

A proxy scores candidates in its place; models of irreducible losses may go on learning (Mindermann et al. 2022, arXiv
2206.07137, released code). `biasloop.training.loop` trains them, `biasloop.training.selecting` asks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biasloop.training.choosing import Beside
from biasloop.training.dropout import dropout_layers
from biasloop.training.objectives import CrossEntropy, HeadedCrossEntropy
from biasloop.training.sources import Batch


@dataclass(frozen=True)
class Proxy(Beside[Batch]):
    """A model that scores candidates in place of the one that it is trained beside."""

    objective: CrossEntropy


@dataclass(frozen=True)
class Irreducible(Beside[Batch]):
    """A model of irreducible losses, of one category or of several, that goes on learning."""

    objective: CrossEntropy | HeadedCrossEntropy

    def losses(self, batch: Batch) -> Tensor:
        """`(heads, n)` float32 of candidates as they are learnt from, in evaluation mode."""
        with mode(self.network, training=False):
            return self.objective.by_head(self.network, batch)


@contextmanager
def mode(network: nn.Module, *, training: bool, dropout: bool = False) -> Iterator[None]:
    """Inside, the network is in that mode; with `dropout`, layers of dropout are in training mode whatever it is."""
    before = network.training
    if before != training:
        network.train(training)
    layers = dropout_layers(network) if dropout else []
    for layer in layers:
        layer.train()
    try:
        yield
    finally:
        if before != training or layers:
            network.train(before)


def irreducible_losses(updated: Sequence[Irreducible], batch: Batch) -> Tensor:
    """`(C, n)` or `(1, n)` float32 of all models together."""
    return torch.cat([model.losses(batch) for model in updated])
