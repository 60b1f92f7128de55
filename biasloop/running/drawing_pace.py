"""How much room and time pictures will take, from a first batch of them, and how fast they come."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from biasloop.errors import StoreError
from biasloop.running.shards import BatchDrawn, ShardDone


@dataclass
class Pace:
    """Of all processes that one command started.

    Attributes:
        total: captions.
        before: those in shards that were done at first.
        workers: processes.
        captions: that were drawn since; a shard that is made again counts again.
        bytes: of them.
        spent: seconds in their batches, over all processes.
    """

    total: int
    before: int
    workers: int = 1
    clock: Callable[[], float] = time.monotonic
    captions: int = 0
    bytes: int = 0
    spent: float = 0.0
    _begun: float = field(default=0.0)

    def drawn(self, event: BatchDrawn) -> bool:
        """Count a batch; whether it was the first."""
        first = not self.captions
        if first:
            self._begun = self.clock() - event.seconds
        self.captions += event.captions
        self.bytes += event.bytes
        self.spent += event.seconds
        return first

    @property
    def left(self) -> int:
        """Captions to come."""
        return max(0, self.total - self.before - self.captions)

    @property
    def rate(self) -> float:
        """Captions a second of all processes: at first by one batch, then as they come."""
        passed = self.clock() - self._begun
        by_batch = self.workers * self.captions / self.spent if self.spent else 0.0
        return self.captions / passed if self.captions > 64 * self.workers and passed > 0 else by_batch

    @property
    def seconds_left(self) -> float:
        """Seconds to come."""
        return self.left / self.rate if self.rate else float("inf")

    @property
    def bytes_left(self) -> int:
        """Bytes to come."""
        return round(self.left * self.bytes / self.captions) if self.captions else 0

    def estimate(self) -> str:
        """A sentence on what is to come."""
        each = f"{self.workers} processes" if self.workers > 1 else "one process"
        return (
            f"{self.left:,} of {self.total:,} captions are left: about {bytes_in_words(self.bytes_left)} and "
            f"{time_in_words(self.seconds_left)}, by a first batch ({self.rate:.3g} images/s with {each})"
        )

    def require_room(self, directory: Path) -> None:
        """Refuse to go on where the disk cannot hold what is to come.

        Raises:
            StoreError: it cannot.
        """
        free = shutil.disk_usage(directory).free
        if self.bytes_left > free:
            raise StoreError(
                f"{self.left:,} pictures need about {bytes_in_words(self.bytes_left)} in {directory}, and "
                f"{bytes_in_words(free)} are free there; free some space, choose another --output, or a smaller "
                "--size or --format webp"
            )


def told(event: ShardDone, pace: Pace) -> str:
    """A line on a shard that is done."""
    flagged = f", {event.flagged:,} flagged" if event.flagged else ""
    return (
        f"shard {event.shard:05d}: {event.samples:,} samples{flagged}; {pace.rate:.3g} images/s, "
        f"{time_in_words(pace.seconds_left)} left"
    )


def bytes_in_words(count: float) -> str:
    """A number of bytes with a unit that suits it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def time_in_words(seconds: float) -> str:
    """A duration with a unit that suits it."""
    for most, unit, length in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < most:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 86_400:.3g} days"
