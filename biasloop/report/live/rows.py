"""The rows of one run's table: a round each, and how long the rest of them may take."""

import math
from dataclasses import dataclass, field
from functools import cached_property

from biasloop.config.experiment import BoundSection, PlotSection
from biasloop.errors import InvalidInput
from biasloop.feedback.rule import LoopBound, RuleSettings
from biasloop.report.bounds import bound_over_rounds
from biasloop.report.labels import heading
from biasloop.report.tables import formatting
from biasloop.running.engine import Committed
from biasloop.running.study import Planned


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
        metrics = [heading(name, self.plot.labels) for name in (self.plot.quality, *shown)]
        return ["round", *self.loop.columns(), *metrics, "seconds"]

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
        if self.section is None:
            return self._bound is None or bool(self.plot.series)
        return self._bound is None or not self.section.is_shown(self.plot.series)

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
            measured = metrics.get("bias")  # by the run itself, where its preset has no [bound]
            return formatting.MISSING if measured is None else _signed(measured.value), formatting.MISSING
        bias = metrics[section.metric].value - metrics[section.baseline].value
        if event.number == section.lag:
            self.delta = bias
        if self.delta is None or self._bound is None:
            return _signed(bias), formatting.MISSING
        return _signed(bias), _signed(bound_over_rounds(self._bound, self.delta, event.number, section.lag)[-1])

    def seconds_left(self) -> float | None:
        """An estimate that weighs rounds by the rows they train on; None before the first round."""
        rows, seconds = (sum(column) for column in zip(*self.spent, strict=True)) if self.spent else (0, 0.0)
        if not rows:
            return None
        ahead = sum(self.loop.trained(number) for number in range(self.rounds, self.expected))
        return float(seconds) / float(rows) * ahead


def _signed(value: float) -> str:
    return formatting.MISSING if math.isnan(value) else f"{value:+.3f}"
