"""What a view is: it is told what happens and shows it, to a person or to a script."""

from typing import Protocol

from biasloop.printable import printable
from biasloop.report.tables import formatting
from biasloop.running.executors import Watcher
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended

STOPPING = "stopping after the current step (once more stops at once)"


class View(Watcher, Protocol):
    """Shows what happens."""

    def close(self) -> None:
        """The last run has ended, or was interrupted."""


def title(planned: Planned) -> str:
    """What a run is called on the screen."""
    arm = f", {planned.arm}" if planned.arm else ""
    return printable(f"{planned.experiment.name}{arm}, seed {planned.seed}")


def name(planned: Planned) -> str:
    """What tells a run from the others of its study."""
    return printable(f"{planned.arm}, seed {planned.seed}" if planned.arm else f"seed {planned.seed}")


class Ends:
    """Says once of each run that it failed, or that another process makes it."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self._told: set[str] = set()

    def words(self, ended: Ended) -> str:
        """A sentence; empty where there is nothing to say now: the only run that fails is told about at the end."""
        key = f"{ended.planned.directory}{bool(ended.held)}"
        if key in self._told or ended.outcome is not None or (ended.error and self.runs == 1):
            return ""
        self._told.add(key)
        if ended.error:
            return f"{title(ended.planned)} failed: {ended.error}"
        return ended.held


def sum_up(done: int, runs: int, left: float | None, *, failed: int = 0, elsewhere: int = 0) -> str:
    """How far a study is: `3 of 660 runs done, 1 failed, 2 elsewhere, about 2 h left`."""
    parts = [f"{done:,} of {formatting.counted(runs, 'run')} done"]
    parts += [f"{failed:,} failed"] if failed else []
    parts += [f"{elsewhere:,} made by other processes"] if elsewhere else []
    parts += [f"about {formatting.duration(left)} left"] if left else []
    return ", ".join(parts)
