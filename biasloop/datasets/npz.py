"""Arrays in `.npz` files, larger than memory perhaps: their kind is known and rows are read without all the rest.

An `.npz` is a zip archive of `.npy` members, stored as they are (`numpy.savez`) or deflated. Of a stored one the bytes
that are wanted are read where they lie, with no copy of the file mapped into memory; a deflated one is a stream.
"""

from __future__ import annotations

import io
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from biasloop.datasets.streaming import Unreadable, spans
from biasloop.system.regular import require_regular

if TYPE_CHECKING:
    from biasloop.contract.data import Array, Ints
    from biasloop.datasets.images import Pixels

_LOCAL_HEADER = 30  # bytes before the name; APPNOTE.TXT 4.3.7
_CHECKED = 1 << 20  # bytes at a time
_HEADER = 10_000  # bytes of an array's header, which is Python's notation of a shape and a type; NumPy reads no more
_RATIO = 1032  # how much smaller deflate can make anything
_MOST_MEMBERS = 10_000
_MOST_DIMENSIONS = 32


_SHOWN = 200  # characters of what a library says
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, LookupError, NotImplementedError, ValueError, RuntimeError, TypeError,
    OverflowError, MemoryError, SyntaxError, AttributeError, struct.error, tokenize.TokenError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """An array in a file, not read yet (`biasloop.datasets.streaming.Blocks`).

    Attributes:
        path: the file.
        name: of the array.
        shape: all dimensions.
        dtype: no objects.
        header: bytes of the member before the first value.
        offset: where the first value lies in the file; None if the member is deflated.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    header: int
    offset: int | None

    def read(self) -> Array:
        """The whole array."""
        with _told():
            array = np.empty(self.shape, self.dtype)
        if array.nbytes:
            with self._opened() as stream:
                self._into(stream, array)
        return array

    def blocks(self, wanted: Ints) -> Iterator[tuple[int, Pixels]]:
        """Blocks of rows, as `streaming.Blocks` has it."""
        row = self.dtype.itemsize * prod(self.shape[1:])
        size = max((stop - start for start, stop in spans(self.shape[0], row, wanted)), default=0)
        buffer = np.empty((size, *self.shape[1:]), self.dtype)
        with self._opened() as stream:
            at = 0
            for start, stop in spans(self.shape[0], row, wanted):
                _skip(stream, (start - at) * row, seekable=self.offset is not None)
                block, at = buffer[: stop - start], stop
                self._into(stream, block)
                yield start, block

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """A stream that is at the first value."""
        with _told():
            if self.offset is not None:
                with self.path.open("rb", buffering=0) as raw:
                    raw.seek(self.offset)
                    yield raw
                return
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.name}.npy") as stream:
                stream.read(self.header)
                yield stream

    def _into(self, stream: IO[bytes], array: Array) -> None:
        left = memoryview(array.reshape(-1).view(np.uint8).data)
        while left:
            count = stream.readinto(left)  # type: ignore[attr-defined]
            if not count:
                raise Unreadable(f"its array {self.name!r} ends early")
            left = left[count:]


def members(path: Path) -> dict[str, Member]:
    """The arrays in a file, by name; reads only their headers.

    Raises:
        Unreadable: if it is no `.npz` file, or a member is damaged, encrypted, there twice or has Python objects.
        InvalidInput: if it is a pipe or a device.
        OSError: if it cannot be read.
    """
    require_regular(path)
    arrays: dict[str, Member] = {}
    with _told(), path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
        if len(archive.infolist()) > _MOST_MEMBERS:
            raise Unreadable(f"it has {len(archive.infolist()):,} arrays, and {_MOST_MEMBERS:,} are the most")
        for info in archive.infolist():
            if info.filename.endswith(".npy") and not info.is_dir():
                name = info.filename.removesuffix(".npy")
                if name in arrays:
                    raise Unreadable(f"it has two arrays that are called {name!r}")
                arrays[name] = _member(path, raw, archive, info, name)
    return arrays


def crc_errors(path: Path) -> str | None:
    """Why the archive's own checksums (CRC-32 of each member) do not hold, or None; reads the whole file."""
    try:
        with _told(), zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as stream:
                    while stream.read(_CHECKED):
                        pass
    except Unreadable as error:
        return str(error)
    return None


