"""What may be looked at after every seed: evidence that stays valid however often somebody looks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from biasloop.contract.data import Floats, Ints
from biasloop.lazy import numpy as np
from biasloop.metrics.intervals import are_equal

REJECT = 20.0
"""An e-value from which a difference is taken as there, with at most 5 % false alarms over all looks."""


def e_value(differences: Sequence[float] | Floats, width: float = 4.0) -> float:
    """Evidence against a mean of zero: a t test's likelihood ratio, mixed over effects (Ville's inequality holds).

    With t the t statistic, n values and v = n - 1:
    (1 + n g)^(-1/2) [(1 + t^2 / (v (1 + n g))) / (1 + t^2 / v)]^(-n / 2), which does not depend on the scale.

    Args:
        differences: `(n,)`, one a seed, paired.
        width: g, the variance of effects in standard deviations that is mixed over.

    Returns:
        At least 0; 1 says nothing. NaN of fewer than two values, or where all are equal, rounding aside: measured
        shares are steps of a grid, on which a few seeds may meet, and what has no spread is not normal.

    Example:
        >>> round(e_value([0.1, 0.2, 0.15, 0.18, 0.12]), 1)
        65.8
    """
    values = np.asarray(differences, np.float64)
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return math.nan
    mean, std = float(values.mean()), float(values.std(ddof=1))
    if are_equal(values):
        return math.nan
    return float(likelihood(np.array(n * (mean / std) ** 2), np.array(n, np.float64), width))


def likelihood(square: Floats, n: Floats | Ints, width: float = 4.0) -> Floats:
    """The mixed likelihood ratio of squared t statistics, as `e_value` has it of one.

    Args:
        square: t squared, of any shape.
        n: values that each rests on, at least 2; of a shape that goes with it.
        width: as in `e_value`.
    """
    v, spread = n - 1, 1 + n * width
    ratio = (1 + square / (v * spread)) / (1 + square / v)
    with np.errstate(over="ignore"):  # more than any number, of hundreds of values without much spread
        return np.asarray(spread**-0.5 * ratio ** (-n / 2), np.float64)
