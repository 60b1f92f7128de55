"""Arms beside one of them, paired by seed, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm
from biasloop.report.html.results import BIAS, LABEL_ERROR, Metric, named, series_of
from biasloop.report.paired import first_of_preset, last_common, paired, reference_arm
from biasloop.report.tables import summary


@dataclass(frozen=True)
class Difference:
    """An arm beside the arm that all are compared with, over the seeds that both have.

    Attributes:
        arm: its label.
        seeds: that both measured it with.
        value: the arm's mean over them.
        mean: of the differences; 0 for the reference itself.
        low: lower end of their 95 % t interval; NaN for one seed, or the reference.
        high: upper end.
        evidence: e-value of the differences; NaN where there is none.
    """

    arm: str
    seeds: Sequence[int]
    value: float
    mean: float
    low: float
    high: float
    evidence: float


@dataclass(frozen=True)
class Compared:
    """Arms beside one of them.

    Attributes:
        reference: label of that one.
        round: of which all numbers are.
        metrics: that are compared.
        differences: by metric; the reference first.
        left_out: what is not compared and why, a sentence each.
    """

    reference: str
    round: int
    metrics: Sequence[Metric]
    differences: Mapping[str, Sequence[Difference]]
    left_out: Sequence[str] = ()


def compared(arms: Sequence[Arm]) -> Compared | None:
    """What the preset speaks of, quality and label error, of all arms in the last round that all runs have.

    None where there is one arm, or no seed that two of them have.
    """
    if len(arms) < 2:
        return None
    number = last_common(arms)
    base = reference_arm(arms, first_of_preset(arms))
    differences: dict[str, list[Difference]] = {}
    left_out = []
    for metric in _wanted(arms):
        try:
            rows = paired(arms, base.label, [metric], number)
        except InvalidInput:  # the reference has no number of it
            left_out.append(f"{metric} is not compared: no run of {base.label} has a number of it in round {number}.")
            continue
        differences[metric] = [
            Difference(
                row.arm, row.seeds, row.value.mean, row.difference.mean, row.difference.low, row.difference.high,
                math.nan if row.arm == base.label else row.evidence,
            )
            for row in rows
        ]  # fmt: skip
        lacking = [arm.label for arm in arms if arm.label not in {row.arm for row in rows}]
        if lacking:
            left_out.append(f"{', '.join(lacking)}: no seed of it and of {base.label} has a number of {metric}.")
    if not any(len(rows) > 1 for rows in differences.values()):
        return None
    run = base.runs[0].run
    return Compared(base.label, number, [named(run, metric) for metric in differences], differences, left_out)


def _wanted(arms: Sequence[Arm]) -> list[str]:
    """Bias, then accuracy and label error beside it: a rule that looks fair by wrong labels is seen to do so."""
    first = arms[0].runs[0]
    section = first.bound_section
    names = [*([section.metric] if section is not None else []), *series_of(first.run)]
    names += [BIAS] if section is not None else []
    names += [summary.quality_of(arms), LABEL_ERROR]
    measured = {name for arm in arms for run in arm.runs for row in run.metrics for name in row}
    return [name for name in dict.fromkeys(names) if name in measured]
