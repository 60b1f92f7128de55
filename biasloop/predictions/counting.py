"""Rows counted by the values of some columns, and rows in batches; a file larger than memory streams."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biasloop.data import Array, Ints
from biasloop.errors import InvalidInput
from biasloop.predictions.source import Source, open_source
from biasloop.predictions.values import as_text

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
        places = []
        for name, values in axes:
            at = {value: place for place, value in enumerate(values)}
            places.append(np.array([at.get(value, -1) for value in self.columns[name]], np.int64))
        known = np.all([place >= 0 for place in places], axis=0)
        table = np.zeros(shape, np.int64)
        np.add.at(table, tuple(place[known] for place in places), self.rows[known])
        return table


def counted(source: Source, names: Sequence[str]) -> Counts:
    """Rows by the values of the named columns.

    Raises:
        InvalidInput: no such column (those found are listed), a row without a value (named), a bad file, no rows.
    """
    import polars as pl

    columns = list(dict.fromkeys(names))
    source.require(columns)
    kinds = source.lazy.collect_schema()
    short = pl.col(kinds.names()[-1]).is_null() if source.tabular else pl.lit(value=False)
    lazy = source.lazy.select(*(pl.col(name).alias(f"c{i}") for i, name in enumerate(columns)), short=short)
    keys = [f"c{i}" for i in range(len(columns))]
    with source.reading(columns):
        # Grouped as they are and written as text afterwards: few values instead of all rows.
        grouped = lazy.group_by(keys).agg(rows=pl.len(), short=pl.col("short").sum())
        raw = grouped.collect(engine="streaming", optimizations=_whole_rows(source))
        text = [as_text(pl.col(key), kinds[name], name).alias(key) for key, name in zip(keys, columns, strict=True)]
        frame = raw.select(*text, "rows", "short").group_by(keys).sum().sort(keys, nulls_last=True)
    frame = _checked(source, frame, keys, columns, ragged=bool(frame["short"].sum()))
    if not len(frame):
        raise InvalidInput(f"{source.path} has no rows")
    found = {name: frame[key].to_list() for key, name in zip(keys, columns, strict=True)}
    return Counts(source.path, found, frame["rows"].to_numpy().astype(np.int64))


def texts(source: Source, names: Sequence[str], numbers: Sequence[str] = ()) -> "Iterator[pl.DataFrame]":
    """Batches of rows: the named columns as text in columns c0, c1, ...; `numbers` as floats, too, in f0, f1, ...

    Raises:
        InvalidInput: as `counted`; where a value is no number the float is null.
    """
    import polars as pl

    source.require([*names, *numbers])
    kinds = source.lazy.collect_schema()
    every = [*names, *numbers]
    keys = [f"c{i}" for i in range(len(every))]
    short = pl.col(kinds.names()[-1]).is_null() if source.tabular else pl.lit(value=False)
    text = [as_text(pl.col(name), kinds[name], name).alias(key) for key, name in zip(keys, every, strict=True)]
    floats = [pl.col(name).cast(pl.Float64, strict=False).alias(f"f{i}") for i, name in enumerate(numbers)]
    found = 0
    with source.reading(every):
        lazy = source.lazy.select(*text, *floats, short=short)
        for batch in lazy.collect_batches(chunk_size=BATCH, engine="streaming", optimizations=_whole_rows(source)):
            frame = _checked(source, batch, keys, every, ragged=bool(batch["short"].any()))
            found += len(frame)
            yield frame
    if not found:
        raise InvalidInput(f"{source.path} has no rows")


def read_columns(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """The named columns of a file as strings, all rows at once.

    Raises:
        InvalidInput: no such file or column (those found are listed), a row without a value (named), no rows.
    """
    frames = list(texts(open_source(path), names))
    return {
        name: np.array([value for frame in frames for value in frame[f"c{i}"].to_list()])
        for i, name in enumerate(names)
    }


def _whole_rows(source: Source) -> "pl.QueryOptFlags":
    """Parse all columns of a table of text: else rows with too many values would shift them unnoticed."""
    import polars as pl

    return pl.QueryOptFlags(projection_pushdown=not source.tabular)


def _checked(
    source: Source, frame: "pl.DataFrame", keys: Sequence[str], names: Sequence[str], *, ragged: bool
) -> "pl.DataFrame":
    """The rows, without those of blank lines; a row without a value is refused."""
    import polars as pl

    missing = any(frame[key].null_count() for key in keys)
    if ragged or missing:
        source.refuse_missing(names)
    return frame.filter(~pl.all_horizontal(pl.col(key).is_null() for key in keys)) if missing else frame
