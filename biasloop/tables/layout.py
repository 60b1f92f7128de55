"""How a CSV or TSV file is laid out: what separates its cells, what its columns are called, where its rows begin.

CSV is quoted as RFC 4180 says, with a comma or, where the header has no comma, a semicolon; a first line `sep=;`, as
spreadsheets write it, says so as well. TSV has no quoting: a `"` is a character. Blank lines before the header are
passed over.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from biasloop.tables.content import Content
from biasloop.tables.errors import BadTable

_SEP = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
LARGEST_CELL = 2**30
CARRIAGE = "a carriage return alone ends a line; convert the file first: tr '\\r' '\\n'"


@dataclass(frozen=True)
class Layout:
    """Of a CSV or TSV file.

    Attributes:
        separator: one character.
        quoting: whether cells may be in double quotes.
        names: of the columns, as written; none of an empty file.
        before: lines before the header.
        lines: lines before the first row, those of the header among them.
    """

    separator: str
    quoting: bool
    names: tuple[str, ...]
    before: int
    lines: int


def layout_of(content: Content, *, tabs: bool) -> Layout:
    """What the first lines say.

    Raises:
        BadTable: the header is not a valid row.
    """
    separator, before = "", 0
    lines = content.lines()
    for line in lines:
        said = None if tabs or separator else _SEP.fullmatch(line)
        if said:
            separator = said[1]
        elif line.strip("\r\n"):
            break
        before += 1
    else:
        return Layout("\t" if tabs else separator or ",", not tabs, (), before, before)
    bare = line.removesuffix("\n").removesuffix("\r")
    if "\r" in _outside(bare):
        raise BadTable(content.name, CARRIAGE, before + 1)
    if tabs:
        return Layout("\t", quoting=False, names=tuple(bare.split("\t")), before=before, lines=before + 1)
    separator = separator or _guessed(line)
    names, taken = _header(content, separator, chain([line], lines), before)
    return Layout(separator, quoting=True, names=names, before=before, lines=before + taken)


def _outside(text: str) -> str:
    """What is not in quotes."""
    return re.sub(r'"[^"]*"', "", text)


def _guessed(header: str) -> str:
    """A comma, unless the header has none outside of quotes and has semicolons."""
    bare = _outside(header)
    return ";" if "," not in bare and ";" in bare else ","


def _header(content: Content, separator: str, lines: Iterator[str], before: int) -> tuple[tuple[str, ...], int]:
    """Names, and how many lines they take."""
    with large_cells():
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            return tuple(next(reader)), reader.line_num
        except csv.Error as error:
            raise BadTable(content.name, f"the header is not valid CSV ({error})", before + 1) from error


@contextmanager
def large_cells() -> Iterator[None]:
    """Lift the limit of a cell's size, which is one for the whole process, while a file is read."""
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(limit)
