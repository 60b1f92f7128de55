"""Where output goes: data on stdout, everything else on stderr; commands are never wrapped.

Names, values and messages come from files that anybody may have made: what a terminal would obey is spelt out here.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, TextIO

from biasloop.printable import printable, printable_lines
from biasloop.report.wrapping import for_stream

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from biasloop.contract.data import Metric


_UNLIMITED = 100_000  # characters a line
_FINITE = frozenset({str, int, bool, type(None)})


def console(*, stderr: bool = False) -> "Console":
    """A rich console; plain and as wide as it needs to be where the output is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNLIMITED
    # Cells are people's own words (a class may be called [PAD]): nothing in them is markup.
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width, soft_wrap=False)


_hushed = {"notes": False}
_noted: set[str] = set()  # what `note_once` has said


def hush(*, asked: bool) -> None:
    """From now on say nothing but the answer and what went wrong (`--quiet`), or everything again, as a new command."""
    _hushed["notes"] = asked
    _noted.clear()


def hushed() -> bool:
    """Whether nothing but the answer and what went wrong is to be said."""
    return _hushed["notes"]


def note(text: str, *, urgent: bool = False) -> None:
    """A line for the person, never for scripts; broken between words on a terminal, but no command in it.

    What went wrong is not broken at all, whatever is to be copied from it.

    Args:
        text: the line.
        urgent: whether it is said with `--quiet` as well: what went wrong.
    """
    if hushed() and not urgent:
        return
    with suppress(OSError):  # nobody is there to read it
        line = printable_lines(text)
        print(line if urgent else for_stream(line, sys.stderr), file=sys.stderr, flush=True)


def note_once(text: str) -> None:
    """A note that comes from several runs or steps of one command, and is said at the first of them."""
    if text not in _noted:
        _noted.add(text)
        note(text)


def was_noted(text: str) -> bool:
    """Whether `note_once` has said so in this command."""
    return text in _noted


def say(text: str = "") -> None:
    """A line of the answer."""
    print(f"{printable_lines(text)}\n", end="", flush=True)  # in one piece: the reader of a pipe may be gone after it


def hint(text: str = "") -> None:
    """A line below the answer that says what to do next; none with `--quiet`."""
    if not hushed():
        say(text)


_answers: list[TextIO] = []  # where JSON goes while everything else that is printed goes to stderr


@contextmanager
def json_alone() -> Iterator[None]:
    """Inside, `emit` alone writes to stdout: what a plugin prints goes to stderr."""
    _answers.append(_answers[-1] if _answers else sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _answers.pop()


def emit(value: Any) -> None:
    """JSON on stdout; what is not a finite number is null."""
    try:
        text = json.dumps(value, allow_nan=False)  # as it is nearly always
    except (ValueError, TypeError):
        text = json.dumps(finite(value))
    print(text, file=_answers[-1] if _answers else sys.stdout, flush=True)


def measurement(metric: "Metric") -> dict[str, Any]:
    """A measured number as scripts read it; null with the reason where it is 0/0."""
    if not metric.n:
        return {"value": None, "n": 0, "se": None, "reason": "0/0: there are no rows that it could rest on"}
    return {"value": metric.value, "n": metric.n, "se": metric.error}


def finite(value: Any) -> Any:
    """The value with NaN and infinity as None, all the way down."""
    if type(value) in _FINITE:  # nearly all that there is in the lines of thousands of runs
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), title: str = ""
) -> "Table":
    """A table; columns whose index is in `right` are right-aligned. A cell has one line."""
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, title=printable(title) or None, title_justify="left", pad_edge=False)
    for index, name in enumerate(columns):
        drawn.add_column(printable(name), justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(printable, row))
    return drawn


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Lines of columns, as a table has them, for thousands of rows, which would take a table seconds to draw."""
    cells = [list(map(printable, row)) for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "   ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )
    return "\n".join(f" {line.rstrip()}" for line in lines)


def show(drawn: "Table", *, stderr: bool = False) -> None:
    """Print a table."""
    console(stderr=stderr).print(drawn)
