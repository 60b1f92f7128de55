"""Training recipes: how long, how fast, with which optimiser."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

Schedule = Literal["triangle", "cosine", "constant", "plateau", "steps"]
Duration = Literal["by-size", "by-size-doubled"]

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
_STEPS = ((1 / 500, 0.1), (1 / 2, 1.0), (3 / 4, 0.1), (1.0, 0.01))  # until this share of the run, share of the rate
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
        decay_norms: whether parameters of normalisation layers decay too.
        unrounded: epochs before they were made whole, of which "steps" takes its shares; None for `epochs`.
        schedule: after the warm-up: "triangle" falls linearly to `last`, "cosine" falls along half a cosine,
            "constant" stays, "plateau" stays for three fifths of all steps, then falls linearly to a tenth at
            four fifths and on to a hundredth at the end, "steps" is a tenth for the first 500th of the run, then the
            whole, a tenth from half of it on and a hundredth in the last quarter (Hall et al. 2022, released code:
            epochs 0, 1, 250 and 375 of 500).
        warm_up: share of all steps, 0 .. 1, in which the learning rate rises linearly from 0.
        whole_epochs: whether the rise takes whole epochs, floor(warm_up * epochs) of them, and "steps" changes at the
            whole epoch that is nearest (of two, the even one).
        last: learning rate of the last step of a triangle, as a share of the highest.
        drop_last: leave out the last batch of an epoch if it is not full.
        summed: whether gradients are of the loss summed over a full batch, with a learning rate that is divided by its
            size and a weight decay that is multiplied by it (Taori & Hashimoto 2022, released code): the same updates
            but for rounding, which in float16 throughout takes other gradients to 0.
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
    decay_norms: bool = True
    unrounded: float | None = None
    summed: bool = False

    @property
    def factor(self) -> int:
        """What the loss is larger by than the mean of a batch."""
        return self.batch_size if self.summed else 1

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
        if self.schedule == "steps":
            return self.learning_rate * next(share for end, share in self._changes(total) if step <= end)
        if self.schedule == "cosine":
            return self.learning_rate * cosine(step - max(rising, 1), total - max(rising, 1) + 1)
        return self.learning_rate

    def _changes(self, total: int) -> list[tuple[float, float]]:
        """Last step of each piece of "steps", and its share of the learning rate."""
        if not self.whole_epochs:
            return [(end * total, share) for end, share in _STEPS]
        length = self.epochs if self.unrounded is None else self.unrounded
        ends = [(round(end * length) * (total // self.epochs), share) for end, share in _STEPS[:-1]]
        return [*ends, (total, _STEPS[-1][1])]

    def _rising(self, total: int) -> int:
        """Steps in which the learning rate rises."""
        if self.whole_epochs:
            # Rounding must not cost an epoch: 0.29 * 100 is 28.999999999999996.
            return math.floor(self.warm_up * self.epochs + 1e-9) * (total // self.epochs)
        return round(self.warm_up * total)

    def optimizer(self, network: nn.Module, *, fused: bool | None = None) -> torch.optim.Optimizer:
        """SGD over all parameters of a network.

        Args:
            network: whose parameters.
            fused: whether one kernel updates all parameters; None leaves torch's choice.
        """
        return torch.optim.SGD(
            network.parameters() if self.decay_norms else _groups(network),
            lr=self.learning_rate / self.factor,
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0,
            weight_decay=self.weight_decay * self.factor,
            fused=fused,
        )


def _groups(network: nn.Module) -> list[dict[str, Any]]:
    """Parameters of normalisation layers, which do not decay, behind all others."""
    norms = [
        parameter
        for module in network.modules()
        if isinstance(module, _NORMS)
        for parameter in module.parameters(recurse=False)
    ]
    kept = {id(parameter) for parameter in norms}
    others = [parameter for parameter in network.parameters() if id(parameter) not in kept]
    return [{"params": others}, *([{"params": norms, "weight_decay": 0.0}] if norms else [])]


def epochs_of(duration: int | Duration, samples: int, full: int | None = None) -> int:
    """`unrounded_epochs`, to the nearest whole number, at least 1."""
    return max(1, round(unrounded_epochs(duration, samples, full)))


def unrounded_epochs(duration: int | Duration, samples: int, full: int | None = None) -> float:
    """Epochs of a training set of that many samples.

    Args:
        duration: a number of epochs; or "by-size", floor(2.5 e) with e falling linearly from 25 at 20,000
            samples to 20 at 50,000, 15 at 100,000 and 10 at a million, constant outside (Taori & Hashimoto 2022,
            released code: 62 epochs at 20,000); or "by-size-doubled", twice as many.
        samples: >= 0.
        full: samples that a number of epochs is meant for: of fewer, or more, as many epochs are taken as make the
            number of samples seen the same (Hall et al. 2022, released code).
    """
    if isinstance(duration, int):
        return duration if full is None else duration * full / samples
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
