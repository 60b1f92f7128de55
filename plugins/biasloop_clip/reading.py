"""Who is in a generated picture: a classifier that real pictures have taught reads gender and role.

It is no part of the loop. It learns from pictures of the pool's drawings that nobody else learns from, as many men as
women in every role, so that it has no reason to see men in the roles of men; how often it is wrong about test pictures
is stored with what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from biasloop.contract.data import Array, Bools
from biasloop.lazy import numpy as np
from biasloop.training.objectives import weighted_mean
from biasloop.training.precision import Precision
from biasloop.training.sources import Batch
from biasloop_clip.captions import GENDERS

FEATURES = 96


class Reader(nn.Module):
    """Three convolutions; gender and role of pictures, and features by which pictures are compared.

    Args:
        roles: how many there are.
        side: height and width of pictures.
    """

    def __init__(self, roles: int, side: int) -> None:
        super().__init__()
        last = -(-side // 8)
        self.maps = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(64, 96, 3, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(96 * last * last, FEATURES),
        )  # fmt: skip
        self.logits = nn.Linear(FEATURES, len(GENDERS) + roles)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of genders `(n, 2)` and of roles `(n, roles)`, and features `(n, FEATURES)`, of `(n, 3, H, W)`."""
        features = functional.relu(self.maps(pictures))
        genders, roles = self.logits(features).tensor_split([len(GENDERS)], 1)
        return genders, roles, features


@dataclass(frozen=True)
class Reading:
    """The sum of the cross-entropies of gender and role."""

    precision: Precision
    columns: tuple[str, ...] = ("loss",)
    extra: tuple[str, ...] = ()

    def value(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's scalar, and the sum of its losses."""
        losses = self.losses(network, batch)
        return weighted_mean(losses, batch.weights), losses.detach().double().sum()[None]

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`(n,)`; targets are role and gender `(n, 2)`."""
        assert batch.targets is not None
        genders, roles, _ = network(batch.inputs)
        of_role = functional.cross_entropy(roles, batch.targets[:, 0], reduction="none")
        return of_role + functional.cross_entropy(genders, batch.targets[:, 1], reduction="none")

    def count(self, batch: Batch) -> int:
        """Samples."""
        return len(batch)


def within(features: Array, of: Array, neighbours: int) -> Bools:
    """Which rows lie among some others: nearer to any of them than its own k-th neighbour is.

    With generated pictures as rows and real ones as the others this is precision, the other way round recall
    (Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models").

    Args:
        features: `(n, size)` float32.
        of: `(m, size)` float32, more rows than neighbours.
        neighbours: k.

    Returns:
        `(n,)`.

    Example:
        >>> line = np.array([[0.0], [1.0], [2.0]], np.float32)
        >>> within(np.array([[2.9], [3.5]], np.float32), line, 1)
        array([ True, False])
    """
    apart = _squared(of, of)  # (m, m)
    np.fill_diagonal(apart, np.inf)
    reach = np.partition(apart, neighbours - 1, axis=1)[:, neighbours - 1]  # (m,)
    return np.asarray((_squared(features, of) <= reach).any(1))


def _squared(first: Array, second: Array) -> Array:
    """`(n, m)` float64 squared distances of rows."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    apart = (first**2).sum(1)[:, None] - 2 * first @ second.T + (second**2).sum(1)
    return np.asarray(np.maximum(apart, 0.0))
