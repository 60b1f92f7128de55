"""Rows of a table in memory: features, outcomes, groups; NumPy alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from biasloop.contract.data import Floats, Ints
from biasloop.lazy import numpy as np


@dataclass(frozen=True)
class Numeric:
    """A feature that is a number: `(n,)` float64, NaN where there is none."""

    name: str
    values: Floats


@dataclass(frozen=True)
class Categorical:
    """A feature, group or outcome that is a word: `(n,)` int64 positions in `words`, -1 where there is none."""

    name: str
    values: Ints
    words: tuple[str, ...]


Feature = Numeric | Categorical


@dataclass(frozen=True)
class LabelledRows:
    """Rows of a table. A row's id in the loop is its position, counted from 0.

    Attributes:
        features: in the order of columns.
        outcome: what is to be predicted.
        groups: sensitive columns by name.
        names: `n` ids of the table's own; None where it has none.
        part: `(n,)` int64 positions in `biasloop_tabular.splits.PARTS`; None where splits are drawn.
    """

    features: tuple[Feature, ...]
    outcome: Categorical
    groups: Mapping[str, Categorical]
    names: Sequence[str] | None = None
    part: Ints | None = None

    def __len__(self) -> int:
        return len(self.outcome.values)

    @property
    def labels(self) -> Ints:
        """`(n,)` classes, -1 where nobody labelled."""
        return self.outcome.values

    @property
    def classes(self) -> tuple[str, ...]:
        """Names."""
        return self.outcome.words

    def texts(self, ids: Ints) -> list[str]:
        """Rows with a feature a line; without outcome and groups."""
        columns = [[f"{column.name}: {cell}" for cell in _cells(column, ids)] for column in self.features]
        return ["\n".join(cells) for cells in zip(*columns, strict=True)]

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that identify all of it."""
        digest = hashlib.blake2b(digest_size=16)
        for column in (*self.features, self.outcome, *self.groups.values()):
            words = column.words if isinstance(column, Categorical) else None
            digest.update(repr((column.name, words)).encode())
            digest.update(np.ascontiguousarray(column.values, "<f8" if words is None else "<i8").data)
        digest.update(repr(None if self.names is None else [*self.names]).encode())
        if self.part is not None:
            digest.update(np.ascontiguousarray(self.part, "<i8").data)
        return digest.hexdigest()


def _cells(column: Feature, ids: Ints) -> list[str]:
    """A feature as it reads; empty where there is none."""
    values = column.values[ids]
    if isinstance(column, Numeric):
        return ["" if np.isnan(value) else f"{value:g}" for value in values]
    return ["" if value < 0 else column.words[value] for value in values.tolist()]
