"""A part of an open file that HDF5 reads and writes as if it were a file of its own."""

from __future__ import annotations

import os


class Window:
    """What follows some byte of an open file, as the file object that h5py takes.

    HDF5 does not let go of a file in the middle: refused a write, it tries again later, at the end of the process at
    the latest. So the first failure is remembered, what HDF5 writes after it is counted only, and `close` raises it.

    Attributes:
        end: bytes that the part has, or would have if every write had succeeded; 0 while nothing was written.
    """

    def __init__(self, handle: int, start: int) -> None:
        """A part of an open file.

        Args:
            handle: descriptor of the file; to be closed by whoever opened it, after this.
            start: the part's first byte.
        """
        self.end = 0
        self._handle: int | None = handle
        self._start = start
        self._at = 0
        self._failure: OSError | None = None

    @property
    def size(self) -> int:
        """Bytes that the part has in the file."""
        return max(0, os.fstat(self._handle).st_size - self._start) if self._handle is not None else self.end

    def close(self) -> None:
        """Take no more bytes.

        Raises:
            OSError: a write failed.
        """
        self._handle = None
        if self._failure is not None:
            raise self._failure

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte, from the beginning or from the end."""
        self._at = offset + (self.size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """The byte that is next."""
        return self._at

    def read(self, size: int) -> bytes:
        """So many bytes.

        Raises:
            OSError: as `readinto`.
        """
        buffer = bytearray(size)
        self.readinto(buffer)
        return bytes(buffer)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill a buffer.

        Raises:
            OSError: the file cannot be read, or ends before.
        """
        view, done = memoryview(buffer), 0
        while done < len(view):
            count = os.preadv(self._handle, [view[done:]], self._start + self._at) if self._handle is not None else 0
            if not count:
                raise OSError("the file ends too soon")
            done, self._at = done + count, self._at + count
        return done

    def write(self, data: bytes | memoryview) -> int:
        """Write bytes; a failure is raised by `close`."""
        view = memoryview(data)
        size, at = len(view), self._at
        self._at += size
        self.end = max(self.end, self._at)
        try:
            while view and self._handle is not None and self._failure is None:
                count = os.pwrite(self._handle, view, self._start + at)
                view, at = view[count:], at + count
        except OSError as error:
            self._failure = error
        return size

    def truncate(self, size: int) -> int:
        """Give the part so many bytes; a failure is raised by `close`."""
        self.end = size
        try:
            if self._handle is not None and self._failure is None:
                os.ftruncate(self._handle, self._start + size)
        except OSError as error:
            self._failure = error
        return size

    def flush(self) -> None:
        """Nothing: no byte waits here."""
