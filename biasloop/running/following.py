"""Rounds of a run that another process makes, maybe on another machine, as they appear in its directory."""

from pathlib import Path

from biasloop.contract import names
from biasloop.errors import DamagedStore
from biasloop.running.engine import Committed
from biasloop.store import codec
from biasloop.store.manifest import NAME, SETUP, round_number
from biasloop.store.reader import Run


class Following:
    """Tells each round of a run once; a look at a run that has not changed costs one call of the system.

    Attributes:
        done: rounds that were finished before.
        next: the first one that was not told yet; -1, the set-up.
    """

    def __init__(self, directory: Path, done: int) -> None:
        self.done, self.next = done, -1
        self._directory = directory
        self._seen: tuple[int, int, int] | None = None

    def new(self) -> list[Committed]:
        """Rounds that were not told yet; what cannot be read now, as while files are replaced, is told later."""
        seen = self._state()
        if seen is None or seen == self._seen:
            return []
        events: list[Committed] = []
        try:
            run = Run.open(self._directory)
            for step in run.manifest.steps():
                if round_number(step) >= self.next:
                    events += self._of(run, step)
                    self.next = round_number(step) + 1
        except (DamagedStore, OSError):
            return events
        self._seen = seen
        return events

    def _state(self) -> tuple[int, int, int] | None:
        """What changes when the manifest is replaced; None before there is one."""
        try:
            state = (self._directory / NAME).stat()
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size

    def _of(self, run: Run, step: str) -> list[Committed]:
        """The event of a step as the engine tells it: none of a set-up in which nothing was measured."""
        name, number = f"{step}.h5", round_number(step)
        _, metrics, sizes = codec.read_summary(run.content(name), name)
        measured = metrics.get(names.PRETRAINED if step == SETUP else names.MAIN)
        if measured is None:
            return []
        entry, resumed = run.manifest.files[name], number < self.done and self.done > 0
        return [Committed(number, measured, sizes, entry.seconds, 0 if resumed else entry.bytes, resumed)]
