"""Training recipes: how long, how fast, with which optimiser."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Schedule = Literal["triangle", "cosine", "constant", "plateau"]
Duration = Literal["by-size", "by-size-doubled"]

_BY_SIZE = ((20_000, 25), (50_000, 20), (100_000, 15), (1_000_000, 10))  # samples, epochs before the factor 2.5


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
            "constant" stays, "plateau" stays for three fifths of all steps, then falls linearly to a tenth at
            four fifths and on to a hundredth at the end.
        warm_up: share of all steps, 0 .. 1, in which the learning rate rises linearly from 0.
        whole_epochs: whether the rise takes whole epochs, floor(warm_up * epochs) of them.
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
    whole_epochs: bool = False

    def steps(self, samples: int) -> int:
        """Steps of an epoch over that many samples."""
        full, rest = divmod(samples, self.batch_size)
        return full + bool(rest and not self.drop_last)

    def rate(self, step: int, total: int) -> float:
        """Learning rate of a step, 1 .. total."""
        rising = self._rising(total)
        if step < rising:
            return self.learning_rate * step / rising
        if self.schedule == "triangle":
            ends = (self.learning_rate, self.learning_rate * self.last)
            return piecewise_linear(step, (rising, total), ends)
        if self.schedule == "plateau":
            knots = (3 * total / 5, 4 * total / 5, total)
            return self.learning_rate * piecewise_linear(step, knots, (1.0, 0.1, 0.01))
        if self.schedule == "cosine":
            return self.learning_rate * cosine(step - max(rising, 1), total - max(rising, 1) + 1)
        return self.learning_rate

    def _rising(self, total: int) -> int:
        """Steps in which the learning rate rises."""
        if self.whole_epochs:
            # Rounding must not cost an epoch: 0.29 * 100 is 28.999999999999996.
            return math.floor(self.warm_up * self.epochs + 1e-9) * (total // self.epochs)
        return round(self.warm_up * total)

    def optimizer(self, network: torch.nn.Module, *, fused: bool | None = None) -> torch.optim.Optimizer:
        """SGD over all parameters of a network.

        Args:
            network: whose parameters.
            fused: whether one kernel updates all parameters; None leaves torch's choice.
        """
        return torch.optim.SGD(
            network.parameters(),
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,
            weight_decay=self.weight_decay,
            fused=fused,
        )


def epochs_of(duration: int | Duration, samples: int) -> int:
    """Epochs of a training set of that many samples.

    Args:
        duration: a number of epochs; or "by-size", floor(2.5 e) with e falling linearly from 25 at 20,000
            samples to 20 at 50,000, 15 at 100,000 and 10 at a million, constant outside (Taori & Hashimoto 2022,
            released code: 62 epochs at 20,000); or "by-size-doubled", twice as many.
        samples: >= 0.
    """
    if isinstance(duration, int):
        return duration
    return _by_size(samples) * (2 if duration == "by-size-doubled" else 1)


def _by_size(samples: int) -> int:
    """In whole numbers, since a rounded 2.5 e could fall below the integer that it is."""
    (left, high), *rest = _BY_SIZE
    if samples <= left:
        return 5 * high // 2
    for right, low in rest:
        if samples <= right:
            return 5 * (high * (right - left) - (high - low) * (samples - left)) // (2 * (right - left))
        left, high = right, low
    return 5 * high // 2


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
