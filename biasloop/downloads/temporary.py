"""A directory that files are fetched into: enough room, names that survive a power cut."""

import os
import shutil
from pathlib import Path

from biasloop.errors import DownloadError


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
