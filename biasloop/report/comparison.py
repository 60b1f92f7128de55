"""The arms of a study beside each other: what each measured over its seeds, and how far each is from one of them.

The one comparison that there is: `biasloop compare`, the end of `biasloop loop` and `Study.compare` show it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from biasloop.lazy import numpy as np
from biasloop.metrics.intervals import Spread, over_seeds
from biasloop.metrics.shares import are_shares
from biasloop.report.arms import Arm, begun
from biasloop.report.labels import heading
from biasloop.report.paired import (
    BIAS,
    BOUND_BIAS,
    Paired,
    arms_of_studies,
    bias_of_bound,
    compared_round,
    first_of_preset,
    last_common,
    paired,
    reference_arm,
    value_of,
)
from biasloop.report.tables import summary
from biasloop.report.unnamed import stand_ins
from biasloop.store.reader import Run

LABEL_ERROR = "label_error"
"""The metric of how many labels that models gave in a round are wrong."""

FEW = 4
"""Seeds below which an interval is said to be a guess."""

_NAMED = 6  # runs that a note names


@dataclass(frozen=True)
class ArmSummary:
    """What an arm measured in the compared round.

    Attributes:
        arm: its name.
        seeds: of its runs that have the round.
        values: by metric, over those seeds that have a number of it; an interval of a share is within 0 and 1.
    """

    arm: str
    seeds: tuple[int, ...]
    values: Mapping[str, Spread]


@dataclass(frozen=True)
class Comparison:
    """A study's arms, and their paired differences to one of them.

    Attributes:
        reference: name of the arm that the others are held against.
        round: of which all numbers are.
        metrics: that are compared, in the order of the tables; the arms may have more.
        arms: the reference first.
        differences: a row for each metric and arm, the reference first, itself without a difference.
        notes: which runs, arms and metrics are left out, and why.
        labels: what the preset calls metrics.
    """

    reference: str
    round: int
    metrics: tuple[str, ...]
    arms: tuple[ArmSummary, ...]
    differences: tuple[Paired, ...]
    notes: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    def of(self, metric: str) -> list[Paired]:
        """The rows of one metric."""
        return [row for row in self.differences if row.metric == metric]

    @property
    def seeds(self) -> int:
        """The fewest seeds that a difference rests on; 0 where there is no difference."""
        return min((len(row.seeds) for row in self.differences if row.arm != self.reference), default=0)


def compare(
    runs: Sequence[Run], *, to: str | None = None, metrics: Sequence[str] = (), number: int | None = None
) -> Comparison:
    """Compare the arms of stored runs, seed by seed.

    Args:
        runs: of one study, or of several of one domain.
        to: the arm to compare with, or the name of its directory; None for the preset's first.
        metrics: names, `BIAS` among them; none for bias where the preset has a [bound], what its [plot] shows (or
            `unnamed.stand_ins` without both), quality and label error.
        number: of the round; None for the one that `paired.compared_round` gives.

    Raises:
        InvalidInput: no run has a finished round, they are of several domains, there is no such arm, or no run of the
            reference has the round, or a number of a metric that was asked for.
    """
    return compare_arms(arms_of_studies(begun(runs)), runs, to=to, metrics=metrics, number=number)


def compare_arms(
    every: Sequence[Arm], runs: Sequence[Run], *, to: str | None = None, metrics: Sequence[str] = (),
    number: int | None = None,
) -> Comparison:  # fmt: skip
    """The same of runs that are arms already.

    Args:
        every: the arms.
        runs: all runs, those too that have no finished round.
        to: as in `compare`.
        metrics: as in `compare`.
        number: as in `compare`.

    Raises:
        InvalidInput: as in `compare`.
    """
    base = reference_arm(every, to or first_of_preset(every))
    chosen = compared_round(every, base) if number is None else number
    summarised = _in_round(every, chosen)
    wanted, extra = _wanted(every, metrics)
    shown = [*wanted, *(name for name in extra if any(name in _measured([arm], chosen) for arm in summarised))]
    of_base = _measured([base], chosen)
    compared = list(metrics) or [name for name in shown if name in of_base]
    notes = [
        f"{name} is not compared: no run of {base.label!r} has a number of it; `--metric NAME` names others"
        for name in shown
        if name not in compared
    ]
    rows = [_limited(row, every) for row in paired(every, base.label, compared, chosen)]
    notes += _left_out(runs, every, rows, chosen, asked=number is not None)
    first = [arm for arm in summarised if arm.label == base.label]
    others = [arm for arm in summarised if arm.label != base.label]
    summaries = tuple(_summary(arm, shown, chosen) for arm in [*first, *others])
    return Comparison(base.label, chosen, tuple(compared), summaries, tuple(rows), tuple(notes), _labels(base))


def _labels(base: Arm) -> dict[str, str]:
    """What the preset calls metrics, and the bias of its bound where runs measure another one."""
    first = base.runs[0]
    labels = dict(first.run.manifest.about.get("plot", {}).get("labels", {}))
    section = first.bound_section
    return labels if section is None else {BOUND_BIAS: f"bias of {heading(section.metric, labels)}", **labels}


def _wanted(every: Sequence[Arm], asked: Sequence[str]) -> tuple[list[str], list[str]]:
    """The metrics that somebody or the preset names, and those that are shown as far as there are any."""
    if asked:
        return list(dict.fromkeys(asked)), []
    first = every[0].runs[0]
    section, series = first.bound_section, list(first.run.manifest.about.get("plot", {}).get("series", []))
    bias = [] if section is None else [bias_of_bound(every)]
    if section is not None and section.is_shown(series):
        series = series[1:]
    named = list(dict.fromkeys([*bias, *series])) or stand_ins(every)
    return named, [name for name in (summary.quality_of(every), LABEL_ERROR) if name not in named]


def _in_round(every: Sequence[Arm], number: int) -> list[Arm]:
    """Arms with their runs that have a round; an arm without any is left out."""
    shortened = [replace(arm, runs=[run for run in arm.runs if number < len(run.metrics)]) for arm in every]
    return [arm for arm in shortened if arm.runs]


def _measured(every: Sequence[Arm], number: int) -> set[str]:
    """Metrics that a run of the arms has a number of."""
    runs = [run for arm in every for run in arm.runs if number < len(run.metrics)]
    names = {BIAS, BOUND_BIAS, *(name for run in runs for name in run.metrics[number])}
    return {name for name in names if any(math.isfinite(value_of(run, name, number)) for run in runs)}


def _summary(arm: Arm, metrics: Sequence[str], number: int) -> ArmSummary:
    values = {}
    for name in metrics:
        numbers = np.array([value_of(run, name, number) for run in arm.runs], np.float64)  # (runs,)
        finite = numbers[np.isfinite(numbers)]
        if len(finite):
            spread = over_seeds(finite)
            values[name] = _within(spread, _least(arm, name), 1.0) if _of_shares(arm, name) else spread
    return ArmSummary(arm.label, tuple(run.seed for run in arm.runs), values)


def _limited(row: Paired, every: Sequence[Arm]) -> Paired:
    """A row of shares without what they and their differences cannot be."""
    (arm,) = (arm for arm in every if arm.label == row.arm)
    if not _of_shares(arm, row.metric):
        return row
    value = _within(row.value, _least(arm, row.metric), 1.0)
    return replace(row, value=value, difference=_within(row.difference, -1.0, 1.0))


def _of_shares(arm: Arm, name: str) -> bool:
    """Whether a metric is a share, or bias that is the difference of a share and its baseline in the same test set."""
    section = arm.runs[0].bound_section if name in {BIAS, BOUND_BIAS} else None
    if section is not None:
        return not section.of_labels and _are_shares(arm, section.metric)
    return _are_shares(arm, name)


def _are_shares(arm: Arm, name: str) -> bool:
    return are_shares(name, (row[name] for run in arm.runs for row in run.metrics if name in row))


def _least(arm: Arm, name: str) -> float:
    return -1.0 if name in {BIAS, BOUND_BIAS} else 0.0


def _within(spread: Spread, least: float, most: float) -> Spread:
    """An interval that ends where the numbers do."""
    return replace(spread, low=max(spread.low, least), high=min(spread.high, most))


def _left_out(
    runs: Sequence[Run], every: Sequence[Arm], rows: Sequence[Paired], number: int, *, asked: bool
) -> list[str]:
    """The runs that ended before others did, or before the round that was asked for, and arms without a row."""
    notes = []
    without = [run for run in runs if len(run.rounds) <= number]
    if without:
        common = last_common(every)
        cure = "" if asked or common >= number else f"; `--round {common}` compares the last round that all have"
        names = _names([f"{run.directory} ({len(run.rounds)} finished rounds)" for run in without])
        notes.append(f"not compared, for want of round {number}: {names}{cure}")
    if not asked and any(len(run.rounds) > number + 1 for run in runs):
        names = _names([str(run.directory) for run in runs if len(run.rounds) == number + 1])
        notes.append(
            f"round {number} is compared, the last of {names}; `--round N` compares a later one, of runs that have it"
        )
    compared: dict[str, list[str]] = {arm.label: [] for arm in every}
    for row in rows:
        compared[row.arm].append(row.metric)
    for label, metrics in compared.items():
        lacking = [name for name in dict.fromkeys(row.metric for row in rows) if name not in metrics]
        if lacking:
            beside = f"no seed of it and of {rows[0].arm} has them in round {number}"
            notes.append(f"{label} is left out of {', '.join(lacking)}: {beside}")
    return notes


def _names(every: Sequence[str]) -> str:
    """The first of them, and how many there are more."""
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
