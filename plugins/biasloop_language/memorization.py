"""How much of what is generated stands in the training set; only new rows are ever hashed."""

from __future__ import annotations

from collections.abc import Sequence

from biasloop.contract.data import Column, Ints, Metric, Samples
from biasloop.lazy import numpy as np
from biasloop.metrics.ngrams import NgramIndex
from biasloop_language.measures import TOKENS


class Memorized:
    """The n-grams of a training set that grows.

    A cache: an exact function of the rows it was last given. Where the rows begin with those of before, only the rest
    is added; otherwise (another run, a subsample) it starts anew.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self._forget()

    def _forget(self) -> None:
        self._index = NgramIndex(self.sizes)
        self._ids: Ints = np.zeros(0, np.int64)
        self._length = 0

    def overlaps(self, generated: Column, train: Samples) -> dict[str, Metric]:
        """For each n, the share of generated n-grams that occur in a continuation of the training set."""
        self._follow(train.ids, train.labels.columns[TOKENS])
        return {f"memorization.{n}": self._index.overlap(generated, n) for n in self.sizes}

    def _follow(self, ids: Ints, tokens: Column) -> None:
        assert tokens.offsets is not None
        known = len(self._ids)
        same = len(ids) >= known and np.array_equal(ids[:known], self._ids) and tokens.offsets[known] == self._length
        if not same:
            self._forget()
            known = 0
        if len(ids) > known:
            self._index.add(tokens.take(np.arange(known, len(ids))))
        self._ids, self._length = ids, int(tokens.offsets[-1])
