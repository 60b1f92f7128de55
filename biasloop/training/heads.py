"""One trunk with several heads: a network whose last layer has a slice of the classes for each."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from biasloop.contract.data import Array, Arrays, Floats, Ints
from biasloop.contract.labels import cross_entropy
from biasloop.training.weights import save_network

_COUNT = "heads:count"  # no name of a parameter has a colon


@dataclass(frozen=True)
class Headed:
    """A network whose last layer has `heads` slices of the classes."""

    network: nn.Module
    heads: int


def losses(logits: Array, heads: int, target: Ints) -> Floats:
    """`(heads, n)` float64 cross-entropy of each head.

    Args:
        logits: `(n, heads * classes)`, one head after the other.
        heads: how many.
        target: `(n,)` class ids.

    Raises:
        InvalidInput: a target is no class.
    """
    return np.stack([cross_entropy(part, target) for part in np.split(logits, heads, axis=1)])  # (n, classes) each


def save(model: Headed) -> Arrays:
    """Parameters and buffers by name, and how many heads there are."""
    return {**save_network(model.network), _COUNT: np.array(model.heads)}


def saved(arrays: Arrays) -> tuple[Arrays, int]:
    """Parameters and buffers, and how many heads there are, of what `save` gave."""
    return {name: array for name, array in arrays.items() if name != _COUNT}, int(arrays[_COUNT])
