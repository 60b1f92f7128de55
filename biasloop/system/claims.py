"""A claim: one process at a time makes something, here or on any machine that shares the file system.

A claim is a directory with a number, `.claim-7`, in which `holder.json` says who holds it. It appears whole, by a
rename that one process alone can win. Its holder touches `holder.json` as a sign of life. Who finds that the holder is
dead makes `.claim-8` and then removes `.claim-7` with all that is in it, and only then looks at what is there to go on
with.

What is made is written inside the claim first and then renamed to its name. So a holder that was taken for dead and
wakes up writes nothing more: its directory is gone, and with it whatever it was about to rename. There is no moment
between looking and renaming in which that could fail, and no lock of the operating system is needed.

A holder is dead if it is a process of this machine that is not there any more, or if it gave no sign of life for
longer than it promised to, by the clock of the file system, which all machines see alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from biasloop.errors import Held, Interrupted, InvalidInput, Lost
from biasloop.system import holders
from biasloop.system.holders import HOLDER, RELEASED, Holder

__all__ = ["OF_RUN", "VARIABLE", "Claim", "Holder", "alone", "claimed", "holder", "prefix_of", "promised"]

VARIABLE = "BIASLOOP_CLAIM_SECONDS"
"""The environment variable that says after how many seconds without a sign of life this process counts as dead."""
OF_RUN = ".claim-"
"""What the names of claims on the directory they are in begin with."""
_BEATS = 8  # signs of life in the time that is promised
_PAUSES = (0.02, 1.0)  # seconds between two looks of who waits, at first and at last


class Claim:
    """What its holder has in hand; `claimed` and `alone` give one.

    Attributes:
        directory: what is written here and then renamed is written by the holder or not at all.
        number: of the claim.
        silenced: the former holder if it was taken for dead because it was silent, and may wake up; else None.
    """

    def __init__(self, parent: Path, prefix: str, this: Holder, silenced: Holder | None) -> None:
        self.number, self.silenced = this.number, silenced
        self._parent, self._prefix, self._seconds = parent, prefix, this.seconds
        self._path = parent / f"{prefix}{this.number}"
        self.directory = self._path / this.token
        # By its descriptor, since the directory of another claim may come to have its name.
        self._handle = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self._over = Event()
        self._heart = Thread(target=self._beat, name=f"claim {self._path}", daemon=True)
        self._heart.start()

    def check(self) -> None:
        """See whether the claim is still held.

        Raises:
            Lost: another process has taken it over.
        """
        newest = max(holders.numbers(self._parent, self._prefix), default=0)
        with suppress(OSError):
            os.stat(HOLDER, dir_fd=self._handle)
            if newest == self.number:
                return
        by = holders.read(self._parent, self._prefix, newest) if newest else None
        raise Lost(
            f"{_subject(self._parent, self._prefix)} was taken over by {by or 'another process'}, since this process "
            f"gave no sign of life for {self._seconds:g} s; it has written nothing since, and ends",
            str(by or "another process"),
        )

    def remove(self, path: Path) -> None:
        """Remove a file or directory, which may be missing, unless the claim is lost.

        Raises:
            Lost: another process has taken the claim over; nothing was removed.
        """
        doomed = self.directory / f".tmp-{os.urandom(8).hex()}"
        try:
            path.rename(doomed)
        except FileNotFoundError:
            self.check()
            return
        holders.discard(doomed)

    def release(self, *, remember: bool) -> None:
        """Give the claim back.

        Args:
            remember: the number is kept, so that the next one is larger; else nothing stays.
        """
        if self._handle < 0:
            return
        self._over.set()
        self._heart.join()
        with suppress(OSError):  # lost, and therefore gone
            if remember:
                os.rename(HOLDER, RELEASED, src_dir_fd=self._handle, dst_dir_fd=self._handle)
                os.rmdir(self.directory.name, dir_fd=self._handle)
            else:
                holders.empty(self._path, self._handle)
        os.close(self._handle)
        self._handle = -1

    def _beat(self) -> None:
        while not self._over.wait(self._seconds / _BEATS):
            try:
                os.utime(HOLDER, dir_fd=self._handle)
            except FileNotFoundError:
                return
            except OSError:  # the file system is away for a while
                continue


@contextmanager
def claimed(
    parent: Path,
    prefix: str = OF_RUN,
    *,
    remember: bool = True,
    rescue: Callable[[Path], None] = lambda claim: None,
) -> Iterator[Claim]:
    """Hold a claim; it is given back at the end.

    Args:
        parent: directory in which claims are made; it is there.
        prefix: what their names begin with.
        remember: whether numbers grow over all holders, not only as long as there are any.
        rescue: given the directory in which a dead holder wrote, before it is removed, to put what must stay elsewhere.

    Raises:
        Held: a living process holds it.
        OSError: a directory cannot be made in `parent`.
    """
    claim = _acquire(parent, prefix, rescue)
    try:
        yield claim
    finally:
        claim.release(remember=remember)


def holder(parent: Path, prefix: str = OF_RUN) -> Holder | None:
    """Who holds a claim and lives; looking changes nothing but may make and remove an empty file to see the time."""
    try:
        newest = max(holders.numbers(parent, prefix), default=0)
        current = holders.read(parent, prefix, newest) if newest else None
    except OSError:  # it is not there, or cannot be read
        return None
    return None if current is None or current.dead else current


@contextmanager
def alone(
    path: Path, doing: str, notice: Callable[[str], None], stopping: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Claim, bool]]:
    """Be the only process that makes a file or directory; another one says so and waits.

    Args:
        path: where it will be; its directory is there.
        doing: what the other process does, for the notice.
        notice: told once if there is another.
        stopping: whether the person has asked to stop, which ends the wait.

    Yields:
        The claim, and whether it had to wait.

    Raises:
        Interrupted: the person asked to stop.
        OSError: a directory cannot be made there.
    """
    claim, pause = None, _PAUSES[0]
    waited = False
    while claim is None:
        try:
            claim = _acquire(path.parent, prefix_of(path))
        except Held as held:
            if not waited:
                notice(f"{held.holder} is {doing} {path.name}; waiting for it to finish")
            waited = True
            if stopping():
                raise Interrupted from held
            time.sleep(pause)
            pause = min(_PAUSES[1], 1.5 * pause)
    try:
        yield claim, waited
    finally:
        claim.release(remember=False)


def prefix_of(path: Path) -> str:
    """What the names of claims on a file or directory begin with; they lie beside it."""
    return f".{path.name}.claim-"


def promised() -> float:
    """Seconds without a sign of life after which this process counts as dead.

    Raises:
        InvalidInput: the environment says no such number.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text) if text else holders.SECONDS
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86_400:
        raise InvalidInput(f"{VARIABLE} is {text!r}: expected seconds from 0.1 to 86400, for example 120")
    return seconds


