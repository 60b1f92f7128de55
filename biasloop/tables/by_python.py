"""Columns of texts from rows that Python has read: those of JSON, and of CSV with quotes where polars expects none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from biasloop.tables import json_rows
from biasloop.tables.errors import BadTable
from biasloop.tables.values import as_text

if TYPE_CHECKING:
    import polars as pl

Batch = tuple[Sequence[int], Sequence[Mapping[str, Any]]]
"""Lines, and the row on each."""

_MOST = 50_000  # rows of a batch


def in_batches(rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Batch]:
    """Rows with their lines, many at a time."""
    lines: list[int] = []
    batch: list[Mapping[str, Any]] = []
    for line, row in rows:
        lines.append(line)
        batch.append(row)
        if len(batch) == _MOST:
            yield lines, batch
            lines, batch = [], []
    yield lines, batch


def as_columns(name: str, batches: Iterable[Batch], keys: Mapping[str, str]) -> tuple[dict[str, pl.Series], list[str]]:
    """Columns of texts, and the keys of all rows in the order in which they come.

    Args:
        name: of the file.
        batches: of rows.
        keys: for each column the key of its values, or the path of keys to them with dots between.

    Raises:
        BadTable: a value is a list or an object, or no text (line named).
    """
    import polars as pl

    parts: dict[str, list[pl.Series]] = {column: [pl.Series([], dtype=pl.String)] for column in keys}
    present: dict[str, None] = {}
    for lines, rows in batches:
        if set().union(*rows) - present.keys():
            present |= dict.fromkeys(key for row in rows for key in row)
        for column, key in keys.items():
            # A key is looked up much faster than a path of keys.
            plain = "." not in key or all(key in row for row in rows)
            values = [row.get(key) if plain else json_rows.value_at(row, key) for row in rows]
            try:
                parts[column].append(_as_series(values))
            except (TypeError, UnicodeEncodeError):
                for line, value in zip(lines, values, strict=True):
                    _check(name, column, line, value)
                raise
    return {column: pl.concat(pieces) for column, pieces in parts.items()}, list(present)


def _as_series(values: Sequence[Any]) -> pl.Series:
    """Values as texts; those of one kind at once."""
    import polars as pl

    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int} and max(map(abs, filter(None, values)), default=0) < 2**63:
        return pl.Series(values, dtype=pl.Int64).cast(pl.String)
    if kinds == {float}:
        numbers = pl.Series("", values, dtype=pl.Float64)
        return numbers.to_frame().select(as_text(pl.col(""), numbers.dtype, "", ())).to_series()
    texts = values if kinds <= {str} else [json_rows.text_of(value) for value in values]
    return pl.Series(texts, dtype=pl.String)


def _check(name: str, column: str, line: int, value: Any) -> None:
    try:
        (json_rows.text_of(value) or "").encode()
    except TypeError as error:
        within = next(iter(value), None) if isinstance(value, dict) else None
        cure = "" if within is None else f"; name a value within it, as {column}.{within}"
        raise BadTable(name, f"column {column!r} holds {error}, expected a number or text{cure}", line) from error
    except UnicodeEncodeError as error:
        raise BadTable(name, f"column {column!r} holds half of a surrogate pair, no text", line) from error
