"""Arrays in `.npz` files, larger than memory perhaps: their kind is known and rows are read without all the rest.

An `.npz` is a zip archive of `.npy` members, stored as they are (`numpy.savez`) or deflated. Of a stored one the bytes
that are wanted are read where they lie, with no copy of the file mapped into memory; a deflated one is a stream.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from biasloop.data import Array, Ints
    from biasloop.datasets.images import Pixels

_LOCAL_HEADER = 30  # bytes before the name; APPNOTE.TXT 4.3.7
_CHECKED = 1 << 20  # bytes at a time


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
        array = np.empty(self.shape, self.dtype)
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
        Unreadable: if it is no `.npz` file, or a member is damaged, encrypted or has Python objects.
        OSError: if it cannot be read.
    """
    found = {}
    with _told(), path.open("rb") as raw, zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".npy") and not info.is_dir():
                name = info.filename.removesuffix(".npy")
                found[name] = _member(path, raw, archive, info, name)
    return found


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
    with archive.open(info) as stream:
        major, _ = npy.read_magic(stream)
        if major not in {1, 2}:
            raise Unreadable(f"its array {name!r} has format {major}, expected 1 or 2")
        read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        header = stream.tell()
    if dtype.hasobject:
        raise Unreadable(f"its array {name!r} has Python objects, which are never read; save plain numbers")
    if fortran and len(shape) > 1:
        raise Unreadable(f"its array {name!r} is in Fortran order; save numpy.ascontiguousarray of it")
    if info.file_size != header + dtype.itemsize * prod(shape):
        raise Unreadable(f"its array {name!r} has {info.file_size - header:,} bytes, which is not {dtype} {shape}")
    stored = info.compress_type == zipfile.ZIP_STORED
    return Member(path, name, shape, dtype, header, _start(raw, info) + header if stored else None)


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
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, ValueError, RuntimeError) as error:
        raise Unreadable(f"it does not read ({' '.join(str(error).split()) or type(error).__name__})") from error
