"""Whether a path that somebody gave is a file to read: a pipe or a device has no end, and reading it would hang."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def irregular(path: Path) -> str | None:
    """What a path is, if it is there and no regular file: "a directory", "a pipe", "a socket", "a device"; else None.

    Links are followed: what counts is what would be read.

    Raises:
        OSError: it cannot be looked at, or is not there.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return None
    return next((kind for matches, kind in _KINDS if matches(mode)), None)


def require_regular(path: Path) -> None:
    """Refuse what is no regular file before it is opened; what is not there is left to whoever opens it.

    Raises:
        InvalidInput: naming what it is.
    """
    try:
        kind = irregular(path)
    except OSError:
        return
    if kind is not None:
        raise InvalidInput(f"{path} is {kind}; expected a file")
