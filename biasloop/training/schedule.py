"""Training recipes: how long, how fast, with which optimiser."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Schedule = Literal["triangle", "cosine", "constant"]


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent on the mean loss of a batch.

    Attributes:
        epochs: passes over the training set.
        batch_size: samples a step.
        learning_rate: at its highest.
        momentum: of SGD; 0 for none.
        nesterov: whether the momentum looks ahead (Nesterov); needs momentum.
        weight_decay: of every parameter, added to its gradient.
        schedule: after the warm-up: "triangle" falls linearly to `last`, "cosine" falls along half a cosine,
            "constant" stays.
        warm_up: share of all steps, 0 .. 1, in which the learning rate rises linearly from 0.
        last: learning rate of the last step of a triangle, as a share of the highest.
        drop_last: leave out the last batch of an epoch if it is not full.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    warm_up: float = 0.0
    last: float = 0.0025
    drop_last: bool = False

    def steps(self, samples: int) -> int:
        """Steps of an epoch over that many samples."""
        full, rest = divmod(samples, self.batch_size)
        return full + bool(rest and not self.drop_last)

    def rate(self, step: int, total: int) -> float:
        """Learning rate of a step, 1 .. total."""
        rising = round(self.warm_up * total)
        if step < rising:
            return self.learning_rate * step / rising
        if self.schedule == "triangle":
            ends = (self.learning_rate, self.learning_rate * self.last)
            return piecewise_linear(step, (rising, total), ends)
        if self.schedule == "cosine":
            return self.learning_rate * cosine(step - max(rising, 1), total - max(rising, 1) + 1)
        return self.learning_rate

    def optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """SGD over all parameters of a network."""
        return torch.optim.SGD(
            network.parameters(),
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,
            weight_decay=self.weight_decay,
        )


def piecewise_linear(step: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """The value at `step` on the lines through (knot, value); constant outside the knots.

    Args:
        step: where.
        knots: strictly increasing.
        values: as many as knots.
    """
    if step <= knots[0]:
        return values[0]
    for left, right, low, high in zip(knots, knots[1:], values, values[1:], strict=False):
        if step <= right:
            return low + (high - low) * (step - left) / (right - left)
    return values[-1]


def cosine(done: float, total: float) -> float:
    """Half a cosine from 1 at `done` = 0 to 0 at `total` (Loshchilov & Hutter 2017, eq. 5, no restart)."""
    return 0.5 * (1 + math.cos(math.pi * done / total))
