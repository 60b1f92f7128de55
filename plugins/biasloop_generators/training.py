"""Epochs of variational autoencoders and of classifiers, on batches that somebody else makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.contract.data import Arrays
from biasloop.contract.domains import Work
from biasloop.errors import Diverged, InvalidInput
from biasloop.training.device import seeded
from biasloop.training.precision import Precision, precision
from biasloop.training.weights import load_network, load_optimizer, prefixed, save_network, save_optimizer, under
from biasloop_generators.losses import LOSSES, Loss
from biasloop_generators.networks import VAE, LastEpoch
from biasloop_generators.recipes import Recipe

N = TypeVar("N", bound=nn.Module)
Labelled = tuple[Tensor, Tensor]
B = TypeVar("B", bound=Tensor | Labelled)


def fit_vae(network: VAE, batches: Callable[[int], Iterator[Tensor]], epochs: int, recipe: Recipe, work: Work) -> VAE:
    """Trains a generator; goes on from the last kept epoch if there is one.

    Noise of an epoch depends on `work.streams` and the epoch alone, so a resumed fit gives the bits of an uninterrupted
    one, if `batches` does so too; it is asked for batches with torch's global generators seeded. They are as before
    afterwards. Adds a row an epoch to the table "curve": epoch (from 1), loss (mean of the batch losses, as
    published). The host waits for the device once an epoch.

    Args:
        network: trained in place.
        batches: epoch (from 0) to its images, each `(B, 3, H, W)` float32 in 0 .. 1 on the device of the network.
        epochs: how many.
        recipe: how; has a loss.
        work: streams, progress, checkpoints, curve.

    Returns:
        The network, in evaluation mode; it knows its last epoch.

    Raises:
        Diverged: if the loss of an epoch is not finite.
        InvalidInput: if an epoch has no batch.
    """
    assert recipe.loss is not None
    loss, numbers = LOSSES[recipe.loss], _precision(recipe, network)

    def step(images: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
        return vae_step(network, images, loss, optimizer, numbers)[None]

    network.last = _fit(network, batches, epochs, recipe, work, step, ("loss",))
    return network


def fit_classifier(
    network: N, batches: Callable[[int], Iterator[Labelled]], epochs: int, recipe: Recipe, work: Work
) -> N:
    """Trains a classifier or an annotator on cross-entropy; see `fit_vae`.

    Adds `accuracy` to the curve: the mean, over batches, of the share of right answers while training.

    Args:
        network: trained in place.
        batches: epoch (from 0) to its images, as for `fit_vae`, and their classes `(B,)` int64.
        epochs: how many.
        recipe: how; with `freeze_norm`, epochs after the first are trained in evaluation mode.
        work: streams, progress, checkpoints, curve.

    Returns:
        The network, in evaluation mode.

    Raises:
        Diverged: if the loss of an epoch is not finite.
        InvalidInput: if an epoch has no batch.
    """
    numbers = _precision(recipe, network)

    def step(batch: Labelled, optimizer: torch.optim.Optimizer) -> Tensor:
        return torch.stack(classifier_step(network, *batch, optimizer, numbers))

    _fit(network, batches, epochs, recipe, work, step, ("loss", "accuracy"))
    return network


def vae_step(
    network: VAE, images: Tensor, loss: Loss, optimizer: torch.optim.Optimizer, numbers: Precision | None = None
) -> Tensor:
    """One update; the loss before it, a scalar still on the device."""
    with _casting(numbers):
        reconstruction, mu, logvar = network(images)
    value = loss(reconstruction.float(), images, mu.float(), logvar.float())
    _update(value, optimizer)
    return value.detach()


def classifier_step(
    network: nn.Module,
    images: Tensor,
    classes: Tensor,
    optimizer: torch.optim.Optimizer,
    numbers: Precision | None = None,
) -> tuple[Tensor, Tensor]:
    """One update; the mean loss and the share of right answers before it, scalars still on the device."""
    with _casting(numbers):
        logits = network(images)
    value = functional.cross_entropy(logits.float(), classes)
    _update(value, optimizer)
    with torch.no_grad():
        return value.detach(), (logits.argmax(1) == classes).float().mean()


def _update(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _casting(numbers: Precision | None) -> AbstractContextManager[object]:
    return nullcontext() if numbers is None else numbers.casting()


def _precision(recipe: Recipe, network: nn.Module) -> Precision:
    return precision(recipe.precision, next(network.parameters()).device)


def _fit(
    network: nn.Module,
    batches: Callable[[int], Iterator[B]],
    epochs: int,
    recipe: Recipe,
    work: Work,
    step: Callable[[B, torch.optim.Optimizer], Tensor],
    columns: tuple[str, ...],
) -> LastEpoch | None:
    """The epochs of a fit: of each, means over batches of what `step` gives, `(len(columns),)`, become a row."""
    device = next(network.parameters()).device
    optimizer = recipe.optimizer.build(network.parameters())
    total = epochs * recipe.steps
    begin, last = _restore(network, optimizer, work)
    for epoch in range(begin, epochs):
        network.train(epoch == 0 or not recipe.freeze_norm)
        sums, done, images = torch.zeros(len(columns), dtype=torch.float64, device=device), 0, 0
        with seeded(work.streams.at("epoch", epoch, "noise"), device):
            for batch in batches(epoch):
                sums += step(batch, optimizer)
                done, images = done + 1, images + len(batch if isinstance(batch, Tensor) else batch[0])
                if done < recipe.steps:
                    work.tick(epoch * recipe.steps + done, total)
        row = dict(zip(columns, (sums / max(done, 1)).tolist(), strict=True))
        _log(work, epoch, epochs, recipe, row, done)
        last = LastEpoch(row["loss"], done, images)
        work.tick((epoch + 1) * recipe.steps, total, partial(_state, network, optimizer, epoch + 1, last))
    network.eval()
    return last


def _log(work: Work, epoch: int, epochs: int, recipe: Recipe, row: dict[str, float], done: int) -> None:
    if not done:
        raise InvalidInput(f"epoch {epoch + 1} of {epochs} has no batch to train on; give more training images")
    if not math.isfinite(row["loss"]):
        raise Diverged(
            f"training diverged in epoch {epoch + 1} of {epochs} (mean loss {row['loss']}); "
            f"set a learning rate below {recipe.optimizer.learning_rate:g}"
        )
    work.log("curve", epoch=epoch + 1, **row)


def _state(network: nn.Module, optimizer: torch.optim.Optimizer, epochs: int, last: LastEpoch) -> Arrays:
    arrays = prefixed("network", save_network(network)) | prefixed("optimizer", save_optimizer(optimizer))
    return arrays | {"epoch": np.array(epochs), "last": last.array()}


def _restore(network: nn.Module, optimizer: torch.optim.Optimizer, work: Work) -> tuple[int, LastEpoch | None]:
    """Puts a kept state back; how many epochs it has behind it, and the last of them."""
    state = work.resume()
    if state is None:
        return 0, None
    load_network(network, under("network", state))
    load_optimizer(optimizer, under("optimizer", state))
    return int(state["epoch"]), LastEpoch.of(state["last"])
