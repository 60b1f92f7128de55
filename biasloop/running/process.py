"""A worker process as the process that started it sees it: `worker` is what runs inside."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from biasloop.running.study import Planned

_COMMAND = (sys.executable, "-P", "-m", "biasloop.running.worker")
_PIECE = 1 << 16  # bytes read at a time, and of a printed line at most
_LAST = 300  # characters of what it printed last, in a sentence


class Process:
    """A fresh Python that makes one run after another.

    Attributes:
        gpus: names of those that it sees; there its first one is always `cuda:0`, as if the machine had no others.
        planned: the run that it makes now.
        is_over: whether it has ended.
    """

    PATIENCE = 3.0
    """Seconds that a process is given to end in when it is asked to end at once."""

    def __init__(self, gpus: tuple[str, ...], *, hide_others: bool) -> None:
        self.gpus = gpus
        self.planned: Planned | None = None
        self.is_over = False
        self._last = ""
        environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if hide_others else {})}
        # Blocked until it ignores them, and not lost here: Ctrl-C reaches every process of a terminal.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
        try:
            self._process = subprocess.Popen(
                _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._in, self._out, self._errors = self._process.stdin, self._process.stdout, self._process.stderr
        for stream in (self._out, self._errors):
            os.set_blocking(stream.fileno(), False)
        self._told, self._said = b"", b""
        self._tell("path", json.dumps(sys.path))

    def make(self, planned: Planned, task: str) -> None:
        """Let it make a run."""
        self.planned = planned
        self._tell("task", task)

    def stop(self) -> None:
        """Let it stop after the current step of its run."""
        self._tell("stop", "")

    def ask_to_end(self) -> None:
        """Let it end: at once, whatever it does."""
        self.stop()
        with suppress(OSError):
            self._in.close()

    def see_it_end(self, until: float) -> None:
        """Wait for its end, until that time of the monotonic clock; then it is killed."""
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()
        self._errors.close()

    @staticmethod
    def telling(processes: Sequence["Process"], seconds: float) -> list["Process"]:
        """Those that have something to tell, their end among it; waits so long for it at most."""
        of = {stream.fileno(): process for process in processes for stream in (process._out, process._errors)}
        poll = select.poll()
        for descriptor in of:
            poll.register(descriptor, select.POLLIN)
        told = [of[descriptor] for descriptor, _ in poll.poll(1000 * seconds)]
        # Not told by the pipe of one that has left a child of its own behind, which has the pipe's end as well.
        ended = [process for process in processes if process._process.poll() is not None]
        return list(dict.fromkeys([*told, *ended]))

    def lines(self) -> Iterator[tuple[str, str]]:
        """Words and what stands behind them, as `worker` sends them; notices that it has ended."""
        ended = self._process.poll() is not None  # before the rest is read
        self._told, closed = self._more(self._out.fileno(), self._told)
        self.is_over = ended or closed
        *lines, self._told = self._told.split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            yield word, rest

    def printed(self) -> Iterator[str]:
        """Whole lines that it and its programs printed; of a very long one its pieces."""
        self._said, over = self._more(self._errors.fileno(), self._said)
        *lines, self._said = self._said.split(b"\n")
        if self._said and (over or len(self._said) > _PIECE):
            lines, self._said = [*lines, self._said], b""
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if text:
                self._last = text
                yield text

    def how_it_ended(self) -> str:
        """A sentence, once it is over."""
        code = self._process.returncode
        if code >= 0:
            last = f"; it printed last: {self._last[:_LAST]}" if self._last else ""
            return f"the process that made it ended with exit code {code}{last}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        why = ", as the system does where memory runs out" if -code == signal.SIGKILL else ""
        return (
            f"the process that made it was ended by {name}{why}; what it finished is kept, and the same command goes on"
        )

    def _tell(self, word: str, rest: str) -> None:
        with suppress(OSError, ValueError):  # it has ended, which its output tells
            self._in.write(f"{word} {rest}\n".encode())
            self._in.flush()

    @staticmethod
    def _more(descriptor: int, before: bytes) -> tuple[bytes, bool]:
        """What was there and is there now, and whether there will be no more."""
        pieces = [before]
        try:
            while piece := os.read(descriptor, _PIECE):
                pieces.append(piece)
        except BlockingIOError:
            return b"".join(pieces), False
        return b"".join(pieces), True
