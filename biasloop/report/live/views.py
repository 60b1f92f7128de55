"""What a person sees while runs go on: a live table on a terminal, plain lines in a log, objects for scripts."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from biasloop.config.experiment import BoundSection, PlotSection
from biasloop.errors import InvalidInput
from biasloop.feedback.rule import LoopBound, RuleSettings
from biasloop.printable import printable, printable_lines
from biasloop.report.bounds import bound_over_rounds
from biasloop.report.output import console, emit, measurement, note, say
from biasloop.report.tables import formatting
from biasloop.running.engine import Committed, Event, Notice, Step
from biasloop.running.executors import Watcher
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended

if TYPE_CHECKING:
    from rich.live import Live

STOPPING = "stopping after the current step (once more stops at once)"


class View(Watcher, Protocol):
    """Shows what happens."""

    def close(self) -> None:
        """The last run has ended, or was interrupted."""


@dataclass
class Rows:
    """The rows of one run's table, and how long the rest may take.

    Attributes:
        expected: rounds of the run.
        plot: which metrics the preset shows.
    """

    loop: RuleSettings
    section: BoundSection | None
    expected: int
    plot: PlotSection = field(default_factory=PlotSection)
    delta: float | None = None
    rows: list[tuple[str, ...]] = field(default_factory=list)
    spent: list[tuple[int, float]] = field(default_factory=list)
    rounds: int = 0

    @classmethod
    def of(cls, planned: Planned) -> "Rows":
        """An empty table for a run that starts."""
        experiment = planned.experiment
        return cls(experiment.loop, experiment.bound, planned.rounds, experiment.plot)

    @property
    def headers(self) -> list[str]:
        """Names of the columns."""
        shown = self._series if self._without_bound else ["bias", "bound"]
        return ["round", *self.loop.columns(), self.plot.quality, *shown, "seconds"]

    def add(self, event: Committed) -> tuple[str, ...]:
        """A round's row."""
        sizes = [formatting.count(event.sizes.get(name, 0)) for name in self.loop.columns()]
        shown = self._shown(event) if self._without_bound else self._bias(event)
        seconds = formatting.MISSING if event.seconds is None else f"{event.seconds:.1f}"
        row = (str(event.number), *sizes, self._quality(event), *shown, seconds)
        self.rows.append(row)
        self.rounds += event.number >= 0
        if event.seconds is not None and event.number >= 0:
            self.spent.append((self.loop.trained(event.number), event.seconds))
        return row

    @property
    def _series(self) -> list[str]:
        """The metrics that the preset shows, besides quality."""
        return [name for name in self.plot.series if name != self.plot.quality]

    @property
    def _without_bound(self) -> bool:
        """Whether the metrics that the preset shows stand where bias and bound do."""
        return self._bound is None or (self.section is None and bool(self.plot.series))

    @cached_property
    def _bound(self) -> LoopBound | None:
        """Of the rule; None also where it is not known with these settings."""
        try:
            return self.loop.bound()
        except InvalidInput:
            return None

    def _shown(self, event: Committed) -> tuple[str, ...]:
        """The metrics that the preset shows."""
        values = [event.metrics[name].value if name in event.metrics else math.nan for name in self._series]
        return tuple(formatting.number(value, 3) for value in values)

    def _quality(self, event: Committed) -> str:
        quality = event.metrics.get(self.plot.quality)
        return formatting.MISSING if quality is None else formatting.quality(self.plot.quality, quality.value)

    def _bias(self, event: Committed) -> tuple[str, str]:
        section, metrics = self.section, event.metrics
        if section is None or section.metric not in metrics or section.baseline not in metrics:
            return formatting.MISSING, formatting.MISSING
        bias = metrics[section.metric].value - metrics[section.baseline].value
        if event.number == 0:
            self.delta = bias
        if self.delta is None or self._bound is None:
            return _signed(bias), formatting.MISSING
        return _signed(bias), _signed(bound_over_rounds(self._bound, self.delta, event.number)[-1])

    def seconds_left(self) -> float | None:
        """An estimate that weighs rounds by the rows they train on; None before the first round."""
        rows, seconds = (sum(column) for column in zip(*self.spent, strict=True)) if self.spent else (0, 0.0)
        if not rows:
            return None
        ahead = sum(self.loop.trained(number) for number in range(self.rounds, self.expected))
        return float(seconds) / float(rows) * ahead


def _signed(value: float) -> str:
    return formatting.MISSING if math.isnan(value) else f"{value:+.3f}"


def title(planned: Planned) -> str:
    """What a run is called on the screen."""
    arm = f", {planned.arm}" if planned.arm else ""
    return printable(f"{planned.experiment.name}{arm}, seed {planned.seed}")


class PlainView:
    """One line a round, for logs."""

    def __init__(self) -> None:
        self.table: Rows | None = None

    def start(self, planned: Planned) -> None:
        """The run's title and the column names."""
        self.table = Rows.of(planned)
        say(f"\n{title(planned)} -> {printable(str(planned.directory))}")
        say("  ".join(f"{printable(name):>8}" for name in self.table.headers))

    def event(self, planned: Planned, event: Event) -> None:
        """A line for a round or a notice."""
        if isinstance(event, Committed) and self.table:
            say("  ".join(f"{cell:>8}" for cell in self.table.add(event)))
        elif isinstance(event, Notice):
            note(event.text)

    def end(self, ended: Ended) -> None:
        """The next run says so."""

    def close(self) -> None:
        """Nothing is open."""


class JsonView:
    """One object a round on stdout."""

    def __init__(self) -> None:
        self.planned: Planned | None = None

    def start(self, planned: Planned) -> None:
        """Remember which run speaks."""
        self.planned = planned

    def event(self, planned: Planned, event: Event) -> None:
        """An object for a round; notices go to stderr."""
        if isinstance(event, Notice):
            note(event.text)
        elif isinstance(event, Committed) and self.planned:
            emit(round_object(self.planned, event))

    def end(self, ended: Ended) -> None:
        """The next run says so."""

    def close(self) -> None:
        """Nothing is open."""


def round_object(planned: Planned, event: Committed) -> dict[str, Any]:
    """What scripts are told of a round."""
    return {
        "run": str(planned.directory),
        "seed": planned.seed,
        "arm": planned.arm,
        "round": event.number,
        "metrics": {name: measurement(metric) for name, metric in event.metrics.items()},
        "sizes": dict(event.sizes),
        "seconds": event.seconds,
    }


class LiveView:
    """A table that grows, and a progress bar for the steps of the round under way."""

    def __init__(self, runs: int, stopping: Callable[[], bool] = lambda: False) -> None:
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
        self.runs_ahead = runs
        self.finished: list[float] = []
        self.drawn = 0.0
        self.stopping, self.over = stopping, False

    def start(self, planned: Planned) -> None:
        """Close the former run's table and open one for this run."""
        from rich.live import Live

        self.close()
        self.runs_ahead -= 1
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
            self.live.console.print(printable_lines(event.text), soft_wrap=True)
            return
        if isinstance(event, Committed):
            self.table.add(event)
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
        others = f", {formatting.counted(self.runs_ahead, 'more run')}" if self.runs_ahead else ""
        return f"about {formatting.duration(left)} left{others}"

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
        """Leave the table of the run on the screen."""
        self.close()

    def close(self) -> None:
        """Leave the whole table of the run on the screen, without the bar."""
        if self.live is not None and self.table is not None:
            self.over = True
            self.live.stop()
            self.live = None
