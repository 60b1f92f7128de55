"""Ctrl-C, SIGTERM and a closed terminal: a run ends after the current step, anything else at once, and says so."""

import errno
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import ParamSpec

import typer

from biasloop.report.output import note

P = ParamSpec("P")


class Stopping:
    """Whether, and by which signal, the person asked to stop; a second signal ends everything at once.

    Attributes:
        signal: its number; 0 if nobody asked.
        shown: whether somebody else says that it was heard: a live table, which would paint over a line.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.shown = False
        self._terminal = _has_terminal()
        for number in _signals():
            signal.signal(number, self._asked)

    def __call__(self) -> bool:
        """True once asked."""
        return bool(self.signal)

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP (the terminal was closed)."""
        return 128 + self.signal

    def unless_closed(self, tell: Callable[P, None]) -> Callable[P, None]:
        """The same function; a terminal that has gone is a wish to stop, and no error."""

        def telling(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                tell(*args, **kwargs)
            except OSError as error:  # it may fail an instant before the signal comes
                closed = self._terminal and not _has_terminal()
                if error.errno not in (errno.EIO, errno.EPIPE) or not forsake_lost_terminal(pipes=closed):
                    raise
                self.signal = self.signal or signal.SIGHUP

        return telling

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        _let_go(self._terminal)
        if self.shown:
            return
        with suppress(OSError):  # not printed: the signal may have come in the middle of printing
            os.write(2, b"stopping after the current step (once more stops at once)\n")


class Stopped(BaseException):
    """A signal asked for an end at once; its number is the argument."""


@contextmanager
def stoppable(left: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end what runs inside at once, and the person is told what is there.

    Args:
        left: says it, as what follows "stopped; ".

    Raises:
        typer.Exit: with 128 + the signal's number.
    """
    terminal = _has_terminal()

    def stop(number: int, frame: FrameType | None) -> None:
        _let_go(terminal)  # a second one ends even what is left to do
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _signals()}
    try:
        yield
    except Stopped as stopped:
        note(f"stopped; {left()}")
        raise typer.Exit(128 + int(stopped.args[0])) from None
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not signal.SIG_IGN:  # the terminal is gone, and may say so once more
                signal.signal(number, handler)


def output_of(path: Path) -> Callable[[], str]:
    """Says, when asked, what has become of a file that is written whole or not at all."""
    before = _identity(path)

    def left() -> str:
        now = _identity(path)
        if now is None:
            return f"{path} was not written"
        return f"{path} is as it was before" if now == before else f"{path} is written, and whole"

    return left


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def _signals() -> list[signal.Signals]:
    """Those that ask for an end; not SIGHUP where whoever started the program had it ignored (nohup)."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def _let_go(terminal: bool) -> None:
    """From now on a signal ends the program at once.

    Args:
        terminal: whether there was one at first. If it is gone, shell and system send SIGHUP one after the other for
            the one thing that has happened: the second asks for nothing more.
    """
    closed = terminal and not _has_terminal()
    for number in _signals():
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        else:
            ignored = closed and number == signal.SIGHUP
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    forsake_lost_terminal(pipes=closed)


def _has_terminal() -> bool:
    """Whether the program belongs to a terminal, whatever its output goes to."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def forsake_lost_terminal(*, pipes: bool = False) -> bool:
    """What would be written to a terminal that is no longer there is written nowhere: else every write would fail.

    Args:
        pipes: likewise where a pipe led to a program that has ended with the terminal.

    Returns:
        Whether there was such a terminal.
    """
    lost = False
    for stream in (1, 2):
        if _is_lost(stream, pipes=pipes):
            lost = True
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)
    return lost


def _is_lost(stream: int, *, pipes: bool) -> bool:
    try:
        os.write(stream, b"")
    except OSError as error:
        return error.errno == errno.EIO
    poll = select.poll()
    poll.register(stream, 0)
    return pipes and any(event & select.POLLERR for _, event in poll.poll(0))
