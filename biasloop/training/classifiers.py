"""How classifiers of rows are trained: on all samples, or on those selected of them, perhaps with models beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from torch import nn

from biasloop.contract.context import Work
from biasloop.contract.data import Arrays, Floats, Samples
from biasloop.contract.selection import Taught, Updating
from biasloop.training import loop
from biasloop.training.beside import Irreducible, Proxy
from biasloop.training.heads import Headed
from biasloop.training.objectives import CrossEntropy, HeadedCrossEntropy
from biasloop.training.recipe import Recipe
from biasloop.training.selecting import Selecting
from biasloop.training.sources import Batch, Source


class Learner(Protocol):
    """What makes networks of a domain by its settings."""

    def initial(self, work: Work, heads: int = 1) -> nn.Module:
        """A new network on the device, whose last layer has a slice of the classes for each head."""

    def load(self, arrays: Arrays) -> nn.Module:
        """One that was saved."""

    def load_heads(self, arrays: Arrays) -> Headed:
        """One of several heads that was saved."""

    def recipe(self, samples: int) -> Recipe:
        """How it is trained on so many samples."""

    def objective(self, network: nn.Module, how: Recipe, work: Work) -> CrossEntropy:
        """What it is trained by."""

    def headed_objective(self, factors: Floats) -> HeadedCrossEntropy:
        """What one of several heads is trained by, with `(heads, N)` factors of the losses."""

    def varied(self, changes: Mapping[str, object]) -> Learner:
        """One by other settings, over the same data."""


def fit(
    learner: Learner,
    train: Samples,
    source: Source[Batch],
    work: Work,
    batches: Callable[[Samples], Iterable[Batch]],
) -> nn.Module:
    """A new network, trained on samples or on those selected of them.

    Args:
        learner: of the domain.
        train: the samples.
        source: their batches.
        work: of the call.
        batches: of samples, those that they are predicted in.

    Raises:
        Diverged, InvalidInput: as `loop.fit` and `selecting.Selecting`.
    """
    network, how = learner.initial(work), learner.recipe(len(train))
    objective, selection = learner.objective(network, how, work), train.selection
    if selection is None:
        loop.fit(network, source, objective, how, work)
        return network
    proxy, updated = None, list[Irreducible]()
    if selection.proxy is not None:
        proxy = _proxy(learner.varied(selection.proxy), how, len(train), work)
    if selection.updating is not None:
        updated = _updated(selection.updating, learner, how, len(train), work)
    device = next(network.parameters()).device
    selecting = Selecting(selection, len(train), objective, work.streams, device, batches, proxy, updated)
    beside = [*([] if proxy is None else [proxy]), *updated]
    loop.fit(network, source, objective, how, work, selecting=selecting, beside=beside)
    return network


def fit_heads(learner: Learner, source: Source[Batch], factors: Floats, samples: int, work: Work) -> Headed:
    """A new network of several heads, trained on so many samples with `(heads, samples)` factors of their losses."""
    network = learner.initial(work, len(factors))
    loop.fit(network, source, learner.headed_objective(factors), learner.recipe(samples), work)
    return Headed(network, len(factors))


def _proxy(learner: Learner, how: Recipe, samples: int, work: Work) -> Proxy:
    """It begins as a model of its settings does in that call: one of the run's own settings begins as the model."""
    network, recipe = learner.initial(work), _over(how, learner.recipe(samples))
    return Proxy(network, learner.objective(network, recipe, work), recipe)


def _updated(updating: Updating, learner: Learner, how: Recipe, samples: int, work: Work) -> list[Irreducible]:
    other = learner.varied(updating.settings)
    usual = _over(how, other.recipe(samples))
    slow = replace(usual, learning_rate=usual.learning_rate * updating.factor)
    return [_going_on(model, other, slow, work) for model in updating.models]


def _over(how: Recipe, beside: Recipe) -> Recipe:
    """A recipe over the updates of another."""
    return replace(
        beside, epochs=how.epochs, unrounded=how.unrounded, batch_size=how.batch_size, accumulation=how.accumulation
    )


def _going_on(model: Taught, learner: Learner, how: Recipe, work: Work) -> Irreducible:
    if model.weights is None:
        network = learner.load(model.arrays)
        return Irreducible(network, learner.objective(network, how, work), how)
    return Irreducible(learner.load_heads(model.arrays).network, learner.headed_objective(model.weights), how)
