"""The types that cross the line between core, domain and file: arrays with names, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from biasloop.contract.names import (
    CONFIDENCE,
    EMBEDDING,
    GROUP,
    IDS,
    PREDICTION,
    PROBABILITY,
    SCORE,
    TARGET,
    TEXT,
    WEIGHT,
)
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from biasloop.contract.selection import Selection

    Array = npt.NDArray[Any]
    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]
else:
    Array = Ints = Floats = Bools = Any

Arrays = Mapping[str, Array]

ROLES = ("", IDS, TARGET, PREDICTION, GROUP, CONFIDENCE, PROBABILITY, SCORE, TEXT, EMBEDDING, WEIGHT)


@dataclass(frozen=True)
class Column:
    """One value a row, of fixed size or ragged.

    Attributes:
        values: fixed size: `(rows, ...)`; ragged: all rows' values one after another, `(total,)`.
        offsets: None for fixed size; ragged: `(rows + 1,)` int64, row i is `values[offsets[i]:offsets[i + 1]]`.
        role: what the column means to a metric; one of `ROLES`.
        vocabulary: name of the vocabulary that the values index, or empty.

    Text is ragged `uint8` (UTF-8) with role `text`.
    """

    values: Array
    offsets: Ints | None = None
    role: str = ""
    vocabulary: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"column role {self.role!r} is not one of {', '.join(ROLES[1:])}")
        if self.offsets is not None and (self.values.ndim != 1 or self.offsets[-1] != len(self.values)):
            raise ValueError("a ragged column needs 1-d values and offsets that end at their length")

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    @classmethod
    def text(cls, rows: Sequence[str], role: str = TEXT) -> Column:
        """A column of strings, kept as UTF-8 bytes and offsets."""
        encoded = [row.encode() for row in rows]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(row) for row in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets, role)

    def strings(self) -> list[str]:
        """The rows of a text column."""
        if self.offsets is None:
            raise ValueError("not a text column")
        data, offsets = self.values.tobytes(), self.offsets.tolist()
        return [data[a:b].decode() for a, b in itertools.pairwise(offsets)]

    def take(self, rows: Array) -> Column:
        """The given rows (positions or a mask), in the given order."""
        if self.offsets is None:
            return Column(self.values[rows], None, self.role, self.vocabulary)
        positions = np.arange(len(self))[rows]
        starts, lengths = self.offsets[positions], np.diff(self.offsets)[positions]
        offsets = np.zeros(len(positions) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        sources = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Column(self.values[sources], offsets, self.role, self.vocabulary)


@dataclass(frozen=True)
class Frame:
    """Columns of equal length, by name."""

    columns: Mapping[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of a frame differ in length: {lengths}")

    def __len__(self) -> int:
        return next((len(column) for column in self.columns.values()), 0)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Array:
        """The values of a column."""
        return self.columns[name].values

    def take(self, rows: Array) -> Frame:
        """The given rows of every column."""
        return Frame({name: column.take(rows) for name, column in self.columns.items()})

    def plus(self, other: Frame) -> Frame:
        """Both frames' columns side by side; rows correspond; `other` wins where names are equal."""
        return Frame({**self.columns, **other.columns})

    @staticmethod
    def join(parts: Sequence[Frame]) -> Frame:
        """Frames one below the other.

        Raises:
            ValueError: if the parts do not have the same columns.
        """
        parts = [part for part in parts if part.columns]
        if len(parts) < 2:
            return parts[0] if parts else Frame()
        names = set(parts[0].columns)
        if any(set(part.columns) != names for part in parts):
            raise ValueError(f"frames to join differ in columns: {[sorted(part.columns) for part in parts]}")
        return Frame({name: _join_columns([part.columns[name] for part in parts]) for name in parts[0].columns})


def _join_columns(parts: Sequence[Column]) -> Column:
    values = np.concatenate([part.values for part in parts])
    first = parts[0]
    if first.offsets is None:
        return Column(values, None, first.role, first.vocabulary)
    lengths = np.concatenate([np.diff(part.offsets) for part in parts if part.offsets is not None])
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return Column(values, offsets, first.role, first.vocabulary)


@dataclass(frozen=True)
class Samples:
    """All that a domain sees of a training set.

    Attributes:
        ids: `(n,)` stable positions in the source data.
        synthetic: `(n,)` True where a model made the label or the input; never which round's.
        labels: one row per id.
        inputs: inputs that models made, one row per id: their keys, int64 columns such as shard and member, -1 where
            the input is the sample's own; or their values, floating-point columns, NaN where it is. No columns where
            all inputs are the samples' own.
        weights: `(n,)` factors of the samples' losses, finite and not negative; None for 1. What a batch's weighted
            losses are divided by is the domain's to say.
        propensities: `(n,)` probabilities with which the samples were drawn, NaN where nobody knows; for estimates,
            not for fits. None where nobody knows any.
        selection: which of the samples of a candidate batch a fit learns from; None for all.
    """

    ids: Ints
    synthetic: Bools
    labels: Frame
    inputs: Frame = field(default_factory=Frame)
    weights: Floats | None = None
    propensities: Floats | None = None
    selection: Selection | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Metric:
    """A measured number, how many samples it rests on, and its standard error (NaN where that means nothing)."""

    value: float
    n: int
    error: float = float("nan")


Tables = Mapping[str, Frame]
"""Per-sample outputs; several tables (test, valid, population, ...), each with its own rows."""


def joined(references: Tables, tables: Tables) -> Tables:
    """What a model changed beside what never changes, row for row; where there are no references, tables as they are.

    Raises:
        ValueError: a table has other rows than its references.
    """
    beside = {name: references[name].plus(table) if name in references else table for name, table in tables.items()}
    return {**references, **beside}


Vocabularies = Mapping[str, Sequence[str]]
"""Names of what columns index, by vocabulary: value i of a column is called the i-th."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics and the per-sample outputs they were computed from."""

    metrics: Mapping[str, Metric]
    tables: Tables = field(default_factory=dict)


@dataclass(frozen=True)
class Splits:
    """Disjoint sets of ids. `unlabelled` is the part of the pool that only a model can label."""

    test: Ints
    pool: Ints
    holdout: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    unlabelled: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Page:
    """What data look like: some of them, and how many there are of each stratum.

    Attributes:
        title: what they are, in a line.
        pictures: `(n, H, W, C)` uint8, C 1 or 3.
        counts: by split, int64 samples of each stratum; axis i is that of the classes of `targets[i]`.
        targets: the label, then groups if there are any.
        classes: names of the classes of each target.
    """

    title: str
    pictures: Array
    counts: Mapping[str, Ints]
    targets: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
