"""How far a number may be off: a t interval over seeds, Wilson's of a share, and one from resampled errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

_ROUNDING = 1e-12  # of a number
_ROUNDING_OF_SHARES = 1e-15  # of a difference of shares, which may itself be near 0


@dataclass(frozen=True)
class Spread:
    """A metric over seeds.

    Attributes:
        mean: mean over seeds.
        std: sample standard deviation (n - 1 in the denominator); NaN for one seed.
        low: lower end of the t interval of the mean; NaN for one seed, or where all have one value.
        high: upper end of the t interval of the mean; NaN likewise.
        n: number of seeds.
    """

    mean: float
    std: float
    low: float
    high: float
    n: int


def over_seeds(values: Sequence[float] | Floats, level: float = 0.95) -> Spread:
    """Mean, sample standard deviation and Student's t interval of the mean.

    The interval assumes that seeds are independent and values about normal. Values that are equal, rounding aside,
    say nothing of a spread, so that there is none. A NaN among the values makes all NaN.

    Args:
        values: `(n,)`, one value a seed.
        level: coverage of the interval, between 0 and 1.

    Raises:
        InvalidInput: if there is no value, the values are not 1-d, or `level` is not between 0 and 1.
    """
    data = np.asarray(values, np.float64)
    if data.ndim != 1 or not len(data):
        raise InvalidInput(f"a mean over seeds needs one value a seed, not an array of shape {data.shape}")
    n, mean = len(data), float(data.mean())
    half = t_quantile(n, level)
    if n == 1:
        return Spread(mean, math.nan, math.nan, math.nan, 1)
    if are_equal(data):
        return Spread(float(data[0]), 0.0, math.nan, math.nan, n)
    std = float(data.std(ddof=1))
    half *= std / math.sqrt(n)
    return Spread(mean, std, mean - half, mean + half, n)


def are_equal(values: Floats) -> bool:
    """Whether `(n,)` values are one, rounding aside: 0.3 - 0.25 and 0.1 + 0.2 - 0.25 are."""
    return float(np.ptp(values)) <= max(_ROUNDING * float(np.abs(values).max()), _ROUNDING_OF_SHARES)


def t_quantile(n: int, level: float = 0.95) -> float:
    """How many standard errors a t interval of a mean of n values reaches to each side; NaN for n < 2.

    Raises:
        InvalidInput: if `level` is not between 0 and 1.
    """
    _check_level(level)
    if n < 2:
        return math.nan
    from scipy.special import stdtrit  # scipy.stats has the same number and takes ten times as long to import

    return float(stdtrit(n - 1, (1 + level) / 2))


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share; unlike the normal one it stays sensible near 0 and 1.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).

    Args:
        successes: rows that count, 0 to `n`.
        n: all rows.
        level: coverage of the interval, between 0 and 1.

    Returns:
        Lower and upper end, in [0, 1]; both NaN for n = 0.

    Raises:
        InvalidInput: if `successes` is not from 0 to `n`, or `level` is not between 0 and 1.
    """
    _check_level(level)
    if not 0 <= successes <= n:
        raise InvalidInput(f"a share needs between 0 and n = {n} successes, not {successes}")
    if n == 0:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, shrink = successes / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    # At the ends the formula gives exactly 0 and 1; rounding must not, nor leave out the share itself.
    low, high = 0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half
    return min(max(low, 0.0), p), max(min(high, 1.0), p)


def newcombe(first: tuple[int, int], second: tuple[int, int], level: float = 0.95) -> tuple[float, float]:
    """The hybrid score interval of a difference of two independent shares; never of width 0.

    Source: Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.

    Args:
        first: successes and rows.
        second: successes and rows, of the share that is taken away.
        level: coverage of the interval, between 0 and 1.

    Returns:
        Lower and upper end, in [-1, 1]; both NaN where either has no rows.

    Raises:
        InvalidInput: as `wilson`.
    """
    (low1, high1), (low2, high2) = wilson(*first, level), wilson(*second, level)
    if not (first[1] and second[1]):
        return math.nan, math.nan
    p1, p2 = first[0] / first[1], second[0] / second[1]
    return difference(p1, (low1, high1), p2, (low2, high2))


