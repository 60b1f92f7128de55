"""Standard errors from what each row moves a number by, also where rows of a cluster resemble each other."""

from __future__ import annotations

import math

from biasloop.contract.data import Array, Floats
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_paired


def standard_error(influence: Floats, clusters: Array | None = None, strata: Array | None = None) -> float:
    """How far a number that is a smooth function of means may be off, from its linearisation.

    Without clusters and strata the root of sum(u_i^2): the delta method, of which sqrt(p (1 - p) / n) is the case of a
    share. With clusters it is clusters that are drawn, not rows: u is summed in each. With strata the number of
    clusters of each is fixed by design (so many pictures of women, so many of men), and what varies is how the G
    clusters of a stratum differ: G / (G - 1) times their squared differences from the stratum's mean, summed. Source:
    Wolter, "Introduction to Variance Estimation" (2007), the ultimate-cluster estimator. Without strata, clusters are
    all of one; a stratum with a single cluster is taken to differ from 0, the mean over all.

    Args:
        influence: `(rows,)` by how much each row moves the number; sums to 0.
        clusters: `(rows,)` which cluster a row is of, any values.
        strata: `(rows,)` which stratum the row's cluster is of, any values.

    Returns:
        The standard error; NaN where there are no rows, or all are of one cluster.

    Raises:
        InvalidInput: if the columns are not 1-d or differ in length.

    Example:
        Ten rows that are five pairs of equal ones say no more than five rows.

        >>> heads = np.array([1, 1, 0, 0, 1, 1, 0, 0, 1, 1])
        >>> moves = (heads - heads.mean()) / len(heads)
        >>> round(standard_error(moves), 4)
        0.1549
        >>> round(standard_error(moves, clusters=np.arange(10) // 2), 4)
        0.2449
    """
    check_paired(influence=influence, **{
        name: column for name, column in (("clusters", clusters), ("strata", strata)) if column is not None
    })  # fmt: skip
    if not len(influence):
        return math.nan
    if clusters is None and strata is None:
        return math.sqrt(float(influence @ influence))
    cluster = _numbered(np.arange(len(influence)) if clusters is None else clusters)
    stratum = _numbered(np.zeros(len(influence), np.int64) if strata is None else strata)
    cluster = _numbered(stratum * (cluster.max() + 1) + cluster)  # a cluster is of one stratum
    moved = np.bincount(cluster, influence)  # (clusters,)
    stratum_of = np.zeros(len(moved), np.int64)
    stratum_of[cluster] = stratum
    count = np.bincount(stratum_of)  # (strata,)
    if len(moved) < 2:
        return math.nan
    centre = np.where(count > 1, np.bincount(stratum_of, moved) / count, 0.0)  # (strata,)
    centred = moved - centre[stratum_of]  # (clusters,)
    factor = count / np.maximum(count - 1, 1)  # (strata,)
    return math.sqrt(float((factor[stratum_of] * centred**2).sum()))


def _numbered(values: Array) -> Array:
    """`(rows,)` values as numbers from 0."""
    return np.unique(values, return_inverse=True)[1]
