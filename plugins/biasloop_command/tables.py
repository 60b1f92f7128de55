"""Tables in files, read by the rules of `biasloop.tables`. Polars is imported when a file is read or written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop import tables
from biasloop.errors import InvalidInput
from biasloop.tables.missing import WORDS
from biasloop.tables.typed import typed
from biasloop.tables.values import as_text

if TYPE_CHECKING:
    import polars as pl


class BadTable(InvalidInput):
    """A file is not the table that was expected; the message has no file in it, its reader adds that."""


def read(path: Path, form: tables.Format, cells: Sequence[str] | None = None) -> pl.DataFrame:
    """A table with at least one row.

    Args:
        path: the file.
        form: its format.
        cells: columns of CSV and TSV whose cells stay as they are written, and of JSON that are read as texts; the
            types of others follow from all of their cells. None: all cells of CSV and TSV stay as they are.

    Raises:
        BadTable: if it does not read as such a table (line named), has a column twice, or no rows.
    """
    try:
        opened = tables.open_table(path, form)
        _check_names(opened)
        table = typed(opened, cells)
    except tables.BadTable as error:
        header = " with a header" if form.separated else ""
        raise BadTable(f"does not read as {form.kind.upper()}{header} ({error.what})") from error
    if not len(table):
        raise BadTable("has no rows")
    return table


def _check_names(opened: tables.Table) -> None:
    if opened.layout is None:
        return
    names = opened.layout.names
    if not names:
        raise BadTable(f"does not read as {opened.format.kind.upper()} with a header (it is empty)")
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise BadTable(f"has two columns {double[0]!r}")


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


def texts(table: pl.DataFrame, name: str, words: Sequence[str] = WORDS) -> list[str | None]:
    """The values of a column as text, as `evaluate` compares them; None where there is nothing, or one of the words.

    Raises:
        BadTable: if there is no such column, or it holds lists or the like.
    """
    import polars as pl

    values = column(table, name)
    try:
        text = as_text(pl.col(name), values.dtype, name, tuple(words))
    except InvalidInput as error:
        raise BadTable(f"has values of type {values.dtype} in column {name!r}, expected text or numbers") from error
    return values.to_frame().select(text.alias("")).to_series().to_list()
