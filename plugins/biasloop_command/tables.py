"""Tables in files: CSV, TSV, Parquet and JSON lines. Polars is imported when a file is read or written."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    import polars as pl

FORMATS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl"}
_SEPARATORS = {"csv": ",", "tsv": "\t"}


class BadTable(InvalidInput):
    """A file is not the table that was expected; the message has no file in it, its reader adds that."""


def read(path: Path, form: str, texts: Sequence[str] | None = None) -> pl.DataFrame:
    """A table with at least one row.

    Args:
        path: the file.
        form: "csv", "tsv", "parquet" or "jsonl".
        texts: columns of CSV and TSV whose cells stay as they are written; the types of others follow from all of
            their cells. None: all stay as they are.

    Raises:
        BadTable: if it does not read as such a table, has a column twice, or no rows.
    """
    import polars as pl

    try:
        table = _read(path, form, texts)
    except OSError as error:
        raise BadTable(f"cannot be read ({error.strerror or error})") from error
    except (pl.exceptions.PolarsError, csv.Error, UnicodeDecodeError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadTable(f"does not read as {form.upper()} with a header ({reason})") from error
    if not len(table):
        raise BadTable("has no rows")
    return table


def _read(path: Path, form: str, texts: Sequence[str] | None) -> pl.DataFrame:
    import polars as pl

    if form == "parquet":
        return pl.read_parquet(path)
    if form == "jsonl":
        return pl.read_ndjson(path, infer_schema_length=None)
    header = _header(path, _SEPARATORS[form])
    double = [name for name in header if header.count(name) > 1]
    if double:
        raise BadTable(f"has two columns {double[0]!r}")
    table = pl.read_csv(
        path,
        separator=_SEPARATORS[form],
        infer_schema=texts is not None,
        infer_schema_length=None,
        schema_overrides={name: pl.String for name in header if name in (texts or ())},
    )
    # A blank line is no row.
    return table.filter(~pl.all_horizontal(pl.all().is_null())) if len(header) > 1 else table


def _header(path: Path, separator: str) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return next(csv.reader(lines, delimiter=separator), [])


def write(table: pl.DataFrame, path: Path, form: str) -> None:
    """A table as "csv", "parquet" or "jsonl"; the same table gives the same bytes."""
    if form == "csv":
        table.write_csv(path)
    elif form == "jsonl":
        table.write_ndjson(path)
    else:
        table.write_parquet(path)


def column(table: pl.DataFrame, name: str) -> pl.Series:
    """A column.

    Raises:
        BadTable: naming the columns that there are.
    """
    if name not in table.columns:
        raise BadTable(f"has no column {name!r} (found: {', '.join(table.columns)})")
    return table[name]


def texts(table: pl.DataFrame, name: str) -> list[str | None]:
    """The values of a column as text; None where there is nothing.

    Raises:
        BadTable: if there is no such column, or it holds lists or the like.
    """
    import polars as pl

    values = column(table, name)
    if values.dtype.is_nested() or values.dtype == pl.Binary:
        raise BadTable(f"has values of type {values.dtype} in column {name!r}, expected text or numbers")
    if values.dtype.is_float():
        values = values.fill_nan(None)
    return [None if value == "" else value for value in values.cast(pl.String).to_list()]
