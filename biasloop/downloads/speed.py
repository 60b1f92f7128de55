"""How fast files come, and so how long the rest takes; the last fetch's speed is kept in the data directory."""

import json
import math
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from biasloop.downloads.remote import Notice, Progress
from biasloop.system.new_files import beside, open_own

FIRST = 5.0  # seconds before a speed says something
LONGEST = 600.0  # seconds between two sentences
_WINDOW = 30.0  # seconds that a speed is measured over
_FILE = "speed.json"
_LEAST_BYTES, _LEAST_SECONDS = 1_000_000, 2.0  # of a fetch whose speed is worth keeping
_LARGEST = 1_000  # bytes of that file


class Speed:
    """Of what comes; `count` is a `Progress`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._came: deque[tuple[float, int]] = deque()  # (when, bytes that had come), a second or more apart
        self._last: tuple[float, int] | None = None
        self.bytes = 0  # that came since the first call
        self.seconds = 0.0  # since then

    def count(self, done: int, total: int) -> None:
        """So many bytes of all have come; a start from zero begins anew."""
        now = self._clock()
        if self._last is None or done < self._last[1]:
            self._came = deque([(now, done)])
        else:
            self.bytes += done - self._last[1]
            self.seconds += now - self._last[0]
            if now - self._came[-1][0] >= 1:
                self._came.append((now, done))
        self._last = (now, done)
        while len(self._came) > 2 and now - self._came[1][0] >= _WINDOW:
            self._came.popleft()

    @property
    def now(self) -> float:
        """Bytes a second over the last half minute; NaN before there is any."""
        if self._last is None or self._last[0] <= self._came[0][0]:
            return math.nan
        return (self._last[1] - self._came[0][1]) / (self._last[0] - self._came[0][0])

    @property
    def mean(self) -> float:
        """Bytes a second of all that came; NaN before there is any."""
        return self.bytes / self.seconds if self.seconds > 0 else math.nan


def telling(name: str, speed: Speed, notice: Notice, clock: Callable[[], float] = time.monotonic) -> Progress:
    """What says, after the first seconds and then ever more rarely, how fast a file comes and how long the rest takes.

    Args:
        name: of what is fetched.
        speed: is counted with.
        notice: told a sentence.
        clock: seconds that have passed.
    """
    begun = clock()
    due = FIRST

    def count(done: int, total: int) -> None:
        nonlocal due
        speed.count(done, total)
        passed = clock() - begun
        if passed < due or done >= total or not speed.now > 0:
            return
        due = passed + min(max(passed, FIRST), LONGEST)
        notice(
            f"{name}: {megabytes(done)} of {megabytes(total)} at {megabytes(speed.now)}/s; "
            f"{about((total - done) / speed.now)} to go"
        )

    return count


def remember(speed: Speed, data: Path) -> None:
    """Keep the speed of a fetch in a data directory, if it took long enough to say something."""
    if speed.bytes < _LEAST_BYTES or speed.seconds < _LEAST_SECONDS:
        return
    path = data / _FILE
    temporary = beside(path, ".tmp-")
    with suppress(OSError):  # the next fetch says it
        try:
            with os.fdopen(open_own(temporary, new=True), "w") as file:
                json.dump({"bytes_per_second": round(speed.mean)}, file)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def remembered(data: Path) -> float | None:
    """Bytes a second of the last fetch into a data directory; None if none is known."""
    try:
        with (data / _FILE).open("rb") as file:
            value = json.loads(file.read(_LARGEST))["bytes_per_second"]
        return float(value) if type(value) in (int, float) and 0 < value < math.inf else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return None


def takes(size: int, data: Path) -> str:
    """How long so many bytes take at the last fetch's speed, as the end of a sentence; empty if none is known."""
    speed = remembered(data)
    return f", {about(size / speed)} at the last fetch's speed" if speed and size else ""


def about(seconds: float) -> str:
    """A time that is not known well: about 40 s, about 3 min, about 2 h."""
    if seconds < 9.5:
        return "less than 10 s"
    if seconds < 95:
        return f"about {10 * round(seconds / 10)} s"
    if seconds < 95 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {round(seconds / 3600)} h" if seconds < 36 * 3600 else f"about {round(seconds / 86400)} d"


def megabytes(size: float) -> str:
    """Bytes in decimal units, as sizes of files are told: 67.7 MB, 3.1 GB."""
    for unit, times in (("GB", 1e9), ("MB", 1e6)):
        if size >= times:
            return f"{size / times:,.1f} {unit}"
    return f"{size / 1e3:,.0f} kB"
