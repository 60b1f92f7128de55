"""How many seeds a difference between two arms needs before anybody runs them, and what given ones can tell.

An effect is a mean in standard deviations: of the paired differences over seeds where arms share them, else of one arm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics.sequential import REJECT, likelihood

MOST = 100_000
"""Seeds that are not searched beyond."""

LONGEST = 400
"""Seeds that a simulated study has at most."""

STUDIES = 4_000
"""Simulated studies."""

SMALLEST = 1e-3
"""An effect below it is none: 80 % power takes eight million seeds there."""


@dataclass(frozen=True)
class Needed:
    """How many seeds an effect needs; None where they are more than is searched.

    Attributes:
        effect: in standard deviations, above 0.
        paired: seeds by the power wanted, of a two-sided paired t test at 5 %.
        unpaired: seeds an arm by the power wanted, of a two-sided t test of two independent arms at 5 %.
        sequential: seeds after which half of the studies have an e-value of 20, looking after every seed.
        sequential_most: the same of 80 % of the studies.
    """

    effect: float
    paired: dict[float, int | None]
    unpaired: dict[float, int | None]
    sequential: int | None
    sequential_most: int | None


def needed(effect: float, powers: tuple[float, ...] = (0.8, 0.9), unpaired: float | None = None) -> Needed:
    """How many seeds an effect needs, in each of three ways to look at them.

    Args:
        effect: in standard deviations of the paired difference, not 0; its sign does not matter.
        powers: chances of finding it, between 0 and 1.
        unpaired: the same effect in standard deviations of one arm; None for the same number, NaN where nobody knows.

    Raises:
        InvalidInput: the effect is 0, nearly so, or no number; a power is not between 0 and 1.

    Example:
        >>> needed(1.5).paired, needed(1.5).unpaired
        ({0.8: 6, 0.9: 7}, {0.8: 9, 0.9: 11})
    """
    size = _checked(effect)
    half, most = sequential_seeds(size)
    apart = size if unpaired is None else unpaired
    return Needed(
        size,
        {power: paired_seeds(size, power) for power in powers},
        {power: None if math.isnan(apart) else unpaired_seeds(apart, power) for power in powers},
        half,
        most,
    )


def paired_power(effect: float, n: int, alpha: float = 0.05) -> float:
    """The chance that a two-sided paired t test finds an effect with n seeds; exact, by the noncentral t distribution.

    Args:
        effect: in standard deviations of the paired difference.
        n: seeds, at least 2.
        alpha: level of the test, between 0 and 1.

    Raises:
        InvalidInput: there are fewer than two seeds.

    Example:
        >>> round(paired_power(1.0, 10), 3)
        0.803
    """
    return _power(n - 1, abs(effect) * math.sqrt(n), alpha)


def unpaired_power(effect: float, n: int, alpha: float = 0.05) -> float:
    """The same of two independent arms of n seeds each; the effect is in standard deviations of one arm.

    Raises:
        InvalidInput: there are fewer than two seeds.
    """
    if n < 2:
        raise InvalidInput(f"a difference between arms needs at least two seeds of each, not {n}")
    return _power(2 * n - 2, abs(effect) * math.sqrt(n / 2), alpha)


def paired_seeds(effect: float, power: float) -> int | None:
    """The fewest seeds with which a two-sided paired t test at 5 % finds an effect so often; None beyond `MOST`.

    Raises:
        InvalidInput: the effect is 0 or no number, or the power not between 0 and 1.
    """
    return _fewest(lambda n: paired_power(effect, n), effect, power)


def unpaired_seeds(effect: float, power: float) -> int | None:
    """The same of two independent arms: seeds of each.

    Raises:
        InvalidInput: as `paired_seeds`.
    """
    return _fewest(lambda n: unpaired_power(effect, n), effect, power)


@lru_cache(maxsize=256)
def sequential_seeds(effect: float) -> tuple[int | None, int | None]:
    """Seeds after which half of the studies, and 80 % of them, have an e-value of `REJECT`, looking after every seed.

    By simulation of `STUDIES` studies of normal paired differences, always the same ones; None where that takes more
    than `LONGEST` seeds.

    Args:
        effect: in standard deviations of the paired difference.

    Example:
        >>> sequential_seeds(3.0)
        (5, 5)
    """
    values = np.random.Generator(np.random.PCG64(0)).standard_normal((STUDIES, LONGEST)) + abs(effect)
    n = np.arange(1, LONGEST + 1)  # (seeds,)
    mean = values.cumsum(axis=1) / n  # (studies, seeds)
    variance = (np.square(values).cumsum(axis=1) - n * np.square(mean))[:, 1:] / (n - 1)[1:]
    evidence = likelihood(n[1:] * np.square(mean[:, 1:]) / variance, n[1:])  # (studies, seeds - 1)
    rejected = evidence >= REJECT
    first = np.where(rejected.any(axis=1), rejected.argmax(axis=1) + 2, LONGEST + 1)  # (studies,)
    half, most = (int(seeds) for seeds in np.quantile(first, [0.5, 0.8], method="inverted_cdf"))
    return (half if half <= LONGEST else None), (most if most <= LONGEST else None)


def detectable(n: int, power: float = 0.8) -> float:
    """The smallest effect that a two-sided paired t test at 5 % finds so often with n seeds; NaN for n < 2.

    Raises:
        InvalidInput: if the power is not between 0 and 1.

    Example:
        >>> round(detectable(6), 2)
        1.43
    """
    _check_power(power)
    if n < 2:
        return math.nan
    low, high = 0.0, 1.0
    while paired_power(high, n) < power:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if paired_power(middle, n) < power else (low, middle)
    return high


def effect_interval(effect: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """What effect there may be where n seeds measured one: the noncentral t distributions that agree with it.

    Source: Steiger & Fouladi, "Noncentrality interval estimation and the evaluation of statistical models" (1997).

    Args:
        effect: mean over sample standard deviation of the paired differences.
        n: seeds.
        level: coverage, between 0 and 1.

    Returns:
        Lower and upper end in standard deviations; both NaN for n < 2 or an effect that is no number.
    """
    if n < 2 or not math.isfinite(effect):
        return math.nan, math.nan
    from scipy.optimize import brentq

    root = math.sqrt(n)
    t = effect * root

    def end(share: float) -> float:
        reach = abs(t) + 10.0
        while _below(n - 1, -reach, t) < share or _below(n - 1, reach, t) > share:
            reach *= 2
        return float(brentq(lambda noncentrality: _below(n - 1, noncentrality, t) - share, -reach, reach)) / root

    tail = (1 - level) / 2
    return end(1 - tail), end(tail)


def _power(freedom: int, noncentrality: float, alpha: float) -> float:
    if freedom < 1:
        raise InvalidInput("a paired difference needs at least two seeds")
    from scipy.special import stdtrit

    bound = float(stdtrit(freedom, 1 - alpha / 2))
    return 1 - _below(freedom, noncentrality, bound) + _below(freedom, noncentrality, -bound)


def _below(freedom: int, noncentrality: float, t: float) -> float:
    """The chance of less than t; where that is too near to 0 or 1 for scipy, which gives NaN, the nearer one."""
    from scipy.special import nctdtr

    below = float(nctdtr(freedom, noncentrality, t))
    return below if math.isfinite(below) else float(noncentrality < t)


def _fewest(power_of: Callable[[int], float], effect: float, power: float) -> int | None:
    """By bisection: power grows with seeds."""
    _checked(effect)
    _check_power(power)
    low, high = 1, 2
    while power_of(high) < power:
        if high >= MOST:
            return None
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power_of(middle) < power else (low, middle)
    return high


def _checked(effect: float) -> float:
    if not math.isfinite(effect) or abs(effect) < SMALLEST:
        raise InvalidInput(
            f"an effect of {effect:g} standard deviations is none that seeds could show; give one from {SMALLEST:g}, "
            "for example 1.5"
        )
    return abs(effect)


def _check_power(power: float) -> None:
    if not 0 < power < 1:
        raise InvalidInput(f"a power must be between 0 and 1, such as 0.8, not {power:g}")
