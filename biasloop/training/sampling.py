"""Which samples of its training set an epoch goes through: some of them, or all drawn by weight; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Floats, Ints


class Sampling(Protocol):
    """What takes the place of one pass over all samples."""

    def __len__(self) -> int:
        """Samples of an epoch."""

    def order(self, draws: np.random.Generator) -> Ints:
        """`(len,)` positions in the training set, in the order of one epoch."""


@dataclass(frozen=True)
class Weighted:
    """As many samples as there are, drawn with replacement.

    Attributes:
        weights: `(n,)` above 0, the probability of each sample but for a common factor.
    """

    weights: Floats

    def __len__(self) -> int:
        return len(self.weights)

    def order(self, draws: np.random.Generator) -> Ints:
        """Drawn one by one."""
        rows = draws.choice(len(self.weights), len(self.weights), p=self.weights / self.weights.sum())
        return np.asarray(rows, np.int64)


@dataclass(frozen=True)
class Some:
    """Some of the samples, each once.

    Attributes:
        rows: `(m,)` their positions in the training set.
    """

    rows: Ints

    def __len__(self) -> int:
        return len(self.rows)

    def order(self, draws: np.random.Generator) -> Ints:
        """Permuted."""
        return self.rows[draws.permutation(len(self.rows))]


def class_shares(classes: int, chosen: int, share: float) -> Floats:
    """`(classes,)` the share of each class: `share` of the chosen one, the rest in equal parts of the others."""
    shares = np.full(classes, (1 - share) / (classes - 1))
    shares[chosen] = share
    return shares


def by_class(labels: Ints, shares: Floats, *, divided: bool = True) -> Weighted:
    """Samples drawn so that classes have given shares.

    Args:
        labels: `(n,)` class of each sample.
        shares: `(classes,)` above 0.
        divided: whether the share of a class is divided among its samples, so that the classes that are there are
            drawn in the ratio of their shares; else each sample has the weight of its class, as published (REDUCR,
            Bankes et al. 2024, released code), which comes to the same only where classes are equally large.
    """
    weights = shares[labels]  # (n,)
    if divided:
        weights = weights / np.bincount(labels, minlength=len(shares))[labels]
    return Weighted(weights)


def dropped(ranked: Ints, labels: Ints, chosen: int, share: float) -> Some:
    """Samples of one class are left out until it has at most a share of what is left, but for one sample.

    Args:
        ranked: `(n,)` positions of all samples, those first that are left out last.
        labels: `(n,)` class of each sample.
        chosen: the class.
        share: above 0 and below 1.
    """
    others = int((labels != chosen).sum())
    most = max(1, int(share / (1 - share) * others + 1e-9))  # a rounded 25 stays 25
    of_chosen = ranked[labels[ranked] == chosen]
    return Some(np.sort(np.concatenate([np.flatnonzero(labels != chosen), of_chosen[:most]])))
