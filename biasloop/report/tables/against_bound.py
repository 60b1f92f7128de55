"""A stored run held against Theorem 1: measured value, bound and ratio in every round."""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.config.experiment import BoundSection
from biasloop.contract.data import Floats, Metric
from biasloop.errors import InvalidInput
from biasloop.report.arms import Measured, arms
from biasloop.report.figures.panels import Panel, Series
from biasloop.report.tables import formatting
from biasloop.store.reader import Run

ROUNDING = 1e-12


@dataclass(frozen=True)
class Comparison:
    """A run's bias and its bound.

    Attributes:
        metric: the bound's metric.
        delta: calibration error of round 0, signed.
        delta_error: its standard error over the samples that it is measured on (`_delta_error`).
        measured, baseline, bias, bound: over rounds; bias is measured - baseline.
        per_round: the bound with the calibration error measured every round; None if the preset names no
            training share.
        limit: what the bound tends to; None if it grows without end.
    """

    metric: str
    delta: float
    delta_error: float
    measured: Floats
    baseline: Floats
    bias: Floats
    bound: Floats
    per_round: Floats | None
    limit: float | None

    @property
    def ratio(self) -> Floats:
        """Bias divided by bound; NaN where the bound is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.bound == 0, math.nan, self.bias / self.bound)

    @property
    def exceeded(self) -> list[int]:
        """Rounds in which the bias was larger than the bound."""
        return [int(t) for t in np.flatnonzero(np.abs(self.bias) > np.abs(self.bound) + ROUNDING)]

    def cells(self) -> list[list[str]]:
        """The table's rows."""
        per_round = (
            [formatting.MISSING] * len(self.bias) if self.per_round is None else [f"{v:+.4f}" for v in self.per_round]
        )
        return [
            [str(t), f"{self.measured[t]:.4f}", f"{self.baseline[t]:.4f}", f"{self.bias[t]:+.4f}",
             f"{self.bound[t]:+.4f}", formatting.number(float(self.ratio[t]), 3), per_round[t]]
            for t in range(len(self.bias))
            if np.isfinite(self.bound[t])
        ]  # fmt: skip

    def verdict(self) -> str:
        """Whether and where the run exceeded its bound, in a sentence."""
        limit = "grows without end" if self.limit is None else f"tends to {self.limit:+.4f}"
        if np.isfinite(self.bound).sum() == 1:  # the calibration error is that round's bias: their ratio is 1
            return f"one round shows nothing yet: the bound begins with its bias; the bound {limit}"
        if not self.exceeded:
            return f"the run kept to its bound in all {np.isfinite(self.bound).sum()} rounds; the bound {limit}"
        worst = max(self.exceeded, key=lambda t: abs(self.bias[t]) - abs(self.bound[t]))
        excess = abs(self.bias[worst]) - abs(self.bound[worst])
        errors = (
            f" ({excess / self.delta_error:.1f} standard errors of the calibration error)"
            if self.delta_error > 0
            else ""
        )
        rounds = ", ".join(map(str, self.exceeded))
        most = f"most in round {worst}: by {excess:.4f}{errors}"
        return f"the run exceeded its bound in round {rounds}, {most}; the bound {limit}"

    def as_json(self) -> dict[str, Any]:
        """What scripts read."""
        per_round = [None] * len(self.bias) if self.per_round is None else self.per_round.tolist()
        columns = (self.measured, self.baseline, self.bias, self.bound, self.ratio)
        names = ("measured", "baseline", "bias", "bound", "ratio")
        return {
            "metric": self.metric,
            "delta": {"value": self.delta, "se": self.delta_error},
            "limit": self.limit,
            "exceeded": self.exceeded,
            "rounds": [
                {"round": t, **{name: float(column[t]) for name, column in zip(names, columns, strict=True)},
                 "per_round_bound": per_round[t]}
                for t in range(len(self.bias))
            ],
        }  # fmt: skip


def compare(run: Run) -> Comparison:
    """Hold a stored run against its bound.

    Raises:
        InvalidInput: its preset names no metric to bound, or no round is finished.
    """
    measured = Measured.read(run)
    section = measured.needs_bound()
    bias = measured.bias()
    first = section.lag  # the round that measures the model of round 0
    if not math.isfinite(bias[first]):
        raise InvalidInput(
            f"{run.directory}: round {first} has no value of {section.metric} or {section.baseline}, so there is no "
            "calibration error to bound by; take a larger test set"
        )
    return Comparison(
        section.metric,
        float(bias[first]),
        _delta_error(measured.metrics[first], section),
        measured.values(section.metric),
        measured.values(section.baseline),
        bias,
        measured.bound(),
        measured.per_round_bound(),
        measured.loop_bound.limit(float(bias[first])),
    )


def first_bounded(runs: Iterable[Run]) -> Run | None:
    """The first run that can be held against its bound; None where none can."""
    for run in runs:
        with suppress(InvalidInput):
            compare(run)
            return run
    return None


def _delta_error(row: Mapping[str, Metric], section: BoundSection) -> float:
    """The standard error of the bound's metric minus its baseline in a round.

    A baseline on test samples is constant over the run: the errors of all rounds are told beside it, and that of the
    metric alone is theirs. Human labels of the reserve (`given_truth.NAME`) are other samples in each round, so that
    the baseline's error adds to the metric's. Both are of the same rows, whose covariance no round stores: the root of
    the sum of squares holds exactly where one of the two does not vary (labels that depend on the class alone), and is
    too large rather than too small where models tend to label as humans do.
    """
    error = row[section.metric].error
    return math.hypot(error, row[section.baseline].error) if section.of_labels else error


def panel(run: Run) -> Panel:
    """The run and its bound as a panel."""
    from biasloop.report.figures.of_runs import bound_series

    only: Series = bound_series(arms([run])[0])
    return Panel("", [only])
