"""Whether a CSV or TSV file is written so that polars reads it rightly, and how many rows it has.

Polars is fast and trusting: what a quote that stands where none may stand does to the rows after it, it does not say.
So the quotes of a file are looked at by themselves, all at once in NumPy. Where every one of them opens or closes a
cell, or is doubled within one (RFC 4180), the file goes to polars, whose rows are counted; where not, to Python's
reader, which is slow and names the line of what is wrong.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.lazy import numpy as np
from biasloop.tables.errors import BadTable
from biasloop.tables.layout import CARRIAGE, Layout

if TYPE_CHECKING:
    import numpy.typing as npt

    from biasloop.contract.data import Bools, Ints
    from biasloop.tables.content import Content

    Codes = npt.NDArray[np.uint8]

_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


@dataclass
class Shape:
    """What is known of the rows of a file.

    Attributes:
        lines: rows, and lines without anything on them among them.
        blanks: such lines.
        strict: whether every quote stands where RFC 4180 lets it.
        ragged: the last line of the first row that has more or fewer cells than the header, and its cells; None if
            there is none or it was not asked for.
    """

    lines: int = 0
    blanks: int = 0
    strict: bool = True
    ragged: tuple[int, int] | None = None

    @property
    def rows(self) -> int:
        """Without blank lines."""
        return self.lines - self.blanks


def shape_of(content: Content, layout: Layout, *, cells: bool = False) -> Shape:
    """Look at all of a file; `cells`: count the cells of each row, too, which takes longer.

    Raises:
        BadTable: a byte that is not UTF-8, a NUL, or a carriage return alone outside of quotes (line named).
    """
    shape, walk = Shape(), _Walk(layout, cells=cells)
    for line, block in content.blocks():
        header = max(layout.lines - line + 1, 0)
        rows = _behind(block, header) if header else block
        # Polars would take a mark at the start of the rows for that of the file.
        shape.strict = shape.strict and not (header and rows.startswith(codecs.BOM_UTF8))
        if rows and shape.strict:
            walk.read(shape, content.name, line + header, rows if rows.endswith(b"\n") else rows + b"\n")
    shape.strict = shape.strict and not walk.inside
    return shape


def _behind(block: bytes, lines: int) -> bytes:
    """What follows some lines."""
    at = 0
    for _ in range(lines):
        at = block.find(b"\n", at) + 1
        if not at:
            return b""
    return block[at:]


class _Walk:
    """Goes from block to block; each ends in a newline, which may be within quotes."""

    def __init__(self, layout: Layout, *, cells: bool) -> None:
        self.inside = False
        self._separator = ord(layout.separator)
        self._quoting = layout.quoting
        self._columns = len(layout.names)
        self._cells = cells
        self._before = 0  # separators of a row that began in an earlier block

    def read(self, shape: Shape, name: str, line: int, block: bytes) -> None:
        quoted = self._quoting and (self.inside or b'"' in block)
        returns = block.count(b"\r") != block.count(b"\r\n")
        if not (quoted or returns or self._cells or _has_blanks(block)):
            shape.lines += block.count(b"\n")
            return
        codes = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(codes == _QUOTE) if quoted else np.zeros(0, np.int64)
        if not self._valid(codes, quotes):
            shape.strict = False
            return
        if returns:
            alone = np.flatnonzero((codes[:-1] == _RETURN) & (codes[1:] != _NEWLINE))
            alone = alone[self._outside(quotes, alone)]
            if len(alone):
                raise BadTable(name, CARRIAGE, line + block.count(b"\n", 0, int(alone[0])))
        ends = np.flatnonzero(codes == _NEWLINE)
        ends = ends[self._outside(quotes, ends)]
        blank = self._blank(codes, ends)
        if self._cells:
            self._count(shape, codes, quotes, ends, blank, line)
        shape.lines += len(ends)
        shape.blanks += int(blank.sum())
        self.inside ^= bool(len(quotes) % 2)

    def _valid(self, codes: Codes, quotes: Ints) -> bool:
        """Whether each quote opens a cell, closes one, or is one of two within."""
        opening, closing = quotes[int(self.inside) :: 2], quotes[1 - int(self.inside) :: 2]
        before = np.where(opening > 0, codes[opening - 1], _NEWLINE)
        after = codes[closing + 1]  # the last of a block is a newline
        returns = (after == _RETURN) & (codes[np.minimum(closing + 2, len(codes) - 1)] == _NEWLINE)
        return bool(np.isin(before, (self._separator, _NEWLINE, _QUOTE)).all()) and bool(
            (np.isin(after, (self._separator, _NEWLINE, _QUOTE)) | returns).all()
        )

    def _outside(self, quotes: Ints, at: Ints) -> Bools:
        """Of ascending positions, whether each is outside of quotes."""
        return np.asarray((np.searchsorted(quotes, at) + self.inside) % 2 == 0, np.bool_)

    def _blank(self, codes: Codes, ends: Ints) -> Bools:
        """Of the ends of rows, whether nothing stands before them."""
        sizes = np.diff(ends, prepend=-1) - 1
        blank = (sizes == 0) | ((sizes == 1) & (codes[ends - 1] == _RETURN))
        if self.inside and len(blank):
            blank[0] = False  # it began in an earlier block
        return np.asarray(blank, np.bool_)

    def _count(self, shape: Shape, codes: Codes, quotes: Ints, ends: Ints, blank: Bools, line: int) -> None:
        separators = np.flatnonzero(codes == self._separator)
        separators = separators[self._outside(quotes, separators)]
        until = np.searchsorted(separators, ends)
        counts = np.diff(until, prepend=0)
        if len(counts):
            counts[0] += self._before
            self._before = 0
        self._before += len(separators) - (int(until[-1]) if len(until) else 0)
        wrong = np.flatnonzero((counts != self._columns - 1) & ~blank)
        if len(wrong) and shape.ragged is None:
            at = int(ends[wrong[0]])
            shape.ragged = line + int(np.count_nonzero(codes[:at] == _NEWLINE)), int(counts[wrong[0]]) + 1


def _has_blanks(block: bytes) -> bool:
    return block.startswith((b"\n", b"\r\n")) or b"\n\n" in block or b"\n\r\n" in block
