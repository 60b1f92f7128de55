"""What a fit makes small: the contract of an objective, and the cross-entropy of classifiers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.training.precision import Precision
from biasloop.training.recipe import Weighting
from biasloop.training.sources import Batch

B_contra = TypeVar("B_contra", contravariant=True)


class Objective(Protocol[B_contra]):
    """What of a micro-batch is differentiated, and what of it a curve tells."""

    @property
    def precision(self) -> Precision:
        """What the network computes in."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What is summed over micro-batches and told as means; the first is "loss"."""

    @property
    def extra(self) -> tuple[str, ...]:
        """Further columns of the curve: "lr", and "update" where it has a row an update instead of one an epoch."""

    def value(self, network: nn.Module, batch: B_contra) -> tuple[Tensor, Tensor] | None:
        """The scalar to differentiate, and `(columns,)` sums without gradient; None for a share without samples."""

    def losses(self, network: nn.Module, batch: B_contra) -> Tensor:
        """`(n,)` float32, one loss a sample, unweighted: asked for by what weighs or chooses samples."""

    def count(self, batch: B_contra) -> float:
        """What the sums of a micro-batch are sums over, in all processes together; known without the device."""


def weighted_mean(losses: Tensor, weights: Tensor | None, how: Weighting = "mean") -> Tensor:
    """The scalar that weighted losses are trained on.

    Args:
        losses: `(n,)`.
        weights: `(n,)` factors, or None for 1.
        how: "mean" is mean(w l), so that a batch of small weights moves little; "normalised" is sum(w l) / sum(w),
            as class-weighted cross-entropy commonly is (0 where all weights are 0).

    Example:
        >>> losses, weights = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])
        >>> weighted_mean(losses, weights).item(), weighted_mean(losses, weights, "normalised").item()
        (2.5, 1.25)
    """
    if weights is None:
        return losses.mean()
    if how == "mean":
        return (losses * weights).mean()
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


@dataclass(frozen=True)
class CrossEntropy:
    """The mean cross-entropy of a batch (images; any classifier of rows).

    Attributes:
        precision: what the network computes in.
        weighting: how weights count (`weighted_mean`).
        full: of the summed loss of the released code, the size of a full batch; None for the mean.
        forward: what computes logits in the network's place, such as a compiled one; None for the network.
    """

    precision: Precision
    weighting: Weighting = "mean"
    full: int | None = None
    forward: Callable[[Tensor], Tensor] | None = None
    columns: tuple[str, ...] = ("loss", "accuracy")
    extra: tuple[str, ...] = ("lr",)

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's scalar; sums over it of the (weighted) loss and of right answers."""
        assert batch.targets is not None
        logits, losses = self.outputs(network, batch)  # (n, classes), (n,)
        if self.full is not None:
            scaled = losses if batch.weights is None else losses * batch.weights
            loss = scaled.sum() * (self.full / len(scaled))
        else:
            loss = weighted_mean(losses, batch.weights, self.weighting)
        with torch.no_grad():
            told = losses if batch.weights is None else losses * batch.weights
            right = logits.argmax(1).eq(batch.targets).sum()
            return loss, torch.stack([told.double().sum(), right.double()])

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)` cross-entropy of each sample."""
        return self.outputs(network, batch)[1]

    def count(self, batch: Batch) -> int:
        """Samples."""
        return len(batch)

    def by_head(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(1, n)` as `losses`."""
        return self.losses(network, batch)[None]

    def classes(self, batch: Batch) -> Tensor:
        """`(n,)` int64, which of the outputs is right."""
        assert batch.targets is not None
        return batch.targets

    def outputs(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """`(n, classes)` logits and `(n,)` cross-entropy of each sample."""
        assert batch.targets is not None
        inputs = self.precision.inputs(batch.inputs)
        with self.precision.casting():
            logits = (self.forward or network)(inputs)
        return logits, functional.cross_entropy(self.precision.logits(logits), batch.targets, reduction="none")


@dataclass(frozen=True)
class HeadedCrossEntropy:
    """Cross-entropy of a network of several heads, each with its own weights of the samples; the mean over heads.

    Of each head the loss of a batch is the weighted mean, sum(w l) / sum(w).

    Attributes:
        precision: what the network computes in.
        weights: `(heads, N)` float32 factors of the losses of all training samples.
    """

    precision: Precision
    weights: Tensor
    columns: tuple[str, ...] = ("loss", "accuracy")
    extra: tuple[str, ...] = ("lr",)

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's scalar; sums over it of the loss and of right answers, both as means over heads."""
        assert batch.targets is not None
        assert batch.rows is not None
        logits = self.logits(network, batch.inputs)  # (n, heads, classes)
        losses = self.of(logits, batch.targets)  # (n, heads)
        weights = self.weights[:, batch.rows].T  # (n, heads)
        smallest = torch.finfo(weights.dtype).tiny
        loss = ((losses * weights).sum(0) / weights.sum(0).clamp(min=smallest)).mean()
        with torch.no_grad():
            right = logits.argmax(2).eq(batch.targets[:, None]).double().mean(1).sum()
            return loss, torch.stack([loss.double() * len(batch), right])

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)` mean over heads of each sample's cross-entropy."""
        return self.by_head(network, batch).mean(0)

    def by_head(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(heads, n)` cross-entropy of each sample by each head."""
        assert batch.targets is not None
        return self.of(self.logits(network, batch.inputs), batch.targets).T

    def count(self, batch: Batch) -> int:
        """Samples."""
        return len(batch)

    def logits(self, network: nn.Module, inputs: Tensor) -> Tensor:
        """`(n, heads, classes)`: each head is a slice of the network's last layer."""
        with self.precision.casting():
            logits: Tensor = network(self.precision.inputs(inputs))
        return self.precision.logits(logits).view(len(inputs), len(self.weights), -1)

    @staticmethod
    def of(logits: Tensor, targets: Tensor) -> Tensor:
        """`(n, heads)` cross-entropy of logits `(n, heads, classes)` and targets `(n,)`."""
        heads = logits.shape[1]
        return functional.cross_entropy(
            logits.transpose(1, 2), targets[:, None].expand(-1, heads), reduction="none"
        )  # of (n, classes, heads)
