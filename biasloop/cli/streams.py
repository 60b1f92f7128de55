"""Standard streams that are closed, full, or closed by the other end: `>&-`, `> /dev/full`, `| head -1`."""

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

_PRINT = {"rich", "typer", "cli", "output.py", "live.py"}  # packages and modules that write to standard output


def open_closed() -> None:
    """Open what the shell has closed, on nothing, and let no character keep a stream from printing.

    Else Python has no stream at all there, and the next file to be opened would get its number: what a program that
    biasloop starts prints would go into that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
    if sys.stdin is None:
        sys.stdin = _nothing("r")
    if sys.stdout is None:
        sys.stdout = _nothing("w")
    if sys.stderr is None:
        sys.stderr = _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character gets a question mark


def _nothing(mode: str) -> TextIO:
    stream: TextIO = Path(os.devnull).open(mode, encoding="utf-8")  # type: ignore[assignment] # noqa: SIM115
    return stream


def settle() -> None:
    """Bring out what is still to be printed; a stream that does not take it is silenced."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _silence(stream)


def is_of_printing(error: OSError) -> bool:
    """Whether an error comes from a stream rather than from a file: it names none, and whoever prints raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return error.filename is None and bool(_PRINT & set(Path(last.filename).parts))


def _silence(stream: TextIO) -> None:
    """What is printed from now on, and what waits in the buffer, goes nowhere; else Python complains at its end."""
    try:
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    except (OSError, ValueError):  # a stream without a number, in tests
        return
