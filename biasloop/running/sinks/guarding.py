"""A sink that cannot stop a run: whatever it raises, or however long it takes, it is left out, with one notice."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from biasloop import discovery

PATIENCE = 30.0
"""Seconds that a call may take; who has not answered then is left behind."""

_Call = tuple[Callable[[], None], "queue.SimpleQueue[BaseException | None]"]


@dataclass
class Guard:
    """Calls of one sink, in a thread that belongs to it: one that hangs is left behind, and one that ends a program
    (`sys.exit`) ends that thread alone. What it prints goes to stderr.

    Attributes:
        name: of the sink.
        on_notice: told once if the sink fails.
        patience: seconds that a call may take.
        failed: whether it did; then nothing is called any more.
    """

    name: str
    on_notice: Callable[[str], None]
    patience: float
    failed: bool = False
    _calls: "queue.SimpleQueue[_Call | None]" = field(default_factory=queue.SimpleQueue, repr=False)

    def __post_init__(self) -> None:
        threading.Thread(target=self._work, name=f"biasloop sink {self.name}", daemon=True).start()

    def call(self, what: str, action: Callable[[], None]) -> None:
        """Do it, and come back when it is done, has failed, or takes too long.

        Args:
            what: the call, in a notice.
            action: calls the sink.
        """
        if self.failed:
            return
        done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        with discovery.output_aside():
            self._calls.put((action, done))
            try:
                error = done.get(timeout=self.patience)
                reason = error and f"{type(error).__name__}: {error}".rstrip(": ")
            except queue.Empty:
                reason = f"no answer for {self.patience:g} s"
        if reason:
            self.failed = True
            self.close()
            self.on_notice(f"the sink {self.name!r} failed at {what} ({reason}); the run goes on without it")

    def close(self) -> None:
        """There are no more calls."""
        self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            action, done = item
            try:
                action()
            except BaseException as error:  # noqa: BLE001 - `SystemExit`, too, is the sink's alone
                done.put(error)
            else:
                done.put(None)
