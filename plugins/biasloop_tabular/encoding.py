"""Rows as inputs of an estimator: standardised numbers and one-hot categories, by what a training set has.

Nothing is learnt from rows outside of the training set: mean, spread and categories are those of the rows of a fit. A
category that no row of it has is all zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biasloop.contract.data import Arrays, Bools, Floats, Ints
from biasloop.lazy import numpy as np
from biasloop_tabular.rows import Categorical, Feature, Numeric

MEANS, SCALES, SEEN = "encoder.means", "encoder.scales", "encoder.seen"


@dataclass(frozen=True)
class Inputs:
    """What an estimator is given.

    Attributes:
        numbers: `(n, numbers)` float64, mean 0 and standard deviation 1 in the training set.
        onehot: `(n, categories)` float64, 0 or 1.
        column: `(categories,)` int64 which column of the table each category is of, ascending.
    """

    numbers: Floats
    onehot: Floats
    column: Ints

    @property
    def matrix(self) -> Floats:
        """`(n, numbers + categories)`."""
        return np.hstack([self.numbers, self.onehot])


@dataclass(frozen=True)
class Table:
    """Features of all rows, ready to be encoded.

    A column with missing values has a category for it; a column of numbers with missing values is also a column of two
    categories, there and missing.

    Attributes:
        numbers: `(n, numbers)` float64, NaN where missing.
        slots: `(n, columns)` int64, the category of each row, counted over all columns.
        column: `(categories,)` int64 which column each category is of.
    """

    numbers: Floats
    slots: Ints
    column: Ints

    @property
    def width(self) -> int:
        """How many inputs a row has at most."""
        return int(self.numbers.shape[1]) + len(self.column)

    @classmethod
    def of(cls, features: Sequence[Feature]) -> Table:
        """Of the features of all rows."""
        rows = len(features[0].values)
        numbers = [each.values for each in features if isinstance(each, Numeric)]
        slots: list[Ints] = []
        sizes: list[int] = []
        for each in features:
            values, size = _categories(each)
            if size > 1:
                slots.append(values + sum(sizes))
                sizes.append(size)
        return cls(
            np.column_stack(numbers) if numbers else np.zeros((rows, 0)),
            np.column_stack(slots) if slots else np.zeros((rows, 0), np.int64),
            np.repeat(np.arange(len(sizes)), sizes),
        )

    def learnt(self, ids: Ints, weights: Floats) -> Arrays:
        """What encoding takes from the rows of a fit: means, spreads, and which categories there are.

        Args:
            ids: `(n,)` rows.
            weights: `(n,)` above 0.
        """
        numbers = self.numbers[ids]
        there = ~np.isnan(numbers)
        factors = weights[:, None] * there
        total = np.maximum(factors.sum(0), np.finfo(np.float64).tiny)
        means = (factors * np.where(there, numbers, 0.0)).sum(0) / total
        deviations = np.where(there, numbers - means, 0.0)
        spread = np.sqrt((factors * deviations**2).sum(0) / total)
        seen = np.zeros(len(self.column), np.bool_)
        seen[self.slots[ids].ravel()] = True
        # What varies by rounding alone is constant.
        return {MEANS: means, SCALES: np.where(spread > 1e-12 * np.abs(means), spread, 1.0), SEEN: seen}

    def encoded(self, ids: Ints, learnt: Arrays) -> Inputs:
        """The rows of ids by what a training set has; a missing number is the mean."""
        seen: Bools = learnt[SEEN]
        numbers = (self.numbers[ids] - learnt[MEANS]) / learnt[SCALES]
        onehot = np.zeros((len(ids), len(self.column)))
        onehot[np.arange(len(ids))[:, None], self.slots[ids]] = 1.0
        return Inputs(np.where(np.isnan(numbers), 0.0, numbers), onehot[:, seen], self.column[seen])


def _categories(column: Feature) -> tuple[Ints, int]:
    """`(n,)` categories of a column from 0, the last of which is a missing one where any is; and how many."""
    if isinstance(column, Categorical):
        gone, size = column.values < 0, len(column.words)
        return np.where(gone, size, column.values), size + int(gone.any())
    missing = np.isnan(column.values)
    return missing.astype(np.int64), 1 + int(missing.any())
