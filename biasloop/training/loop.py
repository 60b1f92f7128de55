"""The one epoch loop."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.data import Arrays
from biasloop.domains import Work
from biasloop.errors import Diverged, InvalidInput
from biasloop.randomness import Streams
from biasloop.training.device import generator, seeded
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
        inputs: `(n, ...)`, as `Prepare` takes them (images: uint8).
        labels: `(n,)` int64.
        weights: `(n,)` float32 factors of the samples' losses, or None for 1.
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor | None = None


def fit(network: nn.Module, train: TrainingSet, recipe: Recipe, work: Work, prepare: Prepare) -> nn.Module:
    """Trains a network on cross-entropy; goes on from the last kept epoch if there is one.

    Order and augmentation of an epoch depend on `work.streams` and the epoch alone, so a resumed fit gives
    the bits of an uninterrupted one. Torch's global generators are as before afterwards. Adds a row an epoch
    to the table "curve": epoch (from 1), loss and accuracy (means over the epoch, while training), lr (of its
    last step).

    Args:
        network: on the device of `train`; trained in place.
        train: what to train on.
        recipe: how.
        work: streams, progress, checkpoints, curve.
        prepare: from stored inputs to the network's, augmented with the generator given.

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
    optimizer = recipe.optimizer(network)
    begin = _restore(work.resume(), network, optimizer)
    network.train()
    for epoch in range(begin, recipe.epochs):
        with seeded(work.streams.at("epoch", epoch, "noise"), train.labels.device):
            _epoch(epoch, network, optimizer, train, recipe, work, prepare)
    return network.eval()


def _epoch(
    epoch: int,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: TrainingSet,
    recipe: Recipe,
    work: Work,
    prepare: Prepare,
) -> None:
    device, count = train.labels.device, len(train.labels)
    streams = work.streams.at("epoch", epoch)
    draws = generator(streams.at("augment"), device)
    order, steps = _order(streams, count, device), recipe.steps(count)
    total = steps * recipe.epochs
    sums = torch.zeros(2, dtype=torch.float64, device=device)  # loss, right answers; read once an epoch
    rate, seen = 0.0, 0
    for step in range(steps):
        rate = recipe.rate(epoch * steps + step + 1, total)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
        sums += _step(network, optimizer, train, rows, prepare(train.inputs[rows], draws))
        seen += len(rows)
        if step + 1 < steps:
            work.tick(epoch * steps + step + 1, total)
    loss, right = sums.tolist()
    if not math.isfinite(loss):
        raise Diverged(
            f"training diverged in epoch {epoch + 1} of {recipe.epochs} (mean loss {loss / seen}); "
            f"set a learning_rate below {recipe.learning_rate:g}"
        )
    work.log("curve", epoch=epoch + 1, loss=loss / seen, accuracy=right / seen, lr=rate)
    work.tick((epoch + 1) * steps, total, lambda: _state(epoch, network, optimizer))


def _order(streams: Streams, count: int, device: torch.device) -> Tensor:
    return torch.from_numpy(streams.at("order").generator().permutation(count)).to(device)


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, train: TrainingSet, rows: Tensor, inputs: Tensor
) -> Tensor:
    """One update; sums over the batch of loss and right answers, still on the device."""
    labels = train.labels[rows]
    logits = network(inputs)
    losses = functional.cross_entropy(logits.float(), labels, reduction="none")
    if train.weights is not None:
        losses = losses * train.weights[rows]
    optimizer.zero_grad(set_to_none=True)
    losses.mean().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    with torch.no_grad():
        right = (logits.argmax(1) == labels).sum()
        return torch.stack([losses.double().sum(), right.double()])


def _state(epoch: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> Arrays:
    arrays = prefixed("network", save_network(network)) | prefixed("optimizer", save_optimizer(optimizer))
    return arrays | {"epoch": np.array(epoch + 1)}


def _restore(state: Arrays | None, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Puts a kept state back; how many epochs it has behind it."""
    if state is None:
        return 0
    load_network(network, under("network", state))
    load_optimizer(optimizer, under("optimizer", state))
    return int(state["epoch"])