def _member(path: Path, raw: IO[bytes], archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Member:
    _check_size(raw, info, name)
    with archive.open(info) as stream:
        head = _head(stream, name)
    shape, fortran, dtype = _described(head, name)
    header = len(head)
    if dtype.hasobject:
        raise Unreadable(f"its array {name!r} has Python objects, which are never read; save plain numbers")
    if fortran and len(shape) > 1:
        raise Unreadable(f"its array {name!r} is in Fortran order; save numpy.ascontiguousarray of it")
    if info.file_size != header + dtype.itemsize * prod(shape):
        raise Unreadable(f"its array {name!r} has {info.file_size - header:,} bytes, which is not {dtype} {shape}")
    stored = info.compress_type == zipfile.ZIP_STORED
    return Member(path, name, shape, dtype, header, _start(raw, info) + header if stored else None)


def _check_size(raw: IO[bytes], info: zipfile.ZipInfo, name: str) -> None:
    """Refuse a member that claims more bytes than it can have: they would be made room for.

    Raises:
        Unreadable: naming it.
    """
    if info.flag_bits & 1:
        raise Unreadable(f"its array {name!r} is encrypted; save it without a password")
    most = {zipfile.ZIP_STORED: info.compress_size, zipfile.ZIP_DEFLATED: _RATIO * (info.compress_size + 1)}
    if info.compress_type not in most:
        raise Unreadable(f"its array {name!r} is compressed as NumPy does not; save it with numpy.savez_compressed")
    there = raw.seek(0, io.SEEK_END)
    if info.compress_size > there or info.file_size > most[info.compress_type]:
        raise Unreadable(
            f"its array {name!r} claims {info.file_size:,} bytes of {info.compress_size:,} in a file of {there:,}"
        )


def _head(stream: IO[bytes], name: str) -> bytes:
    """What stands before the first value (numpy.lib.format): how long it is says itself, and is not believed."""
    head = stream.read(8)
    major, _ = npy.read_magic(io.BytesIO(head))
    if major not in {1, 2}:
        raise Unreadable(f"its array {name!r} has format {major}, expected 1 or 2")
    size = stream.read(2 * major)
    length = int.from_bytes(size, "little")
    if length > _HEADER:
        raise Unreadable(f"its array {name!r} has a header of {length:,} bytes, and {_HEADER:,} are the most")
    return head + size + stream.read(length)


def _described(head: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and type."""
    read = npy.read_array_header_1_0 if head[6] == 1 else npy.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of notations that earlier versions wrote
        shape, fortran, dtype = read(io.BytesIO(head[8:]))
    if len(shape) > _MOST_DIMENSIONS or any(not 0 <= length < 1 << 62 for length in shape):
        shown = f"{shape[:5]}"[:100]
        raise Unreadable(f"its array {name!r} has the shape {shown}, expected up to {_MOST_DIMENSIONS} whole numbers")
    return shape, fortran, dtype


def _start(raw: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where a member's content begins: its local header has name and extra field in lengths of its own."""
    raw.seek(info.header_offset)
    local = raw.read(_LOCAL_HEADER)
    start = info.header_offset + _LOCAL_HEADER + int.from_bytes(local[26:28], "little")
    return start + int.from_bytes(local[28:30], "little")


def _skip(stream: IO[bytes], count: int, *, seekable: bool) -> None:
    if seekable:
        stream.seek(count, 1)
        return
    while count > 0:
        count -= len(stream.read(min(count, _CHECKED))) or count


@contextmanager
def _told() -> Iterator[None]:
    """All that a damaged archive makes the libraries raise, as one kind of error."""
    try:
        yield
    except _DAMAGED as error:
        said = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
        raise Unreadable(f"it does not read ({said})") from error
