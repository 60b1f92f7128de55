"""Files that appear whole or not at all.

Every write of a store goes through `replacing`: a new file in the same directory under a name that nobody can
know before, write, flush to disk, rename, flush the directory. A process killed at any instant leaves the old file, or
the new one, never a part.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from biasloop.errors import StoreError
from biasloop.system.claims import Claim
from biasloop.system.new_files import beside

TEMPORARY = ".tmp-"


GOES_ON = "everything committed before is intact, and the same command goes on from there"
"""What there is after a file of a run, or of a directory that is made bit by bit, could not be written."""


def write_output(path: Path, data: bytes) -> None:
    """Replace or create a file that stands alone: what a command was asked to write.

    Raises:
        StoreError: as `replacing`.
    """
    with replacing(path, left="choose another place, or free some") as new:
        new.size = len(data)
        write_all(new.handle, data)


def write_atomically(path: Path, data: bytes, *, flush: bool = True, claim: Claim | None = None) -> None:
    """Replace or create a file.

    Args:
        path: the file.
        data: its content.
        flush: also flush the directory; False where a later write of the same commit does.
        claim: as `replacing`.

    Raises:
        StoreError, Lost: as `replacing`.
    """
    with replacing(path, flush=flush, claim=claim) as new:
        new.size = len(data)
        write_all(new.handle, data)


@dataclass
class NewFile:
    """A file that is being written.

    Attributes:
        handle: its descriptor, to read too.
        size: bytes that it will have; told if it could not be written.
    """

    handle: int
    size: int = 0


@contextmanager
def replacing(path: Path, *, flush: bool = True, claim: Claim | None = None, left: str = GOES_ON) -> Iterator[NewFile]:
    """A new file, which takes the place of another once all that is done inside has succeeded.

    Args:
        path: the place.
        flush: as `write_atomically`.
        claim: under which it is written, in the claim's directory first; None where nobody else writes it, or all
            write the same.
        left: what an error says at its end: what there is, or what to do.

    Raises:
        StoreError: the file could not be written (disk full, refused, ...); what was there before is untouched.
        Lost: another process has taken the claim over; likewise.
    """
    temporary, new = beside(claim.directory / path.name if claim else path, TEMPORARY), NewFile(-1)
    try:
        new.handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            yield new
            os.fsync(new.handle)
        finally:
            os.close(new.handle)
        os.replace(temporary, path)  # noqa: PTH105
        if flush:
            flush_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if claim:
            claim.check()
        reason = error.strerror or str(error)
        raise StoreError(
            f"{path} could not be written ({reason}; {new.size:,} bytes needed, {_free(path.parent)} free); {left}"
        ) from error
    except BaseException:  # the person asked for an end at once: nothing half-written stays
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_all(handle: int, data: bytes) -> None:
    """Write bytes where a descriptor stands.

    Raises:
        OSError: they could not be written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def flush_directory(path: Path) -> None:
    """Make renames in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free(path: Path) -> str:
    try:
        status = os.statvfs(path)
    except OSError:
        return "an unknown number of"
    return f"{status.f_bavail * status.f_frsize:,}"


def remove_temporaries(directory: Path) -> None:
    """Drop what killed writers left behind; only the holder of the run's lock may call this."""
    for path in directory.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            path.unlink()


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()
