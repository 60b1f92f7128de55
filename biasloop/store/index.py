"""What is listed of runs, kept beside them, so that thousands are listed without opening each.

The index is a file in the listed folder. It can be deleted at any time: what it says of a run counts only as long as
the run's manifest, settings and directory are those that it was told of. Who makes a run it does not know.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from biasloop.config.flatten import flatten
from biasloop.errors import InvalidInput, StoreError
from biasloop.store.entries import EXPERIMENT
from biasloop.store.files import sha256, write_atomically
from biasloop.store.finding import manifests
from biasloop.store.manifest import SETUP
from biasloop.store.reader import Run

NAME = ".biasloop-index.json"
LEAST = 100
"""Runs below a folder from which on it has an index; fewer are opened as fast."""
_FORMAT = {"format": "biasloop-index", "version": 1}
_LARGEST = 500_000_000  # bytes that are read
_SETTLED = 2 * 10**9  # nanoseconds: a file changed later than that may change again within the clock's granularity
_Stamp = list[int]
_Entry = list[Any]  # the stamp, then what is listed


class Listed(NamedTuple):
    """A run as it is listed.

    Attributes:
        run: its directory.
        preset: the name of its experiment.
        seed: of the run; None where it is not known.
        rounds: how many are finished.
        finished: why it has ended; empty if it has not.
        failed: why it could not go on; empty if it could.
        alike: equal for runs that differ at most in seed and in numbers of [loop].
        measured: rounds whose time is known.
        arm: which of the preset's arms it is; empty for none.
        problem: why it cannot be opened; empty if it can.
    """

    run: str
    preset: str = ""
    seed: int | None = None
    rounds: int = 0
    finished: str = ""
    failed: str = ""
    alike: str = ""
    measured: int = 0
    arm: str = ""
    problem: str = ""


_SEEDS: tuple[type, ...] = (int, type(None))
_TYPES = frozenset((str, seed, int, str, str, str, int, str) for seed in _SEEDS)  # of `preset` to `arm`


def listed(folder: Path, *, keep: bool = True, anew: int | None = None) -> list[Listed]:
    """The runs at or below a folder, sorted as `find_runs` does.

    Args:
        folder: where to look.
        keep: bring its index up to date; a folder that cannot be written is listed without.
        anew: how many runs that the index does not know are opened at most; the others are left out. None: all.
    """
    directories = manifests(folder)
    if not directories or directories[0][0] == str(folder):  # the folder is a run, and a run holds nothing but itself
        return [_opened(directory) for directory, _ in directories]
    known = _read(folder / NAME)
    entries: dict[str, _Entry] = {}
    lines: list[Listed] = []
    start = 0 if str(folder) == "." else len(str(folder).rstrip("/")) + 1
    now, opened = time.time_ns(), 0
    for directory, manifest in directories:
        name = directory[start:]
        stamp, entry = _stamp(directory, manifest), known.get(name)
        if entry is None or stamp is None or entry[0] != stamp or not _fits(entry):
            if anew is not None and opened >= anew:
                continue
            opened += 1
            line = _opened(directory)
            if stamp is not None and not line.problem and _settled(stamp, now):
                entries[name] = [stamp, *line[1:-1]]
        else:
            line = Listed(directory, *entry[1:])
            entries[name] = entry
        lines.append(line)
    if keep and len(directories) >= LEAST and entries != known:
        _write(folder / NAME, entries)
    return lines


def alike(identity: Mapping[str, Any]) -> str:
    """A digest of the settings of a run, apart from its seed and the numbers in [loop]: equal work a row, mostly."""
    rest = {name: value for name, value in identity.items() if name != "seed"}
    loop = rest.get("loop")
    if isinstance(loop, Mapping):
        rest["loop"] = {name: value for name, value in loop.items() if type(value) not in (int, float)}
    return sha256(json.dumps(flatten(rest), sort_keys=True, default=str).encode())[:16]


def _opened(directory: str) -> Listed:
    """A run read anew."""
    try:
        run = Run.open(Path(directory))
        about, files = run.manifest.about, run.manifest.files
        steps = [step for step in run.manifest.steps() if step != SETUP]
        measured = sum(files[f"{step}.h5"].seconds is not None for step in steps)
        return Listed(
            directory, str(about.get("name", "")), run.identity.get("seed"), len(steps),
            _text(about.get("finished")), _text(about.get("failed")), alike(run.identity), measured,
            _text(about.get("arm")),
        )  # fmt: skip
    except (StoreError, InvalidInput) as error:
        return Listed(directory, problem=str(error))


def _text(told: object) -> str:
    """What a run says of itself; nothing where it does not."""
    return "" if told is None else str(told)


def _stamp(directory: str, manifest: os.stat_result | None) -> _Stamp | None:
    """What tells a changed run; None if a part of it is not there, or a link."""
    try:
        changed = os.stat(directory).st_mtime_ns  # noqa: PTH116
        settings = os.lstat(f"{directory}/{EXPERIMENT}")
    except OSError:
        return None
    if manifest is None or not stat.S_ISREG(settings.st_mode):
        return None
    return [
        changed,
        manifest.st_mtime_ns, manifest.st_size, manifest.st_ino,
        settings.st_mtime_ns, settings.st_size, settings.st_ino,
    ]  # fmt: skip


def _settled(stamp: _Stamp, now: int) -> bool:
    """Whether the run was left alone for long enough that a later change shows."""
    return max(stamp[0], stamp[1], stamp[4]) < now - _SETTLED


def _fits(entry: _Entry) -> bool:
    """Whether an entry holds what an index says of a run."""
    return tuple(map(type, entry[1:])) in _TYPES


def _read(path: Path) -> dict[str, _Entry]:
    """Entries by the run's path below the folder; none if there is no index, or something else in its place."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                return {}
            content = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or any(content.get(key) != value for key, value in _FORMAT.items()):
        return {}
    runs = content.get("runs")
    if not isinstance(runs, dict):
        return {}
    return {name: entry for name, entry in runs.items() if type(entry) is list and entry}


def _write(path: Path, entries: Mapping[str, _Entry]) -> None:
    """Replace the index; of two processes that do so at once, one's stays."""
    text = json.dumps({**_FORMAT, "runs": entries}, ensure_ascii=True)
    with suppress(StoreError):  # a folder that cannot be written has none
        write_atomically(path, text.encode())
