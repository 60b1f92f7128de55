"""On a terminal, several runs at once: one table for all, a row a run under way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biasloop.printable import printable, printable_lines
from biasloop.report.live.pace import Pace
from biasloop.report.live.rows import Rows
from biasloop.report.live.view import STOPPING, Ends, name, sum_up
from biasloop.report.output import console, table
from biasloop.report.tables import formatting
from biasloop.report.wrapping import wrapped
from biasloop.running.engine import Committed, Event, Notice, Step
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended
from biasloop.store import claims

if TYPE_CHECKING:
    from rich.live import Live

_AROUND = 8  # lines of the screen that are no rows: heading, rules, what stands below
_FAILED = 3  # failed runs whose words stand below the table
_BETWEEN = 3  # characters from column to column
_DOING = 12  # fewer characters of what goes on are not worth a column
_LAST = 3  # finished runs that are shown, where there is room


@dataclass
class Line:
    """A run's row: what it does, and its rounds so far."""

    planned: Planned
    rows: Rows
    state: str = "starting"
    goes_on: bool = True

    def cells(self) -> list[str]:
        """Name, rounds, what the newest round measured, what goes on, time left."""
        first = 1 + len(self.rows.loop.columns())
        measured = list(self.rows.rows[-1][first:-1]) if self.rows.rows else []
        missing = [formatting.MISSING] * (len(self.rows.headers) - first - 1 - len(measured))
        left = self.rows.seconds_left() if self.goes_on else None
        return [
            name(self.planned), f"{self.rows.rounds} of {self.rows.expected}", *measured, *missing, self.state,
            "" if left is None else formatting.duration(left),
        ]  # fmt: skip

    def headers(self) -> list[str]:
        """Names of the columns."""
        first = 1 + len(self.rows.loop.columns())
        return ["run", "rounds", *self.rows.headers[first:-1], "doing", "left"]


def _without(cells: list[str]) -> list[str]:
    """A row without what goes on."""
    return [*cells[:-2], cells[-1]]


class StudyView:
    """One table for all runs, in the height of the terminal.

    Attributes:
        under_way: runs that go on here.
        elsewhere: runs that other processes make.
        finished: the last few runs that are done.
        failed: names and reasons.
    """

    def __init__(self, planned: Sequence[Planned], at_once: int, stopping: Callable[[], bool] = lambda: False) -> None:
        self.console, self.stopping = console(), stopping
        self.runs, self.pace, self.ends = len(planned), Pace(planned, at_once), Ends(len(planned))
        self.under_way: dict[Path, Line] = {}
        self.elsewhere: dict[Path, Line] = {}
        self.finished: list[Line] = []
        self.failed: list[str] = []
        self.over = False
        self.live: Live | None = None

    def start(self, planned: Planned) -> None:
        """A row for the run."""
        from rich.live import Live

        self.elsewhere.pop(planned.directory, None)
        self.under_way[planned.directory] = Line(planned, Rows.of(planned))
        if self.live is None:
            self.live = Live(get_renderable=self._draw, console=self.console, refresh_per_second=4, transient=False)
            self.live.start()

    def event(self, planned: Planned, event: Event) -> None:
        """Update the run's row; notices stand above the table."""
        line = self.under_way[planned.directory]
        if isinstance(event, Notice):
            self._say(f"{name(planned)}: {event.text}")
        elif isinstance(event, Committed):
            line.rows.add(event)
            self.pace.add(planned, event)
        elif isinstance(event, Step):
            call = printable(event.call).replace("/", " ").replace("round-", "round ")
            line.state = f"{call} {formatting.percent(event.done / max(1, event.total), 0)}"

    def end(self, ended: Ended) -> None:
        """Take the run's row away."""
        line = self.under_way.pop(ended.planned.directory)
        line.goes_on = False
        self.pace.end(ended)
        text = self.ends.words(ended)
        if text:
            self._say(text)
        if ended.error:
            self.failed.append(f"{name(ended.planned)} failed: {' '.join(ended.error.split())}")
        elif ended.held:
            holder = claims.holder(ended.planned.directory)
            line.state = f"on {printable(holder.host)}" if holder else "elsewhere"
            self.elsewhere[ended.planned.directory] = line
        else:
            line.state = "done" if ended.outcome and ended.outcome.reason else "stopped"
            self.finished = [*self.finished, line][-_LAST:]

    def close(self) -> None:
        """Leave the line below the table on the screen."""
        if self.live is not None:
            self.over = True
            self.live.stop()
            self.live = None

    def _say(self, text: str) -> None:
        """A line above the table."""
        if self.live is not None:
            self.live.console.print(wrapped(printable_lines(text), self.console.width), soft_wrap=True)

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        failed = [Text(printable(text), no_wrap=True, overflow="ellipsis") for text in self.failed[-_FAILED:]]
        summary = Text(self._sum_up())
        if self.over:
            return Group(*failed, summary)
        # A line of its own would be painted over: what stands on the screen is drawn anew, four times a second.
        asked = [Text(STOPPING)] if self.stopping() else []
        return Group(self._table(max(1, self.console.height - _AROUND - len(failed))), *failed, summary, *asked)

    def _table(self, room: int) -> Any:
        """Runs under way first, then those of others, then the last finished ones, as far as there is room."""
        lines = [*self.under_way.values(), *self.elsewhere.values(), *reversed(self.finished)]
        shown = lines[:room]
        hidden = len(self.under_way) + len(self.elsewhere) - len(shown)
        headers = shown[0].headers() if shown else ["run"]
        heading = f"{formatting.counted(hidden, 'more run')} under way or elsewhere" if hidden > 0 else ""
        right = range(1, len(headers) - 2)
        cells = [line.cells() for line in shown]
        widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
        if sum(widths) - widths[-2] + _BETWEEN * len(widths) + _DOING > self.console.width:
            headers, cells = _without(headers), [_without(row) for row in cells]  # else all others lose their ends
            right = range(1, len(headers))
        drawn = table(headers, cells, right=right, title=heading)
        for column in drawn.columns:
            column.no_wrap, column.overflow = True, "ellipsis"
        return drawn

    def _sum_up(self) -> str:
        counts = self.pace.counts
        text = sum_up(
            counts.done, self.runs, self.pace.left(), failed=counts.failed, elsewhere=len(self.elsewhere)
        )  # fmt: skip
        waiting = self.runs - counts.done - counts.failed - len(self.elsewhere) - len(self.under_way)
        return f"{text}; {waiting:,} waiting" if waiting > 0 else text
