"""How long, how fast and with which optimizer a network is trained: the one recipe of all fits; no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from biasloop.errors import InvalidInput
from biasloop.training import schedule as schedules

Kind = Literal["sgd", "adam", "adamw"]
Schedule = Literal["constant", "linear", "triangle", "cosine", "late-cosine", "plateau", "steps"]
Weighting = Literal["mean", "normalised"]


@dataclass(frozen=True)
class Recipe:
    """One fit, besides its data and its objective.

    Attributes:
        epochs: passes over the training set.
        batch_size: samples of a micro-batch, that is of one forward and backward pass.
        learning_rate: at its highest; of "linear", where the line begins that the warm-up rises to.
        optimizer: "sgd", "adam" or "adamw" (`optimizers.build`).
        momentum: of SGD; 0 for none.
        nesterov: whether the momentum looks ahead (Nesterov); needs momentum.
        weight_decay: of every parameter, added to its gradient; of "adamw", taken off the weights.
        decay_norms: whether parameters of normalisation layers decay too.
        decay_vectors: whether parameters of fewer than two dimensions (biases, gains, scales) decay too.
        beta1: of "adam" and "adamw", how much of the mean of gradients is kept in a step.
        beta2: of their squares.
        epsilon: what the root of those has added.
        schedule: how the learning rate goes on after the warm-up (`rate`).
        warm_up: share of all updates, 0 .. 1, in which the learning rate rises linearly from 0.
        whole_epochs: whether the rise takes whole epochs, floor(warm_up * epochs) of them, and "steps" changes at the
            whole epoch that is nearest (of two, the even one).
        unrounded: epochs before they were made whole, of which "steps" takes its shares; None for `epochs`.
        last: of "triangle", learning rate of the last update, as a share of the highest.
        changes: of "steps", pairs (until this share of the run, share of the learning rate); the last ends at 1.
        accumulation: micro-batches of an update.
        drop_last: leave out the last batch of an epoch if it is not full.
        by_length: whether a micro-batch holds samples of like length, which saves padding; else any.
        summed: whether gradients are of the loss summed over a full batch, with a learning rate that is divided by its
            size and a weight decay that is multiplied by it (Taori & Hashimoto 2022, released code): the same updates
            but for rounding, which in float16 throughout takes other gradients to 0.
        weighting: how weights count, where samples have some: "mean" is mean(w l), "normalised" sum(w l) / sum(w).
        freeze_norm: whether epochs after the first are trained in evaluation mode, with frozen batch statistics.
        epoch_steps: micro-batches of an epoch, where they do not follow from a number of samples; else None.
        last_size: samples of the last of them; None for `batch_size`.
        precision: by its name (`precision.precision`).
    """

    epochs: int = 1
    batch_size: int = 16
    learning_rate: float = 0.1
    optimizer: Kind = "sgd"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_norms: bool = True
    decay_vectors: bool = True
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    schedule: Schedule = "constant"
    warm_up: float = 0.0
    whole_epochs: bool = False
    unrounded: float | None = None
    last: float = 0.0025
    changes: tuple[tuple[float, float], ...] = ()
    accumulation: int = 1
    drop_last: bool = False
    by_length: bool = False
    summed: bool = False
    weighting: Weighting = "mean"
    freeze_norm: bool = False
    epoch_steps: int | None = None
    last_size: int | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulation"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} of a training recipe is {getattr(self, name)}; set 1 or more")

    @property
    def factor(self) -> int:
        """What the loss is larger by than the mean of a batch."""
        return self.batch_size if self.summed else 1

    def steps(self, samples: int) -> int:
        """Micro-batches of an epoch over that many samples; the last may be smaller."""
        full, rest = divmod(samples, self.batch_size)
        return full + bool(rest and not self.drop_last)

    def size(self, step: int) -> int:
        """Samples of a micro-batch, counted from 0 in each epoch of `epoch_steps`."""
        last = self.epoch_steps is not None and step == self.epoch_steps - 1
        return self.last_size if last and self.last_size is not None else self.batch_size

    def planned(self, steps: int) -> int:
        """Updates over which the learning rate goes through its schedule, of that many micro-batches an epoch."""
        return self.epochs * math.ceil(steps / self.accumulation)

    def rate(self, update: int, planned: int) -> float:
        """Learning rate of an update, counted from 1 over all epochs."""
        return schedules.rate(self, update, planned)
