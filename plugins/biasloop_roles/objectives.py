"""What networks of situations are trained by: the logarithm of how probable their references are."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.data import Ints
from biasloop.training.objectives import weighted_mean
from biasloop.training.precision import Precision
from biasloop.training.recipe import Weighting
from biasloop.training.sources import Batch
from biasloop_roles import crf
from biasloop_roles.crf import Layout
from biasloop_roles.situations import MOST_ROLES


def packed(verb: Ints, slots: Ints) -> Ints:
    """`(n, 1 + references * MOST_ROLES)` int64, the targets of a batch: the verb, then the slots of each reference.

    Args:
        verb: `(n,)`.
        slots: `(n, MOST_ROLES)`, or `(n, references, MOST_ROLES)`.
    """
    return np.concatenate([verb[:, None], slots.reshape(len(verb), -1)], axis=1, dtype=np.int64)


def unpacked(targets: Tensor) -> tuple[Tensor, Tensor]:
    """The verb `(n,)` and the slots `(n, references, MOST_ROLES)` of packed targets."""
    references = targets.shape[1] // MOST_ROLES
    return targets[:, 0], targets[:, 1:].reshape(len(targets), references, MOST_ROLES)


@dataclass(frozen=True)
class Likelihood:
    """Minus the mean logarithm of the probability that a situation is one of its references.

    Attributes:
        precision: what the network computes in; log Z is float32 in any.
        layout: of the situations, on the device of the network.
        weighting: how weights count (`weighted_mean`).
    """

    precision: Precision
    layout: Layout
    weighting: Weighting = "mean"
    columns: tuple[str, ...] = ("loss", "accuracy")
    extra: tuple[str, ...] = ("lr",)

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's scalar; sums over it of the (weighted) loss, and of verbs that are the most probable."""
        marginals, losses = self.outputs(network, batch)  # (n, verbs), (n,)
        assert batch.targets is not None
        loss = weighted_mean(losses, batch.weights, self.weighting)
        with torch.no_grad():
            told = losses if batch.weights is None else losses * batch.weights
            right = marginals.argmax(1).eq(batch.targets[:, 0]).sum()
            return loss, torch.stack([told.double().sum(), right.double()])

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)` loss of each sample."""
        return self.outputs(network, batch)[1]

    def count(self, batch: Batch) -> int:
        """Samples."""
        return len(batch)

    def classes(self, batch: Batch) -> Tensor:
        """`(n,)` int64 verbs."""
        assert batch.targets is not None
        return batch.targets[:, 0]

    def outputs(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """`(n, verbs)` log-marginals of verbs, not normalised, and `(n,)` loss of each sample."""
        assert batch.targets is not None
        inputs = self.precision.inputs(batch.inputs)
        with self.precision.casting():
            a, b = network(inputs)
        verb, slots = unpacked(batch.targets)
        marginals, logs = crf.likelihood(a, b, verb, slots, self.layout)  # (n, verbs), (n, references)
        return marginals, -crf.any_of(logs)
