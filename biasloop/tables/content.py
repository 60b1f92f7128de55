"""The bytes of a text file as UTF-8, whatever they are packed or written in, a block of lines at a time."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from biasloop.system.regular import require_regular
from biasloop.tables.errors import BadTable

STDIN = Path("-")
MOST_IN_MEMORY = 2**29
"""Bytes of what cannot be read where it lies: unpacked files, standard input, UTF-16. A packed bomb ends here."""

BLOCK = 2**20  # bytes
_MARK = codecs.BOM_UTF8
# The mark of UTF-32 begins with that of UTF-16.
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_GZIP = b"\x1f\x8b"
_OTHERS = (
    (b"PK\x03\x04", "an archive or an Excel file; save the sheet as CSV (UTF-8), or unpack it"),
    (b"PAR1", "Parquet; rename it to end in .parquet"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file; save the sheet as CSV (UTF-8)"),
    (b"\x89HDF", "HDF5; write the table as CSV or Parquet"),
)


@dataclass(frozen=True)
class Content:
    """A text file.

    Attributes:
        path: of the file; "-" is standard input.
        data: what it holds, if that is in memory; None: it is read from `path`.
    """

    path: Path
    data: bytes | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return name_of(self.path)

    def stream(self) -> BinaryIO:
        """The bytes behind a mark of UTF-8."""
        stream: BinaryIO = self.path.open("rb") if self.data is None else io.BytesIO(self.data)
        if stream.read(len(_MARK)) != _MARK:
            stream.seek(0)
        return stream

    def source(self) -> str | bytes:
        """What polars reads: an absolute name, which is no address and no home directory, or the bytes."""
        if self.data is not None:
            return self.data
        try:
            name = str(self.path.absolute())
            name.encode()
        except UnicodeEncodeError:
            return self.path.read_bytes()  # polars knows names in UTF-8 only
        return name

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Lines in UTF-8, as many as fill a block, with the number of the first; all but the last end in a newline.

        Raises:
            BadTable: at a byte that is not UTF-8 (line named).
        """
        line, rest = 1, b""
        with self.stream() as stream:
            while more := stream.read(BLOCK):
                end = more.rfind(b"\n") + 1
                if not end:
                    rest += more
                    if len(rest) > MOST_IN_MEMORY:
                        raise BadTable(self.name, f"has more than {MOST_IN_MEMORY:,} bytes; is this a text file?", line)
                    continue
                block, rest = rest + more[:end], more[end:]
                self._check(block, line)
                yield line, block
                line += block.count(b"\n")
        if rest:
            self._check(rest, line)
            yield line, rest

    def lines(self) -> Iterator[str]:
        """Lines with their ends; a carriage return alone ends none.

        Raises:
            BadTable: as `blocks`.
        """
        with self.stream() as stream:
            for number, line in enumerate(iter(lambda: stream.readline(MOST_IN_MEMORY), b""), 1):
                self._check(line, number)
                yield line.decode()

    def _check(self, block: bytes, line: int) -> None:
        if b"\0" in block:
            line += block.count(b"\n", 0, block.index(b"\0"))
            raise BadTable(
                self.name,
                "a NUL byte, which no text has; if this is UTF-16, convert it first: iconv -f utf-16le -t utf-8",
                line,
            )
        if block.isascii():
            return
        try:
            block.decode()
        except UnicodeDecodeError as error:
            line += block.count(b"\n", 0, error.start)
            column = error.start - block.rfind(b"\n", 0, error.start)
            raise BadTable(
                self.name,
                f"byte {column:,} (0x{block[error.start]:02x}) is not UTF-8 text; convert the file first, "
                "for example with: iconv -f latin1 -t utf-8",
                line,
            ) from error


def name_of(path: Path) -> str:
    """What messages call a file."""
    return "standard input" if path == STDIN else str(path)


def open_content(path: Path, *, packed: bool = False) -> Content:
    """A text file, unpacked and decoded where that is needed.

    Args:
        path: of the file; "-" reads standard input.
        packed: whether it has to be gzip; what begins like gzip is unpacked whatever its name.

    Raises:
        BadTable: it is none, is damaged, or too large for memory once it is unpacked.
        OSError: it cannot be read.
    """
    if path == STDIN:
        data: bytes | None = _limited(_stdin(), path, "; write it into a file first")
        assert data is not None
        head = data[:4]
    else:
        require_regular(path)
        data = None
        with path.open("rb") as stream:
            head = stream.read(4)
    if head.startswith(_GZIP):
        data = _unpacked(path, data)
        head = data[:4]
    elif packed:
        raise BadTable(name_of(path), "is not packed by gzip, as its name says; rename it without .gz")
    for start, what in _OTHERS:
        if head.startswith(start):
            raise BadTable(name_of(path), f"is no text but {what}")
    for mark, encoding in _WIDE:
        if head.startswith(mark):
            return Content(path, _decoded(path, data, encoding))
    return Content(path, data)


def raw(path: Path) -> bytes:
    """All bytes of standard input."""
    return _limited(_stdin(), path, "; write it into a file first")


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise BadTable(name_of(STDIN), "is closed; give the name of a file")
    return sys.stdin.buffer


def _limited(stream: io.BufferedIOBase | BinaryIO, path: Path, cure: str) -> bytes:
    data = bytearray()
    while more := stream.read(BLOCK):
        data += more
        if len(data) > MOST_IN_MEMORY:
            raise BadTable(name_of(path), f"holds more than {MOST_IN_MEMORY >> 20} MiB{cure}")
    return bytes(data)


def _unpacked(path: Path, data: bytes | None) -> bytes:
    try:
        with gzip.GzipFile(
            path if data is None else None, "rb", fileobj=None if data is None else io.BytesIO(data)
        ) as (stream):
            return _limited(stream, path, " once it is unpacked; unpack it first: gunzip -k")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadTable(name_of(path), f"is damaged or cut short: gzip says {error}") from error


def _decoded(path: Path, data: bytes | None, encoding: str) -> bytes:
    if data is None:
        with path.open("rb") as stream:
            data = _limited(stream, path, " of UTF-16; convert it first: iconv -f utf-16 -t utf-8")
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise BadTable(name_of(path), f"begins like {encoding.upper()} and is not: {error}") from error
