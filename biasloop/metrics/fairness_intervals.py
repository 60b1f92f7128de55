"""How far groups are apart, with intervals: differences and ratios of rates from count tables.

A rate of 0/0 has no value and takes no part (fairlearn counts it as 0); with fewer than two rates there is neither a
difference nor a ratio, and there are no equalised odds where either of their rates has none.

Intervals are made of the rates' Wilson intervals and not resampled: a group of one row, or one that is all right, would
be the same in every resample and be taken for certain.
"""

from __future__ import annotations

import math

from biasloop.contract.data import Array, Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics.intervals import wilson, within

RATES = ("selection_rate", "accuracy", "tpr", "fpr")
MEASURES = (
    "demographic_parity_difference", "equalized_odds_difference", "accuracy_difference",
    "demographic_parity_ratio", "equalized_odds_ratio",
)  # fmt: skip


MOST_GROUPS = 500
"""Groups whose pairs are compared."""


def fractions(table: Ints) -> tuple[Ints, Ints]:
    """Numerators and denominators of `RATES`, each `(4, groups)`, from `(groups, 2, 2)` counts by target, prediction.

    Raises:
        InvalidInput: if `table` is not a table of counts.
    """
    if table.ndim != 3 or table.shape[1:] != (2, 2) or table.dtype.kind not in "iu" or (table < 0).any():
        raise InvalidInput(f"rates by group need counts of shape (groups, 2, 2), not {table.dtype} {table.shape}")
    rows, positives = table.sum(axis=(1, 2)), table[:, 1].sum(axis=1)
    hits = [table[:, :, 1].sum(axis=1), table[:, 0, 0] + table[:, 1, 1], table[:, 1, 1], table[:, 0, 1]]
    return np.stack(hits), np.stack([rows, rows, positives, rows - positives])


def rates(table: Ints) -> Floats:
    """`(4, groups)` `RATES` of `(groups, 2, 2)` counts by target and prediction; NaN where 0/0.

    Raises:
        InvalidInput: if `table` is not a table of counts.
    """
    hits, rows = fractions(table)
    return np.asarray(np.where(rows > 0, hits / np.maximum(rows, 1), np.nan), np.float64)


