"""How often a value occurs among predictions, and by how much that differs from the truth.

A share's standard error says how far it may be off because the test set is finite. It is not the spread from
seed to seed, which `biasloop.metrics.intervals` gives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from biasloop.contract.data import Array, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_paired


def share_of(hits: Array) -> Metric:
    """Share of rows that are true, with the binomial standard error sqrt(p (1 - p) / n).

    Args:
        hits: `(n,)` bool.

    Returns:
        A value in [0, 1]; NaN where there are no rows.

    Raises:
        InvalidInput: if `hits` is not 1-d and boolean.
    """
    check_paired(rows=hits)
    if hits.dtype != np.bool_:
        raise InvalidInput(f"a share needs true or false in each row, not {hits.dtype}")
    return binomial(int(np.count_nonzero(hits)), len(hits))


def binomial(hits: int, n: int) -> Metric:
    """The share of `hits` among n rows, with the standard error sqrt(p (1 - p) / n); NaN where there are no rows."""
    if n == 0:
        return Metric(math.nan, 0)
    p = hits / n
    return Metric(p, n, math.sqrt(p * (1 - p) / n))


DIFFERENCES = frozenset({"amp", "amplification", "bias", "difference", "gap", "minus"})
"""A metric whose name has one of these words is a number less another, whatever its values are."""


def are_shares(name: str, metrics: Iterable[Metric]) -> bool:
    """Whether numbers of that name are shares of rows, as their standard errors tell: none is outside of [0, 1].

    Those without a value say nothing; at least one has to say it.
    """
    measured = [metric for metric in metrics if math.isfinite(metric.value)]
    return bool(measured) and all(is_share(name, metric) for metric in measured)


def is_share(name: str, metric: Metric) -> bool:
    """Whether a number from 0 to 1 of n rows has the standard error of a share, sqrt(p (1 - p) / n).

    Errors do not tell a difference of 0 or 1 between equal rows from a share, so that names do.
    """
    if not DIFFERENCES.isdisjoint(re.findall("[a-z]+", name)):
        return False
    p, n, error = metric.value, metric.n, metric.error
    return n > 0 and 0 <= p <= 1 and math.isclose(error**2, p * (1 - p) / n, rel_tol=1e-6, abs_tol=1e-12)


_NO_SHARES = frozenset({"log", "loss", "losses", "nll", "perplexity"})


def are_differences(name: str, metrics: Iterable[Metric]) -> bool:
    """Whether numbers of that name are differences of two shares, so that all that is said of them is in [-1, 1].

    Its name says that it is a difference, and none of a loss; at least one has a value, and none is outside.
    """
    words = {*re.findall("[a-z]+", name)}
    measured = [metric.value for metric in metrics if math.isfinite(metric.value)]
    named = not DIFFERENCES.isdisjoint(words) and _NO_SHARES.isdisjoint(words)
    return named and bool(measured) and all(-1 <= value <= 1 for value in measured)


def share(values: Array, value: object) -> Metric:
    """Share of rows equal to a value, with its binomial standard error.

    Args:
        values: `(n,)` labels or predictions of any dtype that compares with `value`.
        value: the value to count, such as a class id.

    Returns:
        A value in [0, 1]; NaN where there are no rows.

    Raises:
        InvalidInput: if `values` is not 1-d.
    """
    check_paired(values=values)
    return share_of(np.asarray(values == value, np.bool_))


def share_bias(prediction: Array, target: Array, value: object) -> Metric:
    """Share of predictions equal to a value minus the share of targets equal to it.

    Both shares are of the same rows, so their errors are not independent: the standard error is that of the
    mean of the row-wise differences (-1, 0 or 1), sqrt(variance / n) with the population variance, which is
    smaller than the errors of two independent shares wherever most predictions are right. The signed form of
    the bias in Taori & Hashimoto (2022).

    Args:
        prediction: `(n,)`.
        target: `(n,)`.
        value: the value to count.

    Returns:
        A value in [-1, 1]; NaN where there are no rows.

    Raises:
        InvalidInput: if the columns are not 1-d or differ in length.
    """
    check_paired(prediction=prediction, target=target)
    n = len(target)
    if n == 0:
        return Metric(math.nan, 0)
    predicted, true = prediction == value, target == value
    over = np.count_nonzero(predicted & ~true)
    under = np.count_nonzero(true & ~predicted)
    bias = (over - under) / n
    return Metric(bias, n, math.sqrt(max((over + under) / n - bias**2, 0.0) / n))
