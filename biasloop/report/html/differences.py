"""Arms beside one of them, as `biasloop compare` holds them against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biasloop.report import comparison
from biasloop.report.arms import Arm
from biasloop.report.html.results import Metric, named
from biasloop.store.reader import Run


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
        notes: what is left out and why.
    """

    reference: str
    round: int
    metrics: Sequence[Metric]
    differences: Mapping[str, Sequence[Difference]]
    notes: Sequence[str] = ()


def compared(runs: Sequence[Run], arms: Sequence[Arm]) -> Compared | None:
    """The arms of a study; None where there is one arm, or no seed that two of them have.

    Args:
        runs: of the study, those too that have no finished round.
        arms: those with a finished round.
    """
    if len(arms) < 2:
        return None
    made = comparison.compare_arms(arms, runs)
    if not made.seeds:
        return None
    differences = {
        metric: [
            Difference(
                row.arm, row.seeds, row.value.mean, row.difference.mean, row.difference.low, row.difference.high,
                math.nan if row.arm == made.reference else row.evidence,
            )
            for row in made.of(metric)
        ]
        for metric in made.metrics
    }  # fmt: skip
    run = arms[0].runs[0].run
    return Compared(
        made.reference, made.round, [named(run, metric) for metric in made.metrics], differences, made.notes
    )
