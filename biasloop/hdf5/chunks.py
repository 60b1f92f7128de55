"""Whether the chunks of a dataset are all there, in the file, and what its shape says."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from biasloop.hdf5.refusing import MOST_CHUNKS, Malformed, Unsafe
from biasloop.lazy import h5py

if TYPE_CHECKING:
    from h5py.h5d import DatasetID, StoreInfo
    from h5py.h5p import PropDCID

GZIP = 1040
"""Most that gzip can pack: 1032 bytes in one (RFC 1951: 258 bytes take two bits), and some room."""
_PIECE = 256 << 10  # bytes of a chunk that HDF5 may unpack at once, to 256 MiB at most
_STEP = 1 << 20


class Count(Protocol):
    """Counts what a file has, and refuses what it cannot have."""

    def stored(self, path: str, size: int, offset: int | None) -> None:
        """Bytes of the file that a dataset claims; `offset` is None where it has none."""

    def unpacked(self, path: str, size: int) -> None:
        """Bytes that unpacking a dataset will give."""


@dataclass(frozen=True)
class Chunks:
    """The chunks of a dataset.

    Attributes:
        path: the dataset.
        item: likewise.
        count: how many chunks its shape makes.
        raw: bytes of an unpacked one.
        gzip: the bit of gzip in a mask of its filters, 0 if it is not packed.
        checksum: bytes of a checksum after each chunk.
    """

    path: str
    item: DatasetID
    count: int
    raw: int
    gzip: int
    checksum: int

    @classmethod
    def of(cls, path: str, item: DatasetID, made: PropDCID, shape: tuple[int, ...], itemsize: int) -> Chunks:
        """The chunks of a dataset, which has to have the filters of biasloop and no chunk larger than itself.

        Raises:
            Unsafe: it has not.
        """
        filters = [made.get_filter(index)[0] for index in range(made.get_nfilters())]
        shuffle, gzip, fletcher = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32
        if filters != [code for code in (shuffle, gzip, fletcher) if code in filters]:
            raise Unsafe(f"{path} has other filters than shuffle, gzip and fletcher32, once each and in this order")
        chunk = made.get_chunk()
        if len(chunk) != len(shape) or any(part > extent for part, extent in zip(chunk, shape, strict=True)):
            raise Unsafe(f"{path} has chunks of {chunk} in a shape of {shape}")
        count = math.prod(-(-extent // part) for part, extent in zip(chunk, shape, strict=True))
        if count > MOST_CHUNKS:
            raise Unsafe(f"{path} has {count:,} chunks, and {MOST_CHUNKS:,} are the most")
        mask = 1 << filters.index(gzip) if gzip in filters else 0
        return cls(path, item, count, math.prod(chunk) * itemsize, mask, 4 if fletcher in filters else 0)

    def look(self, count: Count) -> None:
        """Look at each chunk's place and size, and count them.

        Raises:
            Unsafe: one is missing, lies outside the file, or cannot have the bytes that it claims.
            Malformed: one does not unpack.
        """
        if self.gzip:
            count.unpacked(self.path, self.raw * self.count)
        long: list[tuple[int, ...]] = []
        number, wrong = 0, None

        def take(chunk: StoreInfo) -> bool | None:
            nonlocal number, wrong
            number += 1
            try:
                self._take(chunk, count)
            except Unsafe as error:  # raised below: HDF5 is in between
                wrong = error
                return True
            if self.gzip and not chunk.filter_mask and chunk.size > _PIECE:
                long.append(chunk.chunk_offset)
            return None

        self.item.chunk_iter(take)
        if wrong is not None:
            raise wrong
        if number != self.count:
            raise Unsafe(f"{self.path} has {number:,} of the {self.count:,} chunks that its shape makes")
        for position in long:
            self._unpack_in_steps(position)

    def _take(self, chunk: StoreInfo, count: Count) -> None:
        size = chunk.size - self.checksum
        if chunk.filter_mask not in (0, self.gzip):
            raise Unsafe(f"{self.path} has a chunk without its filters")
        if not self.gzip or chunk.filter_mask:
            if size != self.raw:
                raise Unsafe(f"{self.path} claims chunks of {self.raw:,} bytes where the file has {size:,}")
        elif not size <= self.raw + self.raw // 500 + 64 or self.raw > GZIP * (size + 1):
            raise Unsafe(f"{self.path} claims {self.raw:,} bytes for a chunk that has {size:,} in the file")
        count.stored(self.path, chunk.size, chunk.byte_offset)

    def _unpack_in_steps(self, position: tuple[int, ...]) -> None:
        """HDF5 unpacks a chunk to its end, however far that is; a long one is measured before."""
        _, rest = self.item.read_direct_chunk(position)
        stream, length = zlib.decompressobj(), 0
        while rest and length <= self.raw:
            try:
                length += len(stream.decompress(rest, _STEP))
            except zlib.error as error:
                raise Malformed(f"{self.path} does not unpack: {error}") from error
            rest = stream.unconsumed_tail
        if length != self.raw:
            raise Unsafe(f"{self.path} has a chunk that does not unpack to its {self.raw:,} bytes")
