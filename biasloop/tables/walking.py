"""Rows of CSV and TSV by Python's own reader, each with its line: for files that are few, odd or wrong."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from biasloop.tables.content import Content
from biasloop.tables.errors import BadTable
from biasloop.tables.layout import CARRIAGE, Layout, large_cells


def walk(content: Content, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Each row's cells, as many as the header has, and the line that it ends on; blank lines are none.

    Raises:
        BadTable: at the first row that is not valid, or has more or fewer cells than the header.
    """
    lines = content.lines()
    for _ in range(layout.lines):
        next(lines, "")
    rows = _quoted(content, layout, lines) if layout.quoting else _plain(layout, lines)
    for line, row in rows:
        if len(row) != len(layout.names):
            raise BadTable(content.name, ragged(len(row), layout), line)
        if any("\r" in cell for cell in row) and not layout.quoting:
            raise BadTable(content.name, CARRIAGE, line)
        yield line, row


def ragged(cells: int, layout: Layout) -> str:
    """What is wrong with a row of so many cells."""
    cure = "put a value that holds the separator in double quotes" if layout.quoting else "a value cannot hold a tab"
    return f"{cells} values in {len(layout.names)} columns; {cure}"


def _plain(layout: Layout, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, layout.lines + 1):
        bare = line.removesuffix("\n").removesuffix("\r")
        if bare:
            yield number, bare.split(layout.separator)


def _quoted(content: Content, layout: Layout, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    last = ""

    def remembered() -> Iterator[str]:
        nonlocal last
        for line in lines:
            last = line
            yield line

    with large_cells():
        reader = csv.reader(remembered(), delimiter=layout.separator, strict=True)
        while True:
            begins = reader.line_num + layout.lines + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise BadTable(content.name, _reason(error, begins), reader.line_num + layout.lines) from error
            if row is None:
                return
            if last.removesuffix("\n").endswith("\r\r"):
                raise BadTable(content.name, CARRIAGE, reader.line_num + layout.lines)
            if row:
                yield reader.line_num + layout.lines, row


def _reason(error: csv.Error, begins: int) -> str:
    text = str(error)
    if "new-line character" in text:
        return CARRIAGE
    if "unexpected end of data" in text:
        text = f"quotes that are never closed, in the row that begins on line {begins:,}"
    elif "expected after" in text:
        text = "text after the quotes of a cell are closed"
    return f"not valid CSV ({text}); a quote within quotes is written twice"