def spreads(values: Array) -> tuple[Floats, Floats]:
    """The largest minus the smallest rate of any group, and the smallest over the largest.

    Args:
        values: `(..., groups)`, of no group as well; NaN takes no part.

    Returns:
        Two of shape `(...)`; NaN where fewer than two groups have the rate, or a ratio is 0/0.
    """
    if not values.shape[-1]:
        nothing = np.full(values.shape[:-1], np.nan)
        return nothing, nothing
    missing = (~np.isnan(values)).sum(axis=-1) < 2  # (...)
    usable = np.where(missing[..., None], 0.0, values)
    low, high = np.nanmin(usable, axis=-1), np.nanmax(usable, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(missing, np.nan, high - low), np.where(missing, np.nan, low / high)


def between(values: Array) -> Floats:
    """The `MEASURES` of rates.

    Args:
        values: `(..., 4, groups)` as `RATES`; NaN takes no part.

    Returns:
        `(..., 5)`; NaN where fewer than two groups have the rate (for equalised odds: either rate), or a ratio is
        0/0. Of the two ratios of equalised odds one that is 0/0 leaves the other.
    """
    difference, ratio = spreads(values)  # (..., 4)
    odds = np.maximum(difference[..., 2], difference[..., 3])  # (...)
    narrow = np.where(np.isnan(odds), np.nan, np.fmin(ratio[..., 2], ratio[..., 3]))
    return np.stack([difference[..., 0], odds, difference[..., 1], ratio[..., 0], narrow], axis=-1)


def measured(table: Ints) -> dict[str, float]:
    """The `MEASURES` of a table of counts; NaN where there is none."""
    return dict(zip(MEASURES, between(rates(table)).tolist(), strict=True))


def intervals(table: Ints, level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Intervals of the `MEASURES`, each by itself; both ends NaN where there is no measure.

    No measure is nearer to equality than any pair of groups is. So a difference's upper end is the largest upper end
    of a pair, and its lower end the largest lower end of a pair, these at a level corrected for the number of pairs
    (Bonferroni), since the largest of many is large by chance. A pair's ends are made of the Wilson intervals of its
    two rates: Newcombe (1998), method 10, for a difference; Donner & Zou, "Closed-form confidence intervals for
    functions of the normal mean and standard deviation" (2012), section 2, for a ratio. None has width 0.

    With more than `MOST_GROUPS` groups none is computed: pairs would be too many, and the largest of so many
    differences says nothing.

    Args:
        table: `(groups, 2, 2)` counts by target and prediction.
        level: coverage of each interval, between 0 and 1.

    Raises:
        InvalidInput: if `table` is not a table of counts, or `level` is not between 0 and 1.
    """
    hits, rows = fractions(table)  # (4, groups)
    if len(table) > MOST_GROUPS:
        return dict.fromkeys(MEASURES, (math.nan, math.nan))
    values = measured(table)
    ends = {}
    for name, (parts, far) in _PARTS.items():
        if math.isnan(values[name]):
            ends[name] = math.nan, math.nan
            continue
        used = [(hits[part][rows[part] > 0], rows[part][rows[part] > 0]) for part in parts]  # (groups with rows,)
        pairs = sum(len(sizes) * (len(sizes) - 1) for _, sizes in used) // 2
        strict = 1 - (1 - level) / pairs
        wide = [_pairs(*counts, level, ratio=not far) for counts in used]
        narrow = [_pairs(*counts, strict, ratio=not far) for counts in used]
        if far:
            low, high = max(float(np.max(lows)) for lows, _ in narrow), max(float(np.max(highs)) for _, highs in wide)
        else:
            low, high = min(float(np.min(lows)) for lows, _ in wide), min(float(np.min(highs)) for _, highs in narrow)
        ends[name] = within(values[name], (low, high), 0.0, 1.0)
    return ends


# What each measure is made of, as places in `RATES`, and whether it is a difference.
_PARTS = {
    "demographic_parity_difference": ((0,), True),
    "equalized_odds_difference": ((2, 3), True),
    "accuracy_difference": ((1,), True),
    "demographic_parity_ratio": ((0,), False),
    "equalized_odds_ratio": ((2, 3), False),
}


def _pairs(hits: Ints, rows: Ints, level: float, *, ratio: bool) -> tuple[Floats, Floats]:
    """Lower and upper ends of p_i - p_j, or of p_i / p_j, of all pairs of different groups."""
    ends = np.array([wilson(k, n, level) for k, n in zip(hits.tolist(), rows.tolist(), strict=True)])
    p, low, high = hits / rows, ends[:, 0], ends[:, 1]  # (groups,)
    first, second = np.nonzero(~np.eye(len(p), dtype=np.bool_))  # (pairs,)
    p1, p2, l1, l2, u1, u2 = p[first], p[second], low[first], low[second], high[first], high[second]
    if not ratio:
        return p1 - p2 - np.hypot(p1 - l1, u2 - p2), p1 - p2 + np.hypot(u1 - p1, p2 - l2)
    with np.errstate(invalid="ignore", divide="ignore"):
        product = p1 * p2
        least = (product - np.sqrt(np.maximum(product**2 - l1 * u2 * (2 * p1 - l1) * (2 * p2 - u2), 0.0))) / (
            u2 * (2 * p2 - u2)
        )
        most = (product + np.sqrt(np.maximum(product**2 - u1 * l2 * (2 * p1 - u1) * (2 * p2 - l2), 0.0))) / (
            l2 * (2 * p2 - l2)
        )
    # Where the formula is 0/0 or its root changes sign, the ends of the rates themselves bound the ratio.
    least = np.where(np.isfinite(least) & (2 * p2 > u2), least, l1 / u2)
    return np.maximum(least, 0.0), np.where(np.isfinite(most) & (l2 > 0), most, math.inf)
