"""What arms measured: over seeds, in the first and the last round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from biasloop.contract.data import Metric as Measurement
from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import over_seeds
from biasloop.metrics.shares import are_shares
from biasloop.report.arms import NAN, Arm
from biasloop.report.comparison import LABEL_ERROR
from biasloop.report.figures import metric_by_setting
from biasloop.report.figures.of_runs import axis_label
from biasloop.report.paired import BIAS, BOUND_BIAS, bias_of_bound
from biasloop.report.tables import summary
from biasloop.report.unnamed import stand_ins
from biasloop.store.reader import Run

SEEDS, ROWS = "seeds", "test rows"
"""What an interval is of: the mean over seeds, or the test rows of the only seed."""

BOUND = "bound"
"""Theorem 1, computed of a preset's [bound]."""


@dataclass(frozen=True)
class Value:
    """A metric of an arm.

    Attributes:
        mean: over the seeds that measured it.
        std: sample standard deviation over them; NaN for one.
        low: lower end of the 95 % interval; NaN where none is known.
        high: upper end.
        n: seeds.
        rows: the fewest test rows, or other samples, that a seed's number rests on; 0 where that is not said.
        of: what the interval is of, `SEEDS` or `ROWS`; empty without one.
    """

    mean: float
    std: float
    low: float
    high: float
    n: int
    rows: int
    of: str = ""


@dataclass(frozen=True)
class Metric:
    """A metric that a table has a column of: its name and what people call it."""

    name: str
    label: str


@dataclass(frozen=True)
class ArmResult:
    """What an arm measured.

    Attributes:
        label: the arm's; empty for the only one.
        seeds: of its runs with a finished round.
        rounds: that all of these have.
        first: metrics of round 0, by name.
        last: of the last of these rounds; with "bias" and "bound" where the preset has a bound.
        by_round: the metrics of the main table, by name, a value a round.
    """

    label: str
    seeds: Sequence[int]
    rounds: int
    first: Mapping[str, Value]
    last: Mapping[str, Value]
    by_round: Mapping[str, Sequence[Value]]


@dataclass(frozen=True)
class Against:
    """A study against a setting: means with 95 % intervals over replicates, as text."""

    setting: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Results:
    """The tables of a study.

    Attributes:
        metrics: of the main table.
        arms: a row each.
        every: all metrics of last rounds.
        against: None for a study that is about rounds.
    """

    metrics: Sequence[Metric]
    arms: Sequence[ArmResult]
    every: Sequence[Metric]
    against: Against | None = None


def results(runs: Sequence[Run], arms: Sequence[Arm]) -> Results:
    """The tables of arms that have a finished round."""
    main = main_metrics(arms)
    shown = [_arm_result(arm, main) for arm in arms]
    every = dict.fromkeys([*main, *(name for arm in shown for name in arm.last)])
    return Results(_named(arms, main), shown, _named(arms, every), _against(runs))


def main_metrics(arms: Sequence[Arm]) -> list[str]:
    """What the preset speaks of: bias and bound, series or stand-ins, quality, label error, as far as measured."""
    first = arms[0].runs[0]
    section = first.bound_section
    bounded = []
    if section is not None and any(run.has(section.metric, section.baseline) for arm in arms for run in arm.runs):
        bounded = [bias_of_bound(arms), BOUND]
    named = [
        *([section.metric, section.baseline] if section is not None else []),
        *series_of(first.run),
        *stand_ins(arms),
    ]
    names = [*bounded, *named, summary.quality_of(arms), LABEL_ERROR]
    measured = {name for arm in arms for run in arm.runs for row in run.metrics for name in row}
    return [name for name in dict.fromkeys(names) if name in measured or name in bounded]


def series_of(run: Run) -> list[str]:
    """The metrics that a run's preset draws."""
    return list(run.manifest.about.get("plot", {}).get("series", []))


def _named(arms: Sequence[Arm], names: Sequence[str] | Mapping[str, object]) -> list[Metric]:
    return [named(arms[0].runs[0].run, name) for name in names]


def named(run: Run, name: str) -> Metric:
    """A metric, called as axes call it."""
    section = run.manifest.about.get("bound", {})
    label = axis_label(run, name)
    if name == BOUND_BIAS:
        label = f"{axis_label(run, section.get('metric'))}, less the baseline"
    return Metric(name, label[:1].upper() + label[1:])


def _arm_result(arm: Arm, main: Sequence[str]) -> ArmResult:
    last = arm.rounds - 1
    by_round = {name: [value_of(arm, name, number) for number in range(arm.rounds)] for name in main}
    names = dict.fromkeys([*main, *(name for run in arm.runs for name in run.metrics[last])])
    return ArmResult(
        arm.label, [run.seed for run in arm.runs], arm.rounds,
        {name: value_of(arm, name, 0) for name in names},
        {name: value_of(arm, name, last) for name in names},
        by_round,
    )  # fmt: skip


def value_of(arm: Arm, name: str, number: int) -> Value:
    """A metric of an arm in a round; also bias and bound, as the preset's [bound] has them."""
    derived = _derived(arm, name, number)
    if derived is not None:
        return _over(derived, 0, share=False)
    rows = [run.metrics[number] for run in arm.runs]
    metrics = [row[name] for row in rows if name in row and math.isfinite(row[name].value)]
    if not metrics:
        return Value(NAN, NAN, NAN, NAN, 0, 0)
    fewest = min(metric.n for metric in metrics)
    if len(metrics) == 1:
        return _of_rows(name, metrics[0])
    return _over([metric.value for metric in metrics], fewest, share=are_shares(name, metrics))


def _derived(arm: Arm, name: str, number: int) -> list[float] | None:
    """Bias or bound by seed; None of any other metric."""
    measured = name == BIAS and any(run.has(BIAS) for run in arm.runs)
    if name not in {BIAS, BOUND_BIAS, BOUND} or arm.runs[0].bound_section is None or measured:
        return None
    values = []
    for run in arm.runs:
        try:
            series = run.bound() if name == BOUND else run.bias()
        except InvalidInput:  # no such metric in this run
            continue
        if math.isfinite(series[number]):
            values.append(float(series[number]))
    return values


def _over(values: Sequence[float], rows: int, *, share: bool) -> Value:
    if not values:
        return Value(NAN, NAN, NAN, NAN, 0, 0)
    spread = over_seeds(values)
    low, high = (np.clip([spread.low, spread.high], 0, 1).tolist()) if share else (spread.low, spread.high)
    return Value(spread.mean, spread.std, low, high, spread.n, rows, SEEDS if math.isfinite(low) else "")


def _of_rows(name: str, metric: Measurement) -> Value:
    low, high = metric_by_setting.row_intervals(name, [metric])[:, 0].tolist()
    return Value(metric.value, NAN, low, high, 1, metric.n, ROWS if math.isfinite(low) else "")


def _against(runs: Sequence[Run]) -> Against | None:
    table = summary.by_setting(runs)
    if table is None:
        return None
    headers, rows = table
    return Against(str(runs[0].manifest.about["plot"]["x"]), headers, rows)
