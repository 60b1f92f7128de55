"""A directory that files are fetched into: one process at a time, enough room, names that survive a power cut."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from biasloop.downloads.remote import Notice
from biasloop.errors import DownloadError
from biasloop.system.locking import Taken, exclusive


@contextmanager
def alone(path: Path, doing: str, notice: Notice) -> Iterator[bool]:
    """Be the only process that makes this file or directory; a second one says so and waits.

    The operating system gives the lock back when a process ends, however it ends.

    Yields:
        Whether it had to wait.
    """
    lock, waited = path.with_name(f".{path.name}.lock"), False
    while True:
        try:
            with exclusive(lock):
                try:
                    yield waited
                finally:
                    with suppress(OSError):  # while it is held: who waits notices that it is gone, and asks anew
                        lock.unlink(missing_ok=True)
            return
        except Taken:
            if not waited:
                notice(f"another process is {doing} {path.name}; waiting for it to finish")
            waited = True
            time.sleep(0.1)


def home_of(path: Path) -> Path:
    """The path with `~` as the person's home; as it is where nobody is called so."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def require_space(directory: Path, needed: int, what: str) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        directory: where it goes; need not be there yet.
        needed: bytes still to come.
        what: what they are.

    Raises:
        DownloadError: if fewer bytes are free.
    """
    there = next((folder for folder in (directory, *directory.absolute().parents) if folder.exists()), None)
    try:
        free = shutil.disk_usage(there or Path.cwd()).free
    except OSError:  # a file system that does not say
        return
    if free < needed:
        raise DownloadError(
            f"{what} needs {needed:,} more bytes in {directory} and {free:,} are free there; "
            "free some space or choose another directory with --data DIR"
        )


def free_bytes(directory: Path) -> str:
    """Bytes free in a directory, for a message."""
    try:
        return f"{shutil.disk_usage(directory).free:,}"
    except OSError:
        return "an unknown number"


def flush_directory(directory: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
