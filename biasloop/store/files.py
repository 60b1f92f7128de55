"""Files that appear whole or not at all.

Every write of a store goes through `write_atomically`: a new file in the same directory under a name that nobody can
know before, write, flush to disk, rename, flush the directory. A process killed at any instant leaves the old file, or
the new one, never a part.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from biasloop.errors import StoreError
from biasloop.system.new_files import beside

TEMPORARY = ".tmp-"


def write_atomically(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Replace or create a file.

    Args:
        path: the file.
        data: its content.
        flush: also flush the directory; False where a later write of the same commit does.

    Raises:
        StoreError: the file could not be written (disk full, refused, ...); what was there before is untouched.
    """
    temporary = beside(path, TEMPORARY)
    try:
        _write(temporary, data)
        os.replace(temporary, path)  # noqa: PTH105
        if flush:
            flush_directory(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise StoreError(
            f"{path} could not be written ({reason}; {len(data):,} bytes needed, {_free(path.parent)} free); "
            "everything committed before is intact, and the same command goes on from there"
        ) from error
    except BaseException:  # the person asked for an end at once: nothing half-written stays
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


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
