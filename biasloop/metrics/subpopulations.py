"""Shares among rows that count, and means over groups, where predictions decide which rows those are.

Among those that a model predicts to be cooking, how many are women? Numerator and denominator both vary from test set
to test set, so standard errors are those of ratio estimators (Cochran 1977, Sampling Techniques, section 2.11), which
are binomial ones where rows are independent; rows may come in clusters (`biasloop.metrics.clustered`).
"""

from __future__ import annotations

import math

from biasloop.contract.data import Array, Bools, Floats, Ints, Metric
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_paired
from biasloop.metrics.clustered import standard_error

_NOTHING = Metric(math.nan, 0)


def share_among(hits: Bools, counted: Bools, clusters: Array | None = None, strata: Array | None = None) -> Metric:
    """The share of hits among rows that count.

    Args:
        hits: `(rows,)`; those of rows that do not count are ignored.
        counted: `(rows,)`.
        clusters: `(rows,)`, as `standard_error` has them.
        strata: `(rows,)` likewise.

    Returns:
        A value in [0, 1], with n the number of rows that count; NaN where none does.

    Raises:
        InvalidInput: if the columns are not 1-d or differ in length.

    Example:
        >>> share_among(np.array([True, False, True]), np.array([True, True, False]))
        Metric(value=0.5, n=2, error=0.3535533905932738)
    """
    check_paired(hits=hits, counted=counted)
    n = int(np.count_nonzero(counted))
    if not n:
        return _NOTHING
    share = int(np.count_nonzero(hits & counted)) / n
    return Metric(share, n, standard_error(_share_moves(hits, counted, share, n), clusters, strata))


def difference_among(
    first: tuple[Bools, Bools],
    second: tuple[Bools, Bools],
    clusters: Array | None = None,
    strata: Array | None = None,
) -> Metric:
    """The share of hits among rows that count, minus another such share of the same rows.

    Which rows count may differ, as where a model predicts another verb than the true one. Both shares are of the same
    rows, so that what moves one often moves the other: the error is that of the difference, row by row.

    Args:
        first: hits and what counts, each `(rows,)`.
        second: hits and what counts, each `(rows,)`, of the share that is taken away.
        clusters: `(rows,)`, as `standard_error` has them.
        strata: `(rows,)` likewise.

    Returns:
        A value in [-1, 1], with n the smaller number of rows that count; NaN where that is 0.

    Raises:
        InvalidInput: if the columns are not 1-d or differ in length.

    Example:
        >>> predicted = np.array([True, True, True, False]), np.array([True, True, True, True])
        >>> true = np.array([True, True, False, False]), np.array([True, True, True, False])
        >>> difference_among(predicted, true).n
        3
    """
    check_paired(first=first[0], first_counted=first[1], second=second[0], second_counted=second[1])
    counts = [int(np.count_nonzero(counted)) for _, counted in (first, second)]
    if not min(counts):
        return _NOTHING
    shares = [int(np.count_nonzero(h & c)) / n for (h, c), n in zip((first, second), counts, strict=True)]
    moves = _share_moves(*first, shares[0], counts[0]) - _share_moves(*second, shares[1], counts[1])
    return Metric(shares[0] - shares[1], min(counts), standard_error(moves, clusters, strata))


def _share_moves(hits: Bools, counted: Bools, share: float, n: int) -> Floats:
    """`(rows,)` by how much each row moves a share among rows that count."""
    moves: Floats = np.where(counted, hits - share, 0.0) / n
    return moves


def mean_over_groups(values: Floats, group: Ints, clusters: Array | None = None, strata: Array | None = None) -> Metric:
    """The mean over groups of each group's mean ("macro"), every group that has rows counting the same.

    Args:
        values: `(rows,)`.
        group: `(rows,)` numbers from 0.
        clusters: `(rows,)`, as `standard_error` has them.
        strata: `(rows,)` likewise.

    Returns:
        With n the number of rows; NaN where there are none.

    Raises:
        InvalidInput: if the columns are not 1-d or differ in length.

    Example:
        >>> mean_over_groups(np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 0, 0, 1])).value
        0.5
    """
    check_paired(values=values, group=group)
    if not len(values):
        return _NOTHING
    rows = np.bincount(group)  # (groups,)
    present = np.count_nonzero(rows)
    means = np.bincount(group, values) / np.maximum(rows, 1)  # (groups,)
    moves = (values - means[group]) / (rows[group] * present)
    return Metric(float(means.sum() / present), len(values), standard_error(moves, clusters, strata))
