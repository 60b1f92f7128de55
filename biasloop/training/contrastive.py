"""What encoders of pictures and captions are trained on: each finds the other's in a batch (CLIP).

The loss is the symmetric cross-entropy of Radford et al. 2021, "Learning Transferable Visual Models From Natural
Language Supervision", over the batch of all processes together, whose features are gathered with their gradients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.training.distributed import Alone
from biasloop.training.objectives import weighted_mean
from biasloop.training.precision import Precision
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
        group: the processes that train together.
    """

    precision: Precision
    group: Alone = field(default_factory=Alone)
    columns: tuple[str, ...] = ("loss", "accuracy")
    extra: tuple[str, ...] = ("lr",)

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """This process' part of the scalar; sums of the loss and of pictures whose own caption is the nearest."""
        with torch.no_grad():
            cast("TwoTowers", network).logit_scale.clamp_(0, HIGHEST)
        of_pictures, of_captions, pairs = self.logits(network, batch)
        losses = self.of(of_pictures, of_captions, pairs)
        loss = weighted_mean(losses, batch.weights) * (len(batch) / self.count(batch))
        with torch.no_grad():
            told = losses if batch.weights is None else losses * batch.weights
            right = (of_pictures.gather(1, pairs[:, None])[:, 0] >= of_pictures.amax(1)).sum()
            return loss, torch.stack([told.double().sum(), right.double()])

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)` float32, of each pair among those of the batch."""
        return self.of(*self.logits(network, batch))

    def count(self, batch: Batch) -> int:
        """Pairs, in all processes together."""
        return len(batch) if batch.total is None else batch.total

    def logits(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled cosines.

        Returns:
            `(n, total)` float32 of this process' pictures with all captions, the same of its captions with all
            pictures, and `(n,)` which of all each pair of its is.
        """
        assert batch.targets is not None
        towers = cast("TwoTowers", network)
        inputs = self.precision.inputs(batch.inputs)
        with self.precision.casting():
            pictures, captions = towers.encode_image(inputs), towers.encode_text(batch.targets)
        pictures, captions = (functional.normalize(rows.float(), dim=1) for rows in (pictures, captions))
        scale, group, total = towers.logit_scale.exp(), self.group, self.count(batch)
        pairs = torch.arange(len(batch), device=pictures.device)
        if group.count == 1:
            of_pictures = scale * pictures @ captions.T
            return of_pictures, of_pictures.T, pairs
        before = sum(len(range(rank, total, group.count)) for rank in range(group.rank))
        every_caption, every_picture = group.gather(captions, total), group.gather(pictures, total)
        return scale * pictures @ every_caption.T, scale * captions @ every_picture.T, pairs + before

    @staticmethod
    def of(of_pictures: Tensor, of_captions: Tensor, pairs: Tensor) -> Tensor:
        """`(n,)` mean of both cross-entropies of each pair, of what `logits` gives."""
        by_picture = functional.cross_entropy(of_pictures, pairs, reduction="none")
        return (by_picture + functional.cross_entropy(of_captions, pairs, reduction="none")) / 2