def paired(both: int, first: int, second: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The hybrid score interval of a difference of two shares of the same rows; never of width 0.

    Wilson's intervals of both shares, put together with their correlation. Source: Newcombe, "Improved confidence
    intervals for the difference between binomial proportions based on paired data" (1998), method 10.

    Args:
        both: rows that count for both shares.
        first: rows that count for the first.
        second: rows that count for the second, whose share is taken away.
        n: all rows.
        level: coverage of the interval, between 0 and 1.

    Returns:
        Lower and upper end, in [-1, 1]; both NaN for n = 0.

    Raises:
        InvalidInput: if the counts are impossible, or `level` is not between 0 and 1.
    """
    only_first, only_second, neither = first - both, second - both, n - first - second + both
    if min(both, only_first, only_second, neither) < 0:
        raise InvalidInput(f"of {n} rows, {first} and {second} count, and {both} for both: these do not go together")
    (low1, high1), (low2, high2) = wilson(first, n, level), wilson(second, n, level)
    if not n:
        return math.nan, math.nan
    spread = first * (n - first) * second * (n - second)
    agreement = both * neither - only_first * only_second
    corrected = max(agreement - n / 2, 0.0) if agreement > 0 else agreement
    r = corrected / math.sqrt(spread) if spread else 0.0
    p1, p2 = first / n, second / n

    def half(a: float, b: float) -> float:
        return math.sqrt(max(a**2 - 2 * r * a * b + b**2, 0.0))

    gap = (first - second) / n
    return max(gap - half(p1 - low1, high2 - p2), -1.0), min(gap + half(high1 - p1, p2 - low2), 1.0)


def difference(
    first: float, of_first: tuple[float, float], second: float, of_second: tuple[float, float]
) -> tuple[float, float]:
    """Interval of first - second from intervals of independent values; NaN where one has none.

    Source: Zou & Donner, "Construction of confidence limits about effect measures: a general approach" (2008).
    """
    (low1, high1), (low2, high2) = of_first, of_second
    gap = first - second
    return gap - math.hypot(first - low1, high2 - second), gap + math.hypot(high1 - first, second - low2)


def basic(
    value: float, errors: Floats, level: float = 0.95, low: float = -math.inf, high: float = math.inf
) -> tuple[float, float]:
    """The basic bootstrap interval: the value minus quantiles of the error that resampling shows.

    Unlike that of the resamples' own quantiles it moves a number that resampling shifts (a largest difference, a sum
    of absolute ones) back towards the unshifted one. Source: Davison & Hinkley, "Bootstrap Methods and their
    Application" (1997), section 5.2. Where that would leave out the value itself the interval reaches to it; where
    nothing of it lies within the limits (a sum of absolute values that is 0 shows errors of one sign alone), it is
    what lies as near to the value as most resamples do.

    Args:
        value: as measured, within the limits.
        errors: `(draws,)` resampled minus true values; those that are not finite are left out.
        level: coverage of the interval, between 0 and 1.
        low: the least possible value.
        high: the largest possible value.

    Returns:
        Lower and upper end within the limits, the value between them; both NaN where the value is, or resampling
        cannot tell, since no error is finite or all agree: an interval never has width 0.

    Raises:
        InvalidInput: if `level` is not between 0 and 1.
    """
    _check_level(level)
    finite = errors[np.isfinite(errors)]
    if math.isnan(value) or agree(finite):
        return math.nan, math.nan
    near, far = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2]).tolist()
    ends = within(value, (value - far, value - near), low, high)
    if ends[1] - ends[0] > SAME:
        return ends
    reach = float(np.quantile(np.abs(finite), level))
    reach = reach if reach > SAME else float(np.abs(finite).max())
    return within(value, (value - reach, value + reach), low, high)


SAME = 1e-9
"""Numbers that are no further apart are one, rounding apart."""


def agree(values: Floats) -> bool:
    """Whether all finite ones of resampled numbers are the same, or there is none."""
    finite = values[np.isfinite(values)]
    return not len(finite) or float(np.ptp(finite)) <= SAME


def within(value: float, ends: tuple[float, float], low: float, high: float) -> tuple[float, float]:
    """An interval's ends brought within the limits of what it is about, with the value between them."""
    return max(min(ends[0], value), low), min(max(ends[1], value), high)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InvalidInput(f"the level of an interval must be between 0 and 1, such as 0.95, not {level}")
