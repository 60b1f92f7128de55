"""Files of our own under names that anybody may have taken: what a link leads to stays as it is."""

import os
import shutil
import stat
from pathlib import Path


def beside(path: Path, prefix: str) -> Path:
    """A name beside a path that nobody can know before: its prefix, the path's name and 16 hexadecimal digits."""
    return path.with_name(f"{prefix}{path.name}.{os.urandom(8).hex()}")


def discard_strange(path: Path, *, directory: bool = False) -> None:
    """Remove what lies where only we write, if it is no plain file (or directory) of its own.

    A link is removed, never what it leads to; likewise a pipe, and a file that has a second name elsewhere.

    Args:
        path: the name.
        directory: a directory is expected; else a file.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        if not directory:
            shutil.rmtree(path)
    elif directory or not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        path.unlink()


def open_own(path: Path, *, new: bool = False) -> int:
    """A descriptor of a file to append to and to read; it is made if it is not there.

    Args:
        path: the name.
        new: it must not be there.

    Raises:
        OSError: it is a link or, if it has to be new, there.
    """
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | (os.O_EXCL if new else 0), 0o644)
