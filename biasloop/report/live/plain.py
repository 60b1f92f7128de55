"""For logs: a line a round."""

from collections.abc import Sequence
from pathlib import Path

from biasloop.printable import printable
from biasloop.report.live.pace import Pace
from biasloop.report.live.rows import Rows
from biasloop.report.live.view import Ends, name, sum_up, title
from biasloop.report.output import note, say
from biasloop.running.engine import Committed, Event, Notice
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended

_WIDEST = 40  # characters of a run's name in front of its lines
_NARROWEST = 8  # characters of a column


class PlainView:
    """One line a round; with several runs at once, each line names its run.

    Attributes:
        tables: of the runs under way.
    """

    def __init__(self, planned: Sequence[Planned], at_once: int = 1, *, several: bool = False) -> None:
        self.tables: dict[Path, Rows] = {}
        self.several = several
        self.ends = Ends(len(planned))
        self.pace = Pace(planned, at_once)
        self.width = min(_WIDEST, max((len(name(item)) for item in planned), default=0)) if self.several else 0
        self.headed = False
        self.widths: list[int] = []

    def start(self, planned: Planned) -> None:
        """Where the run lies, and the column names."""
        self.tables[planned.directory] = Rows.of(planned)
        if not self.several:
            say(f"\n{title(planned)} -> {printable(str(planned.directory))}")
        if not (self.several and self.headed):
            headers = self.tables[planned.directory].headers
            self.widths = [max(_NARROWEST, len(printable(header))) for header in headers]
            self._line("", headers)
        if self.several:
            say(f"{name(planned):<{self.width}}  -> {printable(str(planned.directory))}")
        self.headed = True

    def event(self, planned: Planned, event: Event) -> None:
        """A line for a round or a notice."""
        if isinstance(event, Committed):
            self.pace.add(planned, event)
            self._line(name(planned), self.tables[planned.directory].add(event))
        elif isinstance(event, Notice):
            note(f"{name(planned)}: {event.text}" if self.several else event.text)

    def end(self, ended: Ended) -> None:
        """What went wrong; and of several runs, how far the study is."""
        text = self.ends.words(ended)
        if text:
            note(text)
        self.pace.end(ended)
        if self.ends.runs > 1 and not ended.held and not ended.stopped:
            counts = self.pace.counts
            note(sum_up(counts.done, self.ends.runs, self.pace.left(), failed=counts.failed))

    def close(self) -> None:
        """Nothing is open."""

    def _line(self, first: str, cells: Sequence[str]) -> None:
        named = [f"{first:<{self.width}}"] if self.several else []
        widths = [*self.widths, *[_NARROWEST] * (len(cells) - len(self.widths))]
        say("  ".join([*named, *(printable(cell).rjust(width) for cell, width in zip(cells, widths, strict=False))]))
