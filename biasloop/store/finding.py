"""Where runs lie below a directory; what lies in a run's own directory is never looked through."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from biasloop.store.entries import ASIDE, EXPERIMENT, MANIFEST

_DIGITS = re.compile(r"(\d+)")


def find_runs(root: Path) -> list[Path]:
    """Directories of runs at or below a directory, sorted; numbers in names by their value (20 before 100).

    Links to directories are not followed, the root itself excepted; nor is what lies in a run, or in a folder `aside`.
    """
    return [Path(directory) for directory in sorted_runs(root)]


def sorted_runs(root: Path) -> list[str]:
    """The same as text, which costs a third where there are thousands."""
    return sorted(_walk(str(root), "" if str(root) == "." else str(root)), key=_by_value)


def _by_value(path: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(path)]


def _walk(directory: str, named: str) -> Iterator[str]:
    """Runs at or below a directory.

    Args:
        directory: where it lies.
        named: what it is called in the answer; empty for the working directory.
    """
    if is_run(directory):
        yield named or "."
        return
    for name in _folders(directory):
        yield from _walk(os.path.join(directory, name), os.path.join(named, name))  # noqa: PTH118


def is_run(directory: str) -> bool:
    """Whether a directory is a run's; without one of its two files it is still one, if a damaged one."""
    return _is_there(f"{directory}/{MANIFEST}") or _is_there(f"{directory}/{EXPERIMENT}")


def _is_there(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return True


def _folders(directory: str) -> list[str]:
    """Names of the folders in one; none where it may not be read."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.name != ASIDE and entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
