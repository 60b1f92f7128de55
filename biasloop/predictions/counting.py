"""Rows counted by the values of some columns, and rows in batches; a file larger than memory streams."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biasloop.contract.data import Array, Ints
from biasloop.errors import InvalidInput
from biasloop.predictions.source import Source, open_source
from biasloop.tables.spellings import hint
from biasloop.tables.values import as_text

if TYPE_CHECKING:
    import polars as pl

BATCH = 250_000  # rows
MOST_CELLS = 2**26


@dataclass(frozen=True)
class Counts:
    """How many rows have which values.

    Attributes:
        path: of the rows.
        columns: by name, the value of each combination that occurs.
        rows: `(combinations,)` how often each occurs.
    """

    path: Path
    columns: Mapping[str, list[str]]
    rows: Ints

    @property
    def n(self) -> int:
        """All rows."""
        return int(self.rows.sum())

    def values(self, *names: str) -> list[str]:
        """The values of columns that share them, sorted."""
        return sorted(set().union(*(self.columns[name] for name in names)))

    def table(self, *axes: tuple[str, Sequence[str]]) -> Ints:
        """Counts with an axis for each (column, values); rows with another value are left out.

        Raises:
            InvalidInput: if the table were larger than memory has room for.
        """
        shape = tuple(len(values) for _, values in axes)
        if np.prod(shape, dtype=object) > MOST_CELLS:
            listed = " x ".join(f"{size:,} values of {name!r}" for (name, _), size in zip(axes, shape, strict=True))
            raise InvalidInput(f"{self.path}: {listed} are too many to count; merge the rare ones")
        indices = []
        for name, values in axes:
            at = {value: index for index, value in enumerate(values)}
            indices.append(np.array([at.get(value, -1) for value in self.columns[name]], np.int64))
        known = np.all([index >= 0 for index in indices], axis=0)
        table = np.zeros(shape, np.int64)
        np.add.at(table, tuple(index[known] for index in indices), self.rows[known])
        return table


def counted(source: Source, names: Sequence[str], alike: Sequence[str] = ()) -> Counts:
    """Rows by the values of the named columns.

    Args:
        source: of the rows.
        names: of columns.
        alike: those of them, a true and a predicted one, whose values are the same.

    Raises:
        InvalidInput: no such column (those there are are listed), a row without a value (named), one value written in
            two ways, true and predicted values without one in common, a bad file, no rows.
    """
    import polars as pl

    columns = list(dict.fromkeys(names))
    keys = [f"c{i}" for i in range(len(columns))]
    with source.reads():
        lazy = source.lazy(columns)
        kinds = lazy.collect_schema()
        # Grouped as they are and written as text afterwards: few values instead of all rows.
        grouped = lazy.group_by(keys).agg(rows=pl.len(), short=pl.col("short").sum())
        raw = grouped.collect(engine="streaming", optimizations=_all_columns(source))
        text = [as_text(pl.col(key), kinds[key], name, source.words()) for key, name in zip(keys, columns, strict=True)]
        frame = raw.select(*(column.alias(key) for key, column in zip(keys, text, strict=True)), "rows", "short")
    lacking = frame.select(pl.any_horizontal(pl.col(key).is_null() for key in keys)).to_series()
    source.check(
        columns,
        rows=int(frame["rows"].sum()),
        missing=int(frame.filter(lacking)["rows"].sum()),
        short=int(frame["short"].sum()) > 0,
    )
    frame = _settled(source, frame.filter(~lacking).drop("short"), columns, alike)
    frame = frame.group_by(keys).sum().sort(keys)
    values = {name: frame[key].to_list() for key, name in zip(keys, columns, strict=True)}
    if alike:
        require_common(source.name, *((name, set(values[name])) for name in alike))
    return Counts(source.path, values, frame["rows"].to_numpy().astype(np.int64))


def require_common(name: str, true: tuple[str, Collection[str]], predicted: tuple[str, Collection[str]]) -> None:
    """Refuse true and predicted values, each with its column's name, that have nothing in common.

    Raises:
        InvalidInput: naming the first values of both.
    """
    if set(true[1]).isdisjoint(predicted[1]):
        raise InvalidInput(
            f"{name}: columns {true[0]!r} ({_some(true[1])}) and {predicted[0]!r} ({_some(predicted[1])}) have no "
            f"value in common; write the values of both alike{hint(sorted(true[1]), sorted(predicted[1]))}"
        )


def _some(values: Iterable[str]) -> str:
    """The first few."""
    listed = sorted(values)
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")


def _settled(source: Source, frame: "pl.DataFrame", columns: Sequence[str], alike: Sequence[str]) -> "pl.DataFrame":
    """Counted rows with each value written in one way.

    Raises:
        InvalidInput: if one is written in two, and nobody says that they are the same.
    """
    import polars as pl

    counts = {
        name: dict(frame.group_by(f"c{i}").agg(pl.col("rows").sum()).iter_rows()) for i, name in enumerate(columns)
    }
    if alike and source.reading.same is None:
        require_common(source.name, *((name, set(counts[name])) for name in alike))
    for group in [alike, *([name] for name in columns if name not in alike)]:
        shown = source.settle(group, counts)
        frame = frame.with_columns(pl.col(f"c{columns.index(name)}").replace(shown) for name in group if shown)
    return frame


def texts(
    source: Source, names: Sequence[str], numbers: Sequence[str] = (), *, prose: bool = False
) -> "Iterator[pl.DataFrame]":
    """Batches of rows: the named columns as text in columns c0, c1, ...; `numbers` as floats, too, in f0, f1, ...

    `row` is the number of each, from 1; lines without anything on them have none.

    Args:
        source: of the rows.
        names: of columns of text.
        numbers: of columns of numbers.
        prose: whether the texts are texts, of which none stands for a missing value.

    Raises:
        InvalidInput: as `counted`; where a value is no number the float is null.
    """
    import polars as pl

    every = [*names, *numbers]
    keys = [f"c{i}" for i in range(len(every))]
    words = source.words(texts=prose)
    rows, missing, short = 0, 0, False
    with source.reads():
        lazy = source.lazy(every)
        kinds = lazy.collect_schema()
        text = [as_text(pl.col(key), kinds[key], name, words).alias(key) for key, name in zip(keys, every, strict=True)]
        floats = [
            pl.col(f"c{len(names) + i}").cast(pl.Float64, strict=False).alias(f"f{i}") for i in range(len(numbers))
        ]
        lazy = lazy.select(*text, *floats, "short")
        for batch in lazy.collect_batches(chunk_size=BATCH, engine="streaming", optimizations=_all_columns(source)):
            numbered = batch.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64) + rows + 1)
            lacking = batch.select(pl.any_horizontal(pl.col(key).is_null() for key in keys)).to_series()
            rows, missing, short = rows + len(batch), missing + int(lacking.sum()), short or batch["short"].any()
            if not lacking.all():
                yield numbered.filter(~lacking) if lacking.any() else numbered
    source.check(every, rows=rows, missing=missing, short=short, texts=prose)


def read_columns(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """The named columns of a file as strings, all rows at once.

    Raises:
        InvalidInput: no such file or column (those found are listed), a row without a value (named), no rows.
    """
    frames = list(texts(open_source(path), names, prose=True))
    return {
        name: np.array([value for frame in frames for value in frame[f"c{i}"].to_list()])
        for i, name in enumerate(names)
    }


def _all_columns(source: Source) -> "pl.QueryOptFlags":
    """Parse all columns of a table of text: else rows with too many values would shift them unnoticed."""
    import polars as pl

    return pl.QueryOptFlags(projection_pushdown=source.lines is None)
