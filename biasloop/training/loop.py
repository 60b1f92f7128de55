"""The one epoch loop."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.contract.data import Arrays
from biasloop.contract.domains import Work
from biasloop.contract.randomness import Streams
from biasloop.errors import Diverged, InvalidInput
from biasloop.training.compiling import Forward, compiled
from biasloop.training.device import generator, seeded
from biasloop.training.precision import Precision, load_scaler, save_scaler
from biasloop.training.schedule import Recipe
from biasloop.training.weights import (
    load_network,
    load_optimizer,
    prefixed,
    save_network,
    save_optimizer,
    under,
)

Prepare = Callable[[Tensor, torch.Generator | None], Tensor]


@dataclass(frozen=True)
class TrainingSet:
    """Stored inputs and labels on the device of the network.

    Attributes:
        inputs: `(N, ...)`, as `Prepare` takes them (images: uint8).
        labels: `(n,)` int64.
        weights: `(n,)` float32 factors of the samples' losses, or None for 1.
        rows: `(n,)` int64, the input of each label, or None where the i-th label is of the i-th input.
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor | None = None
    rows: Tensor | None = None


def fit(
    network: nn.Module,
    train: TrainingSet,
    recipe: Recipe,
    work: Work,
    prepare: Prepare,
    *,
    precision: Precision | None = None,
    compile: bool = False,
) -> nn.Module:
    """Trains a network on cross-entropy; goes on from the last kept epoch if there is one.

    Order and augmentation of an epoch depend on `work.streams` and the epoch alone, so a resumed fit gives
    the bits of an uninterrupted one. Torch's global generators are as before afterwards. Adds a row an epoch
    to the table "curve": epoch (from 1), loss and accuracy (means over the epoch, while training), lr (of its
    last step). The host waits for the device once an epoch.

    Args:
        network: on the device of `train`; trained in place.
        train: what to train on.
        recipe: how.
        work: streams, progress, checkpoints, curve.
        prepare: from stored inputs to the network's, augmented with the generator given.
        precision: of the forward and backward pass, which a pure one wants the network's weights in
            (`Precision.network`); None for float32.
        compile: whether to compile the network (`compiling.compiled`).

    Returns:
        The network, in evaluation mode.

    Raises:
        Diverged: if the loss of an epoch is not finite.
        InvalidInput: if there is not one batch to train on.
    """
    if recipe.steps(len(train.labels)) == 0:
        raise InvalidInput(
            f"there is no batch to train on: {len(train.labels)} samples, batch_size {recipe.batch_size}, "
            f"drop_last {recipe.drop_last}; set a smaller batch_size or drop_last = false"
        )
    device = train.labels.device
    numbers = precision or Precision(torch.float32, device)
    # Fused, a step that float16 makes invalid is left out on the device, without asking the host.
    optimizer = recipe.optimizer(network, fused=True if numbers.scaled else None)
    forward = compiled(network, work) if compile else network
    fitting = _Fit(network, train, recipe, work, prepare, numbers, optimizer, numbers.scaler(), forward)
    begin = fitting.restore()
    network.train()
    for epoch in range(begin, recipe.epochs):
        with seeded(work.streams.at("epoch", epoch, "noise"), device):
            fitting.epoch(epoch)
    return network.eval()


@dataclass(frozen=True)
class _Fit:
    """What all epochs of a fit share."""

    network: nn.Module
    train: TrainingSet
    recipe: Recipe
    work: Work
    prepare: Prepare
    precision: Precision
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    forward: Forward

    def epoch(self, epoch: int) -> None:
        """One pass over the samples; a checkpoint is possible at its end."""
        recipe, device, count = self.recipe, self.train.labels.device, len(self.train.labels)
        streams = self.work.streams.at("epoch", epoch)
        draws = generator(streams.at("augment"), device)
        samples, steps = _ordered(self.train, streams), recipe.steps(count)
        total = steps * recipe.epochs
        sums = torch.zeros(2, dtype=torch.float64, device=device)  # loss, right answers; read once an epoch
        rate, seen = 0.0, 0
        for step in range(steps):
            rate = recipe.rate(epoch * steps + step + 1, total)
            for group in self.optimizer.param_groups:
                group["lr"] = rate / self.recipe.factor
            batch = _batch(samples, step * recipe.batch_size, recipe.batch_size)
            sums += self._step(batch, draws)
            seen += len(batch.labels)
            if step + 1 < steps:
                self.work.tick(epoch * steps + step + 1, total)
        self._log(epoch, sums, seen, rate)
        self.work.tick((epoch + 1) * steps, total, lambda: self._state(epoch), (epoch + 1, self.network))

    def _step(self, batch: TrainingSet, draws: torch.Generator) -> Tensor:
        """One update; sums over the batch of loss and right answers, still on the device."""
        assert batch.rows is not None
        inputs = self.precision.inputs(self.prepare(batch.inputs[batch.rows], draws))
        with self.precision.casting():
            logits = self.forward(inputs)
        losses = functional.cross_entropy(self.precision.logits(logits), batch.labels, reduction="none")
        if batch.weights is not None:
            losses = losses * batch.weights
        self.optimizer.zero_grad(set_to_none=True)
        loss = losses.sum() * (self.recipe.batch_size / len(losses)) if self.recipe.summed else losses.mean()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        with torch.no_grad():
            right = (logits.argmax(1) == batch.labels).sum()
            return torch.stack([losses.double().sum(), right.double()])

    def _log(self, epoch: int, sums: Tensor, seen: int, rate: float) -> None:
        loss, right = sums.tolist()
        if not math.isfinite(loss):
            raise Diverged(
                f"training diverged in epoch {epoch + 1} of {self.recipe.epochs} (mean loss {loss / seen}); "
                f"set a learning_rate below {self.recipe.learning_rate:g}"
            )
        self.work.log("curve", epoch=epoch + 1, loss=loss / seen, accuracy=right / seen, lr=rate)

    def _state(self, epoch: int) -> Arrays:
        arrays = prefixed("network", save_network(self.network))
        arrays |= prefixed("optimizer", save_optimizer(self.optimizer)) | prefixed("scaler", save_scaler(self.scaler))
        return arrays | {"epoch": np.array(epoch + 1)}

    def restore(self) -> int:
        """Puts a kept state back; how many epochs it has behind it."""
        state = self.work.resume()
        if state is None:
            return 0
        load_network(self.network, under("network", state))
        load_optimizer(self.optimizer, under("optimizer", state))
        load_scaler(self.scaler, under("scaler", state))
        return int(state["epoch"])


def _ordered(train: TrainingSet, streams: Streams) -> TrainingSet:
    """The samples in the order of an epoch: one gather for the epoch, so that a batch is a slice."""
    device = train.labels.device
    order = torch.from_numpy(streams.at("order").generator().permutation(len(train.labels))).to(device)
    rows = order if train.rows is None else train.rows[order]
    return TrainingSet(train.inputs, train.labels[order], None if train.weights is None else train.weights[order], rows)


def _batch(samples: TrainingSet, begin: int, size: int) -> TrainingSet:
    assert samples.rows is not None
    part = slice(begin, begin + size)
    weights = None if samples.weights is None else samples.weights[part]
    return TrainingSet(samples.inputs, samples.labels[part], weights, samples.rows[part])
