"""Who makes the runs of a study: this process, one after another; `workers` has several, `on_ray` many machines.

A run that another process makes is put back: the others are made first, and then what it leaves.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from biasloop.contract.context import Memory
from biasloop.running import helping
from biasloop.running.engine import Event, Notice, Options
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended, Task, perform

POLL = 2.0  # seconds between two looks at a run that another process makes


class Watcher(Protocol):
    """Told what happens; runs may go on side by side."""

    def start(self, planned: Planned) -> None:
        """A run starts, or is tried once more."""

    def event(self, planned: Planned, event: Event) -> None:
        """Something happened in it."""

    def end(self, ended: Ended) -> None:
        """It is over, or another process makes it."""


class Executor(Protocol):
    """Makes runs."""

    def run(self, planned: Sequence[Planned], options: Options, watcher: Watcher) -> list[Ended]:
        """Make all of them, until `options.stopping` says that the person asked to stop.

        Args:
            planned: the runs; the first ones start first.
            options: how. With `wait`, runs that other processes make are waited for.
            watcher: told what happens, in the thread that calls this.

        Returns:
            How those ended that were begun, or that another process makes. A failed one does not stop the others.
        """


@dataclass
class Queue:
    """Runs that are still to be made; one that another process makes comes back once it is free.

    Attributes:
        waiting: not begun, in their order.
        elsewhere: what other processes make, with how that was told.
    """

    waiting: list[Planned]
    elsewhere: list[Ended] = field(default_factory=list)
    _looked: float = 0.0
    _said: int = 0

    def put_back(self, ended: Ended) -> None:
        """Another process makes this run."""
        self.elsewhere.append(ended)
        self._looked = time.monotonic()

    def say_what_is_waited_for(self, options: Options) -> None:
        """Nothing else is left to be made."""
        if len(self.elsewhere) != self._said:
            runs = "a run" if len(self.elsewhere) == 1 else f"{len(self.elsewhere):,} runs"
            options.on_event(Notice(f"waiting for {runs} of other processes; --no-wait ends without"))
        self._said = len(self.elsewhere)

    def take_free(self) -> None:
        """Let runs come back that nobody makes any more; looks no more often than every `POLL` seconds."""
        if not self.elsewhere or time.monotonic() - self._looked < POLL:
            return
        self._looked = time.monotonic()
        still = []
        for ended in self.elsewhere:
            if _is_free(ended.planned):
                self.waiting.append(ended.planned)
            else:
                still.append(ended)
        self.elsewhere = still


def _is_free(planned: Planned) -> bool:
    """Whether no process makes a run now."""
    from biasloop.store import claims

    return claims.holder(planned.directory) is None


class InProcess:
    """One run after another, in this process."""

    def run(self, planned: Sequence[Planned], options: Options, watcher: Watcher) -> list[Ended]:
        """As `Executor`; other processes that a launcher started help with all of them."""
        queue, remembered = Queue(list(planned)), Memory()
        ended: list[Ended] = []
        with helping.helped(planned[0], options):
            while queue.waiting or (queue.elsewhere and options.wait):
                if options.stopping():
                    break
                if not queue.waiting:
                    queue.say_what_is_waited_for(options)
                    time.sleep(0.1)
                    queue.take_free()
                    continue
                last = _performed(queue.waiting.pop(0), options, watcher, remembered)
                if last.held:
                    queue.put_back(last)
                else:
                    ended.append(last)
        return ended + queue.elsewhere


def _performed(planned: Planned, options: Options, watcher: Watcher, remembered: Memory) -> Ended:
    """One run, in view of the watcher."""
    watcher.start(planned)
    # Prepared here and not in the plan, so that one run's data are held at a time.
    ended = perform(Task(planned, options), lambda event: watcher.event(planned, event), options.stopping, remembered)
    watcher.end(ended)
    return ended
