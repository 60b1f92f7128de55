"""Image files in a tar archive, read where they lie: nothing is unpacked."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path

from biasloop.datasets.decoding import SUFFIXES
from biasloop.datasets.streaming import Unreadable
from biasloop.downloads.tarheads import bounded
from biasloop.errors import DownloadError

_LARGEST = 1 << 24  # bytes of an image file, generously
_DAMAGED = (tarfile.TarError, EOFError, OSError, zlib.error, LZMAError, ValueError, OverflowError)


def why_damaged(archive: Path) -> str | None:
    """Why a file is not a whole tar with images, or None; reads the heads of all members."""
    try:
        return None if names(archive) else "it holds no image files"
    except Unreadable as error:
        return str(error)


def names(archive: Path) -> list[str]:
    """Names of the image files in an archive, without folders, in its order; reads heads alone, if it is plain.

    Raises:
        Unreadable: it is damaged, or is cut off.
    """
    with _opened(archive) as tar:
        return [Path(member.name).name for member in _image_files(tar)]


def contents(archive: Path, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of image files, in the order of the archive; one is in memory at a time.

    Args:
        archive: plain, or compressed in a way that tar knows.
        wanted: names; others are passed over.

    Raises:
        Unreadable: it is damaged.
    """
    with _opened(archive) as tar:
        for member in _image_files(tar):
            name = Path(member.name).name
            if name in wanted:
                stream = tar.extractfile(member)
                assert stream is not None
                yield name, stream.read()


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, tarinfo=bounded(archive)) as tar:
            yield tar
    except DownloadError as error:  # of a head that nothing published has
        raise Unreadable(str(error)) from error
    except _DAMAGED as error:
        raise Unreadable(f"it is no whole tar archive ({' '.join(str(error).split())})") from error


def _image_files(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined] # else it keeps the heads of all
        if member.isreg() and member.name.lower().endswith(SUFFIXES) and not Path(member.name).name.startswith("."):
            if member.size > _LARGEST:
                raise Unreadable(f"its member {member.name!r} has {member.size:,} bytes")
            yield member
    # An archive ends with blocks of zeros; tarfile also takes one that was cut off between two members.
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise Unreadable("it is cut off: it lacks the end of a tar archive")
