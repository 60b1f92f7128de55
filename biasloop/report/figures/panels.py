"""What a figure shows, as numbers: a metric by round over several runs, its baseline and its bound.

The arithmetic is that of the published figures (Taori & Hashimoto, 2022, released plotting code): runs cut
to the shortest, their mean, a band of one population standard deviation, and the calibration error of round
0 as the mean minus the baseline.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import t_quantile

Band = Literal["std", "interval"]
BAND_FROM = 4  # runs; of fewer each is a line of its own


@dataclass(frozen=True)
class Series:
    """A metric by round, over runs that differ in the seed alone.

    Attributes:
        label: what the legend calls it, such as "20 % human-labelled".
        values: `(runs, rounds)`, from round 0 on; NaN where nothing was measured.
        bound: `(any,)` the bound by round in the metric's own unit (baseline included), or None.
        baseline: the metric's value under human labels, or None.
        replicates: what the legend calls the runs, "seed" or "run".
        look: how it is drawn, such as "red dashed" (`report.figures.lines.parse_look`); empty for a free colour.
        of_rows: `(2, rounds)` lower and upper end of what the test rows of a lone run say, or None.
        share: whether the metric is a share of rows, so that no band leaves 0 to 1.
        difference: whether it is a difference of two shares, so that none leaves -1 to 1.
    """

    label: str
    values: Floats
    bound: Floats | None = None
    baseline: float | None = None
    look: str = ""
    replicates: str = "seed"
    of_rows: Floats | None = None
    share: bool = False
    difference: bool = False

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not self.values.size:
            raise InvalidInput(
                f"the series {self.label!r} needs values by run and round, at least one of each, "
                f"not an array of shape {self.values.shape}"
            )
        if self.bound is not None and self.bound.ndim != 1:
            raise InvalidInput(f"the bound of the series {self.label!r} must have one value a round")

    @property
    def initial_error(self) -> float:
        """Mean of round 0 minus the baseline (delta in the bound); NaN without a baseline."""
        return math.nan if self.baseline is None else float(self.centre()[0]) - self.baseline

    def centre(self) -> Floats:
        """`(rounds,)` mean over the runs that have a value."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a round without any value is NaN
            return np.asarray(np.nanmean(self.values, axis=0), np.float64)

    def band(self, kind: Band) -> tuple[Floats, Floats] | None:
        """Lower and upper edge by round; None for fewer than `BAND_FROM` runs, which say too little of a spread.

        Args:
            kind: "std" is one population standard deviation (n in the denominator), as published; "interval"
                is the 95 % t interval of the mean. Both over the runs that have a value in that round.
        """
        if len(self.values) < BAND_FROM:
            return None
        n = np.count_nonzero(np.isfinite(self.values), axis=0)  # (rounds,)
        centre = self.centre()  # (rounds,)
        squares = np.nansum((self.values - centre) ** 2, axis=0)  # (rounds,)
        with np.errstate(divide="ignore", invalid="ignore"):
            if kind == "std":
                half = np.sqrt(squares / n)  # (rounds,)
            else:
                quantiles = {count: t_quantile(count) for count in set(n.tolist())}
                half = np.sqrt(squares / (n - 1) / n) * [quantiles[count] for count in n.tolist()]
        lower, upper = centre - half, centre + half
        if not (self.share or self.difference):
            return lower, upper
        least = 0 if self.share else -1
        return lower.clip(least, 1), upper.clip(least, 1)

    def bounded(self, factors: Floats) -> "Series":
        """The same series with its bound: baseline + initial error times the amplification factors.

        Args:
            factors: `(any,)` as `biasloop.bound.amplification_curve` returns them; cut to the rounds
                measured.

        Raises:
            InvalidInput: if the series has no baseline.
        """
        if self.baseline is None:
            raise InvalidInput(f"the bound of the series {self.label!r} needs a baseline")
        rounds = self.values.shape[1]
        return replace(self, bound=self.baseline + self.initial_error * factors[:rounds])


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: stands above it; may be empty.
        series: drawn over each other.
        arrow: whether to mark the initial error of the first series, where that has a baseline.
        y_label: what this panel alone shows; a figure with such a panel has a y axis of its own for each.
        guides: levels of thin horizontal lines.
        shade_from: the round from which on the ground is grey, or None.
        x_limit: the last round shown, or None for all.
        stacked: whether the means of the series are bars on top of each other, not lines.
        x: `(points,)` ascending, where the columns of all series stand; None for rounds from 0 on.
    """

    title: str
    series: Sequence[Series]
    arrow: bool = True
    y_label: str = ""
    guides: Sequence[float] = ()
    shade_from: int | None = None
    x_limit: int | None = None
    stacked: bool = False
    x: Floats | None = None

    def __post_init__(self) -> None:
        if not self.series:
            raise InvalidInput(f"the panel {self.title!r} has no series to draw")


def stack(runs: Sequence[Sequence[float] | Floats]) -> Floats:
    """Runs below each other, cut to the shortest.

    Args:
        runs: one row of values by round for each run.

    Returns:
        `(runs, rounds)`.

    Raises:
        InvalidInput: if there is no run, or one has no round.
    """
    rounds = min((len(run) for run in runs), default=0)
    if rounds == 0:
        raise InvalidInput("there is nothing to draw: no run, or a run without a round")
    return np.array([np.asarray(run, np.float64)[:rounds] for run in runs])
