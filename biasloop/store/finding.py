"""Where runs lie below a directory; what lies in a run's own directory is never looked through."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from biasloop.errors import InvalidInput
from biasloop.store.entries import ASIDE, EXPERIMENT, MANIFEST

_NAMED = 3  # runs in a message
_DIGITS = re.compile(r"(\d+)")


def find_runs(root: Path) -> list[Path]:
    """Directories of runs at or below a directory, sorted; numbers in names by their value (20 before 100).

    Links to directories are not followed, the root itself excepted; nor is what lies in a run, or in a folder `aside`.
    """
    return [Path(directory) for directory in sorted_runs(root)]


def check_run(directory: Path) -> None:
    """Refuse what is no run: a folder of runs, with those in it, and no folder, with what lies near.

    Raises:
        InvalidInput: it is none.
    """
    if any(_status(f"{directory}/{name}") is not None for name in (MANIFEST, EXPERIMENT)):
        return
    below = find_runs(directory) if directory.is_dir() else []
    if below:
        raise InvalidInput(f"{directory} is a folder of runs and not a run; give one of those in it: {_some(below)}")
    if not directory.is_dir():
        raise InvalidInput(f"there is no run {directory}; {nearby(directory)}`biasloop runs` lists them")


def nearby(missing: Path) -> str:
    """The runs in the first directory above a path that is there, as the beginning of a sentence; empty for none."""
    above = next((folder for folder in missing.parents if folder.is_dir()), Path())
    if above in (Path(), Path(above.anchor)) or not (below := find_runs(above)):
        return ""
    return f"in {above} there are {_some(below)}; "


def _some(runs: list[Path]) -> str:
    return ", ".join(map(str, runs[:_NAMED])) + (", ..." if len(runs) > _NAMED else "")


def sorted_runs(root: Path) -> list[str]:
    """The same as text, which costs a third where there are thousands."""
    return [directory for directory, _ in manifests(root)]


def manifests(root: Path) -> list[tuple[str, os.stat_result | None]]:
    """The same, each with the status of its manifest; None where there is none of its own."""
    collected: list[tuple[str, os.stat_result | None]] = []
    _walk(str(root), "" if str(root) == "." else str(root), collected)
    return sorted(collected, key=lambda each: _by_value(each[0]))


def _by_value(path: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(path)]


def _walk(directory: str, named: str, collected: list[tuple[str, os.stat_result | None]]) -> None:
    """Collect the runs at or below a directory.

    Args:
        directory: where it lies.
        named: what it is called in the answer; empty for the working directory.
        collected: what is added to.
    """
    manifest = _status(f"{directory}/{MANIFEST}")
    if manifest is not None or _status(f"{directory}/{EXPERIMENT}") is not None:
        regular = manifest is not None and stat.S_ISREG(manifest.st_mode)
        collected.append((named or ".", manifest if regular else None))
        return
    within = named.rstrip("/") + "/" if named else ""
    for name in _folders(directory):
        _walk(f"{directory}/{name}", within + name, collected)


def _status(path: str) -> os.stat_result | None:
    """Of what is there, links not followed; None if it is not, or is a link that leads nowhere."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status


def _folders(directory: str) -> list[str]:
    """Names of the folders in one; none where it may not be read."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.name != ASIDE and entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
