"""Arms beside their bound, round by round, and the runs that exceeded it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm, Measured
from biasloop.report.tables import against_bound
from biasloop.report.tables.against_bound import ROUNDING, Comparison


@dataclass(frozen=True)
class BoundRound:
    """A round of an arm beside its bound: means over seeds, and how many seeds exceeded theirs.

    Attributes:
        round: its number.
        bias: the bound's metric minus its baseline.
        bound: Theorem 1 from the calibration error of round 0, each seed's own.
        per_round: the bound with the calibration error of every round; NaN where it is not known.
        exceeded: seeds whose bias was larger than their bound.
        seeds: that have both.
    """

    round: int
    bias: float
    bound: float
    per_round: float
    exceeded: int
    seeds: int

    @property
    def mean_exceeded(self) -> bool:
        """Whether the mean bias is larger than the mean bound."""
        return abs(self.bias) > abs(self.bound) + ROUNDING


@dataclass(frozen=True)
class Bounded:
    """An arm beside its bound.

    Attributes:
        arm: its label.
        metric: that the bound speaks of.
        rounds: from the one that measures the model of round 0.
        limit: what the bound of the mean calibration error tends to; None where it grows without end.
        verdicts: a sentence for each run, by its path.
        exceeded: rounds in which the mean bias was larger than the mean bound.
        runs_exceeded: runs that exceeded theirs in any round.
    """

    arm: str
    metric: str
    rounds: Sequence[BoundRound]
    limit: float | None
    verdicts: Mapping[str, str]
    exceeded: Sequence[int]
    runs_exceeded: int


def bounded(arms: Sequence[Arm]) -> list[Bounded]:
    """Those of the arms that can be held against a bound."""
    return [arm for arm in map(_bounded, arms) if arm is not None]


def _bounded(arm: Arm) -> Bounded | None:
    runs = {str(run.run.directory): compared for run in arm.runs if (compared := _compared(run)) is not None}
    if not runs:
        return None
    every = [*runs.values()]
    first = arm.runs[0].needs_bound().lag
    rounds = [row for number in range(first, arm.rounds) if (row := _round(every, number)) is not None]
    if not rounds:
        return None
    limit = arm.runs[0].loop_bound.limit(rounds[0].bias)
    verdicts = {path: compared.verdict() for path, compared in runs.items()}
    exceeded = [row.round for row in rounds if row.mean_exceeded]
    return Bounded(arm.label, every[0].metric, rounds, limit, verdicts, exceeded, sum(bool(c.exceeded) for c in every))


def _compared(run: Measured) -> Comparison | None:
    try:
        return against_bound.compare(run.run)
    except InvalidInput:  # no bound, no round yet, or nothing measured to bound
        return None


def _round(every: Sequence[Comparison], number: int) -> BoundRound | None:
    there = [each for each in every if number < len(each.bias)]
    bias, bound = (np.array([getattr(each, name)[number] for each in there]) for name in ("bias", "bound"))  # (runs,)
    both = np.isfinite(bias) & np.isfinite(bound)
    if not both.any():
        return None
    per_round = np.array([math.nan if each.per_round is None else each.per_round[number] for each in there])
    exceeded = np.abs(bias[both]) > np.abs(bound[both]) + ROUNDING
    return BoundRound(
        number, float(bias[both].mean()), float(bound[both].mean()), _mean(per_round), int(exceeded.sum()),
        int(both.sum()),
    )  # fmt: skip


def _mean(values: Floats) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of none it is NaN
        return float(np.nanmean(values))
