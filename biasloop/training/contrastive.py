"""What encoders of pictures and captions are trained on: each finds the other's in a batch (CLIP).

The loss is the symmetric cross-entropy of Radford et al. 2021, "Learning Transferable Visual Models From Natural
Language Supervision", over the batch of this process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.training.objectives import weighted_mean
from biasloop.training.precision import Precision
from biasloop.training.recipe import Weighting
from biasloop.training.sources import Batch

HIGHEST = math.log(100)
"""Of the logit scale, as published."""


class TwoTowers(Protocol):
    """A network that encodes pictures and captions, such as `open_clip.CLIP`."""

    logit_scale: nn.Parameter

    def encode_image(self, image: Tensor) -> Tensor:
        """`(n, size)`, of any length."""

    def encode_text(self, text: Tensor) -> Tensor:
        """Likewise, of `(n, words)` int64."""


@dataclass(frozen=True)
class Contrastive:
    """The symmetric InfoNCE loss over a batch of pictures and their captions, which are the batch's targets.

    The logit scale is kept from 0 to ln 100, before each step. Curves tell how often the caption of a picture is the
    nearest of the batch, equal captions apart.

    Attributes:
        precision: what the network computes in; similarities and the loss are float32.
        weighting: how weights count (`weighted_mean`).
    """

    precision: Precision
    weighting: Weighting = "mean"
    columns: tuple[str, ...] = ("loss", "accuracy")
    extra: tuple[str, ...] = ("lr",)

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's scalar; sums over it of the (weighted) loss and of pictures whose own caption is the nearest."""
        with torch.no_grad():
            cast("TwoTowers", network).logit_scale.clamp_(0, HIGHEST)
        logits = self.logits(network, batch)
        losses = self.of(logits)
        loss = weighted_mean(losses, batch.weights, self.weighting)
        with torch.no_grad():
            told = losses if batch.weights is None else losses * batch.weights
            right = (logits.diagonal() >= logits.amax(1)).sum()
            return loss, torch.stack([told.double().sum(), right.double()])

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)` float32, of each pair among those of the batch."""
        return self.of(self.logits(network, batch))

    def count(self, batch: Batch) -> int:
        """Pairs."""
        return len(batch)

    def logits(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n, n)` float32 scaled cosines of each picture with each caption."""
        assert batch.targets is not None
        towers = cast("TwoTowers", network)
        inputs = self.precision.inputs(batch.inputs)
        with self.precision.casting():
            pictures, captions = towers.encode_image(inputs), towers.encode_text(batch.targets)
        pictures, captions = (functional.normalize(rows.float(), dim=1) for rows in (pictures, captions))
        return towers.logit_scale.exp() * pictures @ captions.T

    @staticmethod
    def of(logits: Tensor) -> Tensor:
        """`(n,)` mean of both cross-entropies of each pair, of logits `(n, n)`."""
        pairs = torch.arange(len(logits), device=logits.device)
        of_pictures = functional.cross_entropy(logits, pairs, reduction="none")
        return (of_pictures + functional.cross_entropy(logits.T, pairs, reduction="none")) / 2
