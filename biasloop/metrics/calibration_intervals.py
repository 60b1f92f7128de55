"""How far calibration errors may be off, from sums by bin that add up over batches of rows.

Resampling rows with replacement draws the number of rows of each bin that are right and wrong from a multinomial, and
their confidences from those of the bin; what a sum of such confidences comes to is drawn from the normal with the
bin's mean and variance, for right and wrong rows apart. So the cost does not grow with the number of rows.
"""

from __future__ import annotations

import math

from biasloop.contract.data import Array, Floats
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_paired
from biasloop.metrics.calibration import Reliability, edges_of, places_of
from biasloop.metrics.intervals import wilson, within

_DRAWN_AT_ONCE = 2**20  # numbers
_BLOCK = 2**15  # rows whose intermediate arrays stay in the cache
_ROUNDING = 1e-14  # what sums of squares leave of the variance of equal confidences


def moments(confidence: Array, correct: Array, bins: int = 15) -> Floats:
    """Sums by bin and correctness; those of parts of the rows add up.

    Args:
        confidence: `(n,)` floats in [0, 1].
        correct: `(n,)` bool, or 0 and 1.
        bins: number of bins of equal width; >= 1.

    Returns:
        `(bins, 2, 3)`: by bin, for wrong and right rows, their number, the sum of their confidences and that of the
        squares.

    Raises:
        InvalidInput: as `biasloop.metrics.calibration.reliability`.
    """
    check_paired(confidence=confidence, correct=correct)
    total = np.zeros((2 * bins, 3)) if bins > 0 else np.zeros((0, 3))
    for start in range(0, max(len(confidence), 1), _BLOCK):
        try:
            p, right, bin_index = places_of(confidence[start : start + _BLOCK], correct[start : start + _BLOCK], bins)
        except InvalidInput:
            places_of(confidence, correct, bins)  # names the row in all of the column
            raise
        cells = 2 * bin_index + right.astype(np.int64)  # (rows of the block,)
        for column, weights in enumerate((None, p, p * p)):
            total[:, column] += np.bincount(cells, weights, minlength=2 * bins)
    return total.reshape(bins, 2, 3)


def moments_by(confidence: Array, correct: Array, group: Array, groups: int, bins: int = 15) -> Floats:
    """`moments` of each of some groups, `(groups, bins, 2, 3)`; the cost does not grow with groups times rows.

    Args:
        confidence: `(n,)` floats in [0, 1].
        correct: `(n,)` bool, or 0 and 1.
        group: `(n,)` whole numbers from 0 to `groups` - 1.
        groups: number of groups.
        bins: number of bins of equal width; >= 1.

    Raises:
        InvalidInput: as `moments`.
    """
    p, right, bin_index = places_of(confidence, correct, bins)
    cells = 2 * (group * bins + bin_index) + right.astype(np.int64)  # (n,)
    sums = [np.bincount(cells, weights, minlength=2 * bins * groups) for weights in (None, p, p * p)]
    return np.stack(sums, axis=-1).reshape(groups, bins, 2, 3).astype(np.float64)


def reliability_of(sums: Floats) -> Reliability:
    """The reliability bins of `moments`."""
    _check(sums)
    totals = sums.sum(axis=1)  # (bins, 3)
    filled = np.where(totals[:, 0] > 0, totals[:, 0], np.nan)
    counts = totals[:, 0].astype(np.int64)
    return Reliability(edges_of(len(sums)), counts, totals[:, 1] / filled, sums[:, 1, 0] / filled)


def errors(sums: Floats) -> tuple[float, float, float]:
    """Expected and maximum calibration error, and accuracy minus mean confidence; NaN where there are no rows."""
    _check(sums)
    rows = sums[..., 0].sum(axis=1)  # (bins,)
    if not rows.any():
        return math.nan, math.nan, math.nan
    excess = sums[:, 1, 0] - sums[..., 1].sum(axis=1)  # (bins,) right rows less the sum of confidences
    filled = rows > 0
    return (
        float(np.abs(excess).sum() / rows.sum()),
        float((np.abs(excess[filled]) / rows[filled]).max()),
        float(excess.sum() / rows.sum()),
    )


