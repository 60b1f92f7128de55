"""A person's own table of texts: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.data import Column, Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular
from biasloop.tables import BadTable, Table, open_table, require_format, two_ways
from biasloop.tables.missing import WORDS
from biasloop.tables.values import as_text
from biasloop_textclass.config import Columns
from biasloop_textclass.texts import Group, LabelledTexts

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 20  # classes


def check(path: Path) -> None:
    """Refuse a file that cannot be there, without reading it.

    Raises:
        InvalidInput: if there is no such file, or of another kind.
    """
    require_format(path, where=" (domain.path)")
    if not path.exists():
        raise InvalidInput(f"domain.path is {str(path)!r}, and there is no such file in {Path.cwd()}")
    require_regular(path)


def read(path: Path, columns: Columns, classes: Sequence[str] | None) -> LabelledTexts:
    """All rows.

    Args:
        path: of the file.
        columns: which are read; others are ignored.
        classes: names, in the order of labels; None for those in the data, by the alphabet.

    Raises:
        InvalidInput: naming file, column and row of what is wrong.
    """
    texts = [columns.text] if columns.text2 is None else [columns.text, columns.text2]
    names = [*texts, columns.label, *columns.group]
    try:
        table = open_table(path, require_format(path, where=" (domain.path)"))
        table.require(names)
        table.check_cells()
        cells = _cells(table, names, texts, classes)
    except BadTable as error:
        raise InvalidInput(f"{error}; columns are named in domain.columns") from error
    if not len(cells):
        raise InvalidInput(f"{path} has no rows; expected one a text, with the columns {', '.join(names)}")
    _check_filled(table, cells, texts, ())
    _check_filled(table, cells, columns.group, WORDS)
    known, labels = _labels(path, cells[columns.label].to_list(), columns.label, classes)
    groups = {name: _group(path, name, cells[name].to_list()) for name in columns.group}
    first, *second = (Column.text(cells[name].to_list()) for name in texts)
    return LabelledTexts(first, second[0] if second else None, labels, known, groups)


def _cells(table: Table, names: Sequence[str], texts: Sequence[str], classes: Sequence[str] | None) -> pl.DataFrame:
    """The named columns as texts, null where there is nothing; without lines that have nothing on them."""
    import polars as pl

    with table.reading():
        rows = table.lazy(names)
        kinds = rows.collect_schema()
        # A word such as NA is a class where somebody names it as one.
        words = tuple(word for word in WORDS if word not in (classes or ()))
        every = [
            as_text(pl.col(f"c{i}"), kinds[f"c{i}"], name, () if name in texts else words).alias(name)
            for i, name in enumerate(names)
        ]
        cells = rows.select(every).collect()
    blank = cells.select(pl.all_horizontal(pl.all().is_null())).to_series()
    return cells.filter(~blank) if table.blanks == blank.sum() else cells


def _check_filled(table: Table, cells: pl.DataFrame, names: Sequence[str], words: tuple[str, ...]) -> None:
    lacking = {name: cells[name].null_count() for name in names if cells[name].null_count()}
    if lacking:
        where, name = table.first_missing([*lacking], words) or ("a row", next(iter(lacking)))
        count = lacking[name]
        raise InvalidInput(
            f"{table.name}, {where}: nothing in the column {name!r}, as in {count:,} row{'s'[: count > 1]} of it; fill "
            "it, or leave the row out"
        )


def _labels(
    path: Path, values: Sequence[str | None], column: str, classes: Sequence[str] | None
) -> tuple[tuple[str, ...], Ints]:
    """Names of the classes, and `(n,)` the class of each row."""
    given = sorted({value for value in values if value is not None})
    names = tuple(classes or given)
    if classes is None:
        _check_ways(path, column, given, "; or name the classes in domain.classes")
    unknown = sorted(set(given) - set(names))
    if unknown:
        row = values.index(unknown[0]) + 1
        raise InvalidInput(
            f"{path}: the label {unknown[0]!r} in column {column!r} (row {row:,}) is none of domain.classes "
            f"({', '.join(names[:_SHOWN])}); add it there, or correct the row"
        )
    if len(given) < 2:
        only = f"only the label {given[0]!r}" if given else "no label"
        raise InvalidInput(f"{path} has {only} in column {column!r}; a classifier needs texts of two classes or more")
    number = {name: label for label, name in enumerate(names)}
    return names, np.array([-1 if value is None else number[value] for value in values], np.int64)


def _group(path: Path, column: str, values: Sequence[str]) -> Group:
    names = sorted(set(values))
    _check_ways(path, column, names, "")
    number = {name: position for position, name in enumerate(names)}
    return Group(np.array([number[value] for value in values], np.int64), tuple(names))


def _check_ways(path: Path, column: str, values: Sequence[str], otherwise: str) -> None:
    """Refuse a value that is written in two ways, which would be two classes or groups."""
    ways = two_ways(values)
    if ways is not None:
        raise InvalidInput(
            f"{path}: {ways[0]!r} and {ways[1]!r} in column {column!r} look like one value written in two ways; write "
            f"it in one way{otherwise}"
        )