def _acquire(parent: Path, prefix: str, rescue: Callable[[Path], None] = lambda claim: None) -> Claim:
    while True:
        newest = max(holders.numbers(parent, prefix), default=0)
        former = holders.read(parent, prefix, newest) if newest else None
        if former is not None and not former.dead:
            raise Held(
                f"{_subject(parent, prefix)} is being written by {former} "
                f"(last sign of life {max(former.silent, 0):.0f} s ago)",
                str(former),
            )
        this = Holder.this(newest + 1, promised())
        path = parent / f"{prefix}{this.number}"
        if not holders.create(path, this):
            continue  # another process was faster
        with ExitStack() as stack:
            # Where an error comes, too: a claim of a process that lives and holds nothing would keep all others out.
            stack.callback(holders.withdraw, path, this)
            if not _alone(parent, prefix, this, former):
                continue  # others have come and gone since this process looked
            for lower in sorted(set(holders.numbers(parent, prefix)) - {this.number}):
                _fence(parent / f"{prefix}{lower}", rescue)
            holders.clear(parent)
            if max(holders.numbers(parent, prefix), default=0) == this.number:
                claim = Claim(parent, prefix, this, None if former is None or former.gone else former)
                stack.pop_all()
                return claim


def _alone(parent: Path, prefix: str, this: Holder, former: Holder | None) -> bool:
    """Whether nobody else holds a claim and lives, but for the former holder, which was found dead."""
    known = {this.token, former.token if former else ""}
    numbers = holders.numbers(parent, prefix)
    others = [other for number in numbers if (other := holders.read(parent, prefix, number)) is not None]
    living = any(not other.dead and other.token not in known for other in others)
    return max(numbers, default=0) == this.number and not living


def _fence(claim: Path, rescue: Callable[[Path], None]) -> None:
    """Remove a dead holder's claim, or one that is being given back: nothing is written by way of it any more."""
    with suppress(FileNotFoundError, NotADirectoryError):  # given back since its number was read, or a stranger's file
        for directory in claim.iterdir() if not claim.is_symlink() else ():
            if directory.is_dir() and not directory.is_symlink():
                rescue(directory)
    holders.remove(claim)


def _subject(parent: Path, prefix: str) -> Path:
    """What a claim is on."""
    return parent if prefix == OF_RUN else parent / prefix.removeprefix(".").removesuffix(".claim-")
