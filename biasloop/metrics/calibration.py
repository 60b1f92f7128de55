"""Whether confidences are right: reliability bins, expected and maximum calibration error.

Bins are of equal width. Bin b of B holds confidences in (b/B, (b + 1)/B], and 0 goes to the first bin, as in
Guo et al., "On Calibration of Modern Neural Networks" (2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from biasloop.contract.data import Array, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_paired


@dataclass(frozen=True)
class Reliability:
    """Rows counted by confidence.

    Attributes:
        edges: `(bins + 1,)`, from 0 to 1.
        counts: `(bins,)` rows in each bin.
        confidence: `(bins,)` mean confidence; NaN where a bin is empty.
        accuracy: `(bins,)` share of correct rows; NaN where a bin is empty.
    """

    edges: Floats
    counts: Ints
    confidence: Floats
    accuracy: Floats

    @property
    def gaps(self) -> Floats:
        """`(bins,)` accuracy minus confidence: negative where the model is overconfident; NaN where empty."""
        return self.accuracy - self.confidence


def reliability(confidence: Array, correct: Array, bins: int = 15) -> Reliability:
    """Mean confidence and accuracy by confidence bin.

    Args:
        confidence: `(n,)` floats in [0, 1]; compared with the edges in float64.
        correct: `(n,)` bool, or 0 and 1.
        bins: number of bins of equal width; >= 1.

    Raises:
        InvalidInput: if the columns are not 1-d or differ in length, a confidence is outside [0, 1] or NaN, a
            correctness is neither 0 nor 1, or `bins` < 1; a bad row is named.
    """
    p, right, bin_index = places_of(confidence, correct, bins)  # (n,) each
    counts = np.bincount(bin_index, minlength=bins).astype(np.int64)  # (bins,)
    filled = np.where(counts > 0, counts, np.nan)
    return Reliability(
        edges_of(bins),
        counts,
        np.bincount(bin_index, p, minlength=bins) / filled,
        np.bincount(bin_index, right, minlength=bins) / filled,
    )


def edges_of(bins: int) -> Floats:
    """`(bins + 1,)` edges of bins of equal width, from 0 to 1."""
    return np.arange(bins + 1) / bins


def places_of(confidence: Array, correct: Array, bins: int) -> tuple[Floats, Floats, Ints]:
    """Confidences and correctness as float64, and the bin of each row.

    Raises:
        InvalidInput: as `reliability`.
    """
    check_paired(confidence=confidence, correct=correct)
    if bins < 1:
        raise InvalidInput(f"the number of bins must be at least 1, not {bins}")
    p, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    _check_rows(p, (p >= 0) & (p <= 1), "confidence", "from 0 to 1")
    _check_rows(right, (right == 0) | (right == 1), "correctness", "0 or 1")
    return p, right, _places(p, edges_of(bins))


def _places(p: Floats, edges: Floats) -> Ints:
    """The bin of each confidence: a guess that rounding may put one off, and a look at the edges themselves."""
    bin_index = np.minimum((p * (len(edges) - 1)).astype(np.int64), len(edges) - 2)
    bin_index -= (p <= edges[bin_index]) & (bin_index > 0)  # equal to an edge is below it
    bin_index += p > edges[bin_index + 1]
    return bin_index


def calibration_gap(confidence: Array, correct: Array) -> Metric:
    """Accuracy minus mean confidence: negative where the model is overconfident.

    Both are of the same rows: the standard error is that of the mean of the row-wise differences, sqrt(variance / n)
    with the population variance; NaN where rows do not differ.

    Args:
        confidence: `(n,)` floats in [0, 1].
        correct: `(n,)` bool, or 0 and 1.

    Returns:
        A value in [-1, 1]; NaN where there are no rows.

    Raises:
        InvalidInput: as `reliability`.
    """
    p, right, _ = places_of(confidence, correct, 1)  # (n,) each
    n = len(p)
    if n == 0:
        return Metric(math.nan, 0)
    variance = float((right - p).var())
    error = math.sqrt(variance / n) if variance / n > 0 else math.nan
    return Metric(np.count_nonzero(right) / n - float(p.mean()), n, error)


def expected_calibration_error(confidence: Array, correct: Array, bins: int = 15) -> Metric:
    """Mean over rows of the gap between accuracy and confidence in the row's bin.

    It has no standard error here: within finite bins it is biased upwards, by more the fewer rows a bin
    holds.

    Args:
        confidence: `(n,)` floats in [0, 1].
        correct: `(n,)` bool, or 0 and 1.
        bins: number of bins of equal width.

    Returns:
        A value in [0, 1]; NaN where there are no rows.

    Raises:
        InvalidInput: as `reliability`.
    """
    table = reliability(confidence, correct, bins)
    n = int(table.counts.sum())
    if n == 0:
        return Metric(float("nan"), 0)
    return Metric(float(np.nansum(np.abs(table.gaps) * table.counts) / n), n)


def maximum_calibration_error(confidence: Array, correct: Array, bins: int = 15) -> Metric:
    """The largest gap between accuracy and confidence in any bin that has rows.

    Args:
        confidence: `(n,)` floats in [0, 1].
        correct: `(n,)` bool, or 0 and 1.
        bins: number of bins of equal width.

    Returns:
        A value in [0, 1], with n the number of all rows; NaN where there are none.

    Raises:
        InvalidInput: as `reliability`.
    """
    table = reliability(confidence, correct, bins)
    n = int(table.counts.sum())
    return Metric(float(np.nanmax(np.abs(table.gaps))) if n else float("nan"), n)


def _check_rows(values: Floats, fine: Array, name: str, expected: str) -> None:
    if not fine.all():
        bad = np.flatnonzero(~fine)
        raise InvalidInput(f"the {name} of row {bad[0]} is {values[bad[0]]:g}; expected {expected}")
