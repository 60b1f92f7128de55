"""On a terminal, one run at a time: a table that grows."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from biasloop.printable import printable, printable_lines
from biasloop.report.live.pace import Pace
from biasloop.report.live.rows import Rows
from biasloop.report.live.view import STOPPING, Ends, title
from biasloop.report.output import console, note
from biasloop.report.tables import formatting
from biasloop.report.wrapping import wrapped
from biasloop.running.engine import Committed, Event, Notice, Step
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended

if TYPE_CHECKING:
    from rich.live import Live


class LiveView:
    """A table that grows, and a progress bar for the steps of the round under way."""

    def __init__(self, planned: Sequence[Planned], stopping: Callable[[], bool] = lambda: False) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.console = console()
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"), console=self.console,
        )  # fmt: skip
        self.task = self.progress.add_task("", total=None, left="")
        self.live: Live | None = None
        self.table: Rows | None = None
        self.title = ""
        self.runs_ahead = len(planned)
        self.ends, self.pace = Ends(len(planned)), Pace(planned)
        self.drawn = 0.0
        self.stopping, self.over = stopping, False

    def start(self, planned: Planned) -> None:
        """Close the former run's table and open one for this run."""
        from rich.live import Live

        self.close()
        self.runs_ahead = max(0, self.runs_ahead - 1)
        self.table, self.title = Rows.of(planned), title(planned)
        self.progress.reset(self.task, description="starting", total=None, left="")
        self.over = False
        self.live = Live(get_renderable=self._draw, console=self.console, refresh_per_second=8, transient=False)
        self.live.start()

    def event(self, planned: Planned, event: Event) -> None:
        """Update the table or the bar."""
        if self.live is None or self.table is None:
            return
        if isinstance(event, Notice):
            self.live.console.print(wrapped(printable_lines(event.text), self.console.width), soft_wrap=True)
            return
        if isinstance(event, Committed):
            self.table.add(event)
            self.pace.add(planned, event)
        elif isinstance(event, Step):
            if time.monotonic() - self.drawn < 0.1 and event.done < event.total:
                return
            call = printable(event.call).replace("/", " ").replace("round-", "round ")
            self.progress.update(
                self.task, description=call, completed=event.done, total=event.total, left=self._left()
            )
        self.drawn = time.monotonic()
        self.live.refresh()

    def _left(self) -> str:
        left = self.table.seconds_left() if self.table else None
        if left is None:
            return ""
        study = self.pace.left()
        if not self.runs_ahead or study is None:
            return f"about {formatting.duration(left)} left"
        others = formatting.counted(self.runs_ahead, "more run")
        return f"about {formatting.duration(left)} left, {others}, about {formatting.duration(study)} for all"

    def _draw(self) -> Any:
        from rich.console import Group

        rows = self.table.rows if self.table else []
        room = max(5, self.console.height - 8)
        hidden = max(0, len(rows) - room) if self.live else 0
        if self.over:
            return self._table(rows)
        # A line of its own would be painted over: what stands on the screen is drawn anew, eight times a second.
        asked = [STOPPING] if self.stopping() else []
        return Group(self._table(rows[hidden:], hidden), self.progress, *asked)

    def _table(self, rows: list[tuple[str, ...]], hidden: int = 0) -> Any:
        from biasloop.report.output import table

        headers = self.table.headers if self.table else []
        heading = self.title + (f" ({hidden} earlier rounds not shown)" if hidden else "")
        return table(
            headers,
            rows,
            right=range(len(headers)),
            title=heading,
        )

    def end(self, ended: Ended) -> None:
        """Leave the table of the run on the screen, and say what went wrong."""
        self.close()
        self.pace.end(ended)
        text = self.ends.words(ended)
        if text:
            note(text)

    def close(self) -> None:
        """Leave the whole table of the run on the screen, without the bar."""
        if self.live is not None and self.table is not None:
            self.over = True
            self.live.stop()
            self.live = None
