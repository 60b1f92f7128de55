"""The ratio of two counts that are summed over texts, with an error that knows that a text is one draw."""

from __future__ import annotations

import math

from biasloop.contract.data import Array, Metric
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_paired


def ratio(counts_a: Array, counts_b: Array) -> Metric:
    """The share A / (A + B) of the counts of two things over all texts, as of "she" among "she" and "he".

    Texts are independent, the counts within one are not: a text about a queen says "she" many times. So the
    standard error is that of a ratio estimator over texts (Cochran 1977, Sampling Techniques, section 2.11, by the
    delta method): with t_i = a_i + b_i and R = A / T, the root of sum((a_i - R t_i)^2), divided by T. Where each
    text counts one thing, it is the binomial error sqrt(R (1 - R) / n); texts that count none change nothing.

    Args:
        counts_a: `(texts,)` non-negative counts.
        counts_b: `(texts,)` non-negative counts, of the same texts.

    Returns:
        A value in [0, 1] and n = A + B; the value is NaN where n is 0, the error where fewer than two texts count.

    Raises:
        InvalidInput: if the counts are not 1-d or differ in length.
    """
    check_paired(counts_a=counts_a, counts_b=counts_b)
    a = np.asarray(counts_a, np.float64)
    totals = a + counts_b
    total = float(totals.sum())
    if total == 0:
        return Metric(math.nan, 0)
    value = float(a.sum()) / total
    if np.count_nonzero(totals) < 2:
        return Metric(value, round(total))
    residuals = a - value * totals
    return Metric(value, round(total), math.sqrt(float(residuals @ residuals)) / total)
