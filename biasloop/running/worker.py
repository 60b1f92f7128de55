"""A process that makes runs for another one: tasks come in on its standard input, what happens goes out, line by line.

A line is a word and JSON. In come `path` (where Python looks for modules), `task`, and `stop`; out go `event` and
`ended`. The end of the input ends the process: after the step of a run that is under way, since then whoever asked for
it is gone; at once, if it was to stop already. It is started with SIGINT and SIGHUP blocked, and never hears them: they
are sent to all processes of a terminal, and the other one tells it what they mean.
"""

import _thread
import atexit
import gc
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import IO

from biasloop.contract.context import Memory
from biasloop.running.engine import Event, Step
from biasloop.running.tasks import Ended, Task, event_dumps, perform, told

STEPS = 0.1  # seconds between two steps that are told
_PATIENCE = 2.0  # seconds for programs that a plugin has started to be ended


class Told:
    """What the other process has told this one.

    Attributes:
        tasks: lines that came, None when there are no more.
        stop: whether the run under way is to end after its step.
        busy: whether one is under way.
    """

    def __init__(self) -> None:
        self.tasks: queue.Queue[str | None] = queue.Queue()
        self.stop = False
        self.busy = False

    def stopping(self) -> bool:
        """Whether to stop after the current step."""
        return self.stop

    def listen(self, lines: Iterable[bytes]) -> None:
        """Take in all lines until there are no more; in a thread of its own."""
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "path":
                sys.path[:] = json.loads(rest)
            elif word == "task":
                self.tasks.put(rest)
            elif word.strip() == "stop":
                self.stop = True
        self.tasks.put(None)
        if self.busy and self.stop:
            _thread.interrupt_main(signal.SIGTERM)
            time.sleep(_PATIENCE)
            os._exit(128 + signal.SIGTERM)
        self.stop = True
        if self.busy:
            _write_nowhere()

    def asked(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM was sent to this process alone, or the input ended: once more ends it at once."""
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True


class Channel:
    """Where lines go out; threads of a plugin may tell something, too."""

    def __init__(self, stream: IO[bytes], heard: Told) -> None:
        self._stream, self._told = stream, heard
        self._lock = threading.Lock()
        self._stepped = 0.0

    def event(self, event: Event) -> None:
        """Tell what happened; of steps a few a second."""
        if isinstance(event, Step):
            if time.monotonic() - self._stepped < STEPS:
                return
            self._stepped = time.monotonic()
        self._line("event", event_dumps(event))

    def ended(self, ended: Ended) -> None:
        """Tell how a task ended."""
        self._line("ended", ended.dumps())

    def _line(self, word: str, text: str) -> None:
        try:
            with self._lock:
                self._stream.write(f"{word} {text}\n".encode())
                self._stream.flush()
        except OSError:  # nobody is there any more
            self._told.stop = True


def work(heard: Told, channel: Channel) -> None:
    """Make run after run, until there are no more tasks, or this process is to stop."""
    remembered = Memory()
    while not heard.stop:
        line = heard.tasks.get()
        if line is None:
            return
        heard.busy = True
        channel.ended(_performed(Task.loads(line), heard, channel, remembered))
        heard.busy = False


def _performed(task: Task, heard: Told, channel: Channel, remembered: Memory) -> Ended:
    try:
        return perform(task, channel.event, heard.stopping, remembered)
    except Exception as error:  # noqa: BLE001 - its traceback was asked for, and the next run does not need to know
        traceback.print_exc()
        return Ended(task.planned, None, told(error), code=1)


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """Input and output of this process, taken away from all that prints or reads: that meets stderr, or nothing."""
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # Without a buffer, so that Python can end while the thread still reads.
    return os.fdopen(incoming, "rb", 0), os.fdopen(outgoing, "wb")


def _write_nowhere() -> None:
    """Nobody reads what is printed any more: it would be an error."""
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.close(nothing)


def main() -> None:
    """Work for the process that started this one."""
    atexit.register(gc.freeze)  # as `cli.main`, so that it ends at once
    heard = Told()
    signal.signal(signal.SIGTERM, heard.asked)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGHUP))
    incoming, outgoing = _streams()
    threading.Thread(target=heard.listen, args=(incoming,), daemon=True).start()
    try:
        work(heard, Channel(outgoing, heard))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
