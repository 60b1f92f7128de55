"""Directories of claims: who holds one, whether that one lives, how one appears and how one goes.

`PREFIXn/holder.json` says who holds claim n, and its time of change is the last sign of life; `PREFIXn/TOKEN/` is where
the holder writes first what it then renames. The token is in no other claim, so that a holder that has lost its claim
hits nobody else's, also where a number comes again.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from biasloop.system import processes

HOLDER = "holder.json"
RELEASED = "released.json"
SECONDS = 120.0
"""Without a sign of life after which a holder is dead; network file systems keep times back for less than that."""
_NEW = ".tmp-claim-"
_GONE = ".tmp-gone-"
_TRIES = 20
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE, errno.EISDIR})
_RACES = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EBUSY})


@dataclass(frozen=True)
class Holder:
    """Who holds a claim.

    Attributes:
        number: of the claim; it grows with every holder.
        host: name of its machine.
        pid: of the process.
        since: local time at which it took the claim, to be read by people.
        seconds: without a sign of life after which it is dead.
        machine: what processes of one machine, that see each other, have in common.
        started: what tells the process from a later one of the same number; empty if the system does not say.
        token: what no other holder has.
        silent: seconds since its last sign of life, by the clock of the file system.
    """

    number: int
    host: str = "an unknown machine"
    pid: int = 0
    since: str = "an unknown time"
    seconds: float = SECONDS
    machine: str = ""
    started: str = ""
    token: str = ""
    silent: float = 0.0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}" if self.pid else "another process"

    @classmethod
    def this(cls, number: int, seconds: float) -> Holder:
        """This process, as the holder of a claim."""
        pid, since = os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S")
        machine, started = processes.machine(), processes.started(pid)
        return cls(number, socket.gethostname(), pid, since, seconds, machine, started, os.urandom(8).hex())

    @property
    def dead(self) -> bool:
        """Whether it is: gone from this machine, or silent for too long (or ahead of the clock by as much)."""
        return self.gone or abs(self.silent) > self.seconds

    @property
    def gone(self) -> bool:
        """Whether it was a process of this machine, and is there no more: no doubt is left."""
        return bool(self.pid) and self.machine == processes.machine() and not processes.alive(self.pid, self.started)


def numbers(parent: Path, prefix: str) -> list[int]:
    """Numbers of the claims that are there.

    Raises:
        OSError: the directory cannot be read.
    """
    pattern = re.compile(re.escape(prefix) + r"([1-9][0-9]*)", re.ASCII)
    with os.scandir(parent) as entries:
        names = [pattern.fullmatch(entry.name) for entry in entries if entry.name.startswith(prefix)]
    return [int(name[1]) for name in names if name]


def read(parent: Path, prefix: str, number: int) -> Holder | None:
    """Who holds a claim, alive or dead; None if it was given back, or what is there is no claim.

    Raises:
        OSError: it cannot be read, and may be held all the same.
    """
    try:
        with opened(parent / f"{prefix}{number}") as claim:
            return _read(parent, number, claim)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None


@contextmanager
def opened(claim: Path) -> Iterator[int]:
    """A descriptor of a claim's directory, which is no link.

    Raises:
        OSError: it is none, or is not there.
    """
    handle = os.open(claim, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield handle
    finally:
        os.close(handle)


def _read(parent: Path, number: int, claim: int) -> Holder:
    # Opening a file, and no less, asks a network file system for its time.
    handle = os.open(HOLDER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=claim)
    with os.fdopen(handle, "rb") as file:
        beat, data = os.fstat(handle).st_mtime, file.read(10_000)
    silent = _now(parent) - beat
    try:
        return Holder(number, **json.loads(data), silent=silent)
    except (ValueError, TypeError):  # not as it was written; its time counts all the same
        return Holder(number, silent=silent)


def _now(parent: Path) -> float:
    """The time by the clock of the file system; by that of this machine if nothing can be written there."""
    probe = parent / f".tmp-clock-{os.urandom(8).hex()}"
    try:
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError:
        return time.time()
    try:
        return os.fstat(handle).st_mtime
    finally:
        os.close(handle)
        with suppress(OSError):
            probe.unlink()


def create(claim: Path, holder: Holder) -> bool:
    """Make a claim that is there whole or not at all.

    Args:
        claim: its directory.
        holder: this process.

    Returns:
        Whether it is ours, and not another process's that was faster.

    Raises:
        OSError: nothing can be made there.
    """
    new = claim.parent / f"{_NEW}{holder.token}"
    new.mkdir()
    try:
        (new / holder.token).mkdir()
        written = {name: value for name, value in asdict(holder).items() if name not in {"number", "silent"}}
        (new / HOLDER).write_text(json.dumps(written), encoding="utf-8")
        new.rename(claim)
    except OSError as error:
        if error.errno not in _RACES:
            raise
    else:
        return True
    finally:
        shutil.rmtree(new, ignore_errors=True)
    # An answer that a network lost is asked for again, and then it is there already.
    there = read(claim.parent, claim.name.removesuffix(str(holder.number)), holder.number)
    return there is not None and there.token == holder.token


def remove(claim: Path) -> None:
    """Remove a claim's directory: from then on nothing can be renamed out of it, or made in it.

    Only what is there now is removed, and nothing of another claim that comes under the same name meanwhile.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        with opened(claim) as handle:
            empty(claim, handle)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        claim.unlink(missing_ok=True)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        claim.unlink(missing_ok=True)


def withdraw(claim: Path, holder: Holder) -> None:
    """Remove this process's own claim, as far as that can be, and no other that has come to have its name."""
    with suppress(OSError), opened(claim) as handle:
        there = _read(claim.parent, holder.number, handle)
        if there is not None and there.token == holder.token:
            empty(claim, handle)


def empty(claim: Path, handle: int) -> None:
    """Remove what is in a claim's directory, and then the directory.

    Args:
        claim: its name.
        handle: its descriptor.
    """
    for _ in range(_TRIES):
        for name in os.listdir(handle):
            _remove(name, handle)
        try:
            claim.rmdir()  # of another claim of that name nothing goes: it is not empty
        except FileNotFoundError:
            return
        except OSError as error:  # who was taken for dead has just written something more
            if error.errno not in _RACES:
                raise
        else:
            return
        if not os.listdir(handle):
            return
    # A network file system keeps what another process has open: out of the way with it.
    with suppress(FileNotFoundError):
        claim.rename(claim.parent / f"{_GONE}{os.urandom(8).hex()}")


def discard(path: Path) -> None:
    """Remove a file, or a directory with what is in it; a link itself, never what it leads to."""
    _remove(str(path))


def clear(parent: Path) -> None:
    """Remove what killed processes left of claims that they were about to make or to remove."""
    with os.scandir(parent) as entries:
        left = [entry.path for entry in entries if entry.name.startswith((_NEW, _GONE))]
    for path in left:
        _remove(path)


def _remove(name: str, directory: int | None = None) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=directory)
        return
    shutil.rmtree(name, ignore_errors=True, dir_fd=directory)
