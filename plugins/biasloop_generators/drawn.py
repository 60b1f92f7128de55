"""Batches that are drawn afresh, as the one loop takes them, and what STAR counts of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from biasloop.contract import names
from biasloop.contract.context import Work
from biasloop.contract.data import Arrays
from biasloop.training.recipe import Recipe
from biasloop.training.sources import Batch, Drawing


class Drawn:
    """The batches of a generator, without labels, or of a classifier or an annotator.

    Args:
        drawing: makes them.
        recipe: of the fit; the last batch of a classifier's epoch has as many images as one of real images would.
        labelled: whether they have labels.
    """

    def __init__(self, drawing: Drawing, recipe: Recipe, *, labelled: bool = True) -> None:
        self.steps = self.updates = drawing.steps
        self._drawing, self._recipe, self._labelled = drawing, recipe, labelled

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Batch]]:
        """One batch an update."""
        drawn = self._drawing.epoch(number, start)
        for step in range(start, self.steps):
            yield (self._batch(step, *next(drawn)),)  # no name is bound to it, so that its memory is free in time

    def _batch(self, step: int, images: Tensor, labels: Tensor | None) -> Batch:
        size = self._recipe.size(step) if self._labelled else len(images)
        return Batch(images[:size], None if labels is None else labels[:size])

    def state(self, done: int) -> Arrays:
        """What STAR has counted."""
        return self._drawing.state(done)

    def restore(self, state: Arrays) -> None:
        """Puts it back."""
        self._drawing.restore(state)

    def finish(self, epoch: int, work: Work) -> None:
        """What STAR counted in an epoch, a row a batch."""
        counts = self._drawing.counts()
        if counts is None:
            return
        batches = len(counts.shortfall)
        columns = {
            names.EPOCH: np.full(batches, epoch + 1),
            "batch": np.arange(batches),
            names.SHORTFALL: counts.shortfall,
            "draws": counts.draws,
            **{f"{names.DRAWN}{number}": drawn for number, drawn in enumerate(counts.drawn.T)},
            **{f"{names.PLACED}{number}": placed for number, placed in enumerate(counts.placed.T)},
        }
        work.log_many(names.STAR, **{name: values.astype(np.int32) for name, values in columns.items()})