def resampled(sums: Floats, draws: int = 1000, seed: int = 0) -> Floats:
    """`(draws, 3)`: the three `errors` of resampled rows.

    Raises:
        InvalidInput: if there are no rows, or `draws` < 1.
    """
    _check(sums)
    filled = np.flatnonzero(sums[..., 0])  # (cells,) of bins x 2, those that have rows
    if not len(filled) or draws < 1:
        raise InvalidInput(f"resampling needs rows and at least 1 draw, not {int(sums[..., 0].sum())} and {draws}")
    rows, total, squares = sums.reshape(-1, 3)[filled].T  # (cells,) each
    mean = total / rows
    variance = squares / rows - mean**2
    spread = np.sqrt(np.where(variance > _ROUNDING, variance, 0.0))
    right, starts = filled % 2, np.flatnonzero(np.diff(filled // 2, prepend=-1))  # (cells,), (filled bins,)
    n = int(rows.sum())
    rng = np.random.Generator(np.random.PCG64(seed))
    resamples = []
    chunk = max(1, _DRAWN_AT_ONCE // len(filled))
    for start in range(0, draws, chunk):
        drawn = rng.multinomial(n, rows / n, size=min(chunk, draws - start))  # (draws, cells)
        confidence = drawn * mean + np.sqrt(drawn) * spread * rng.standard_normal(drawn.shape)
        excess = np.add.reduceat(drawn * right - confidence, starts, axis=1)  # (draws, filled bins)
        size = np.add.reduceat(drawn, starts, axis=1)  # (draws, filled bins)
        gaps = np.abs(excess) / np.maximum(size, 1)
        resamples.append(np.stack([np.abs(excess).sum(axis=1) / n, gaps.max(axis=1), excess.sum(axis=1) / n], axis=1))
    return np.concatenate(resamples)


def gap_interval(sums: Floats, level: float = 0.95) -> tuple[float, float]:
    """Interval of accuracy minus mean confidence, in [-1, 1]; never of width 0, whatever the rows are.

    Wilson's interval of the accuracy and the normal one of the mean confidence, put together with their correlation.
    Source: Zou & Donner, "Construction of confidence limits about effect measures: a general approach" (2008),
    section 3.

    Returns:
        Lower and upper end; NaN where there are no rows.

    Raises:
        InvalidInput: if `level` is not between 0 and 1.
    """
    _check(sums)
    wrong, right = sums.sum(axis=0).tolist()
    n, hits = round(wrong[0] + right[0]), round(right[0])
    low, high = wilson(hits, n, level)
    if not n:
        return low, high
    accuracy, mean = hits / n, (wrong[1] + right[1]) / n
    variance = (wrong[2] + right[2]) / n - mean**2
    variance = variance if variance > _ROUNDING else 0.0
    from statistics import NormalDist

    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(variance / n)
    scale = math.sqrt(variance * accuracy * (1 - accuracy))
    r = (right[1] / n - accuracy * mean) / scale if scale > 1e-15 else 0.0
    down, up = accuracy - low, high - accuracy
    r = min(max(r, -1.0), 1.0) if n > 2 else 0.0  # of two rows it is always 1 in size, and may leave no width
    gap = errors(sums)[2]
    low = gap - math.sqrt(max(down**2 + half**2 - 2 * r * down * half, 0.0))
    high = gap + math.sqrt(max(up**2 + half**2 - 2 * r * up * half, 0.0))
    return within(gap, (low, high), -1.0, 1.0)


def mixed(sums: Floats) -> bool:
    """Whether any bin has both right and wrong rows; without, every resample is as accurate in each bin as the rows.

    Then resampling cannot tell how often such rows are right, however many resamples there are.
    """
    _check(sums)
    return bool((sums[:, 0, 0] * sums[:, 1, 0]).any())


def expected_if_calibrated(sums: Floats) -> float:
    """The calibration error that finite bins show, on average, of confidences that are all exactly right.

    By the normal approximation, sum over bins of sqrt(2 / pi sum c (1 - c)) / n: what an error must be compared with.
    """
    _check(sums)
    totals = sums.sum(axis=1)  # (bins, 3)
    n = totals[:, 0].sum()
    variance = np.maximum(totals[:, 1] - totals[:, 2], 0.0)
    return float(np.sqrt(2 / math.pi * variance).sum() / n) if n else math.nan


def _check(sums: Floats) -> None:
    if sums.ndim != 3 or sums.shape[1:] != (2, 3) or not len(sums):
        raise InvalidInput(f"sums by bin must have the shape (bins, 2, 3), not {sums.shape}")
