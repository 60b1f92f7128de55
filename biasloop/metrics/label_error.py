"""How often labels that a model gave differ from those of humans."""

from __future__ import annotations

import math

from biasloop.contract import names
from biasloop.contract.data import Floats, Frame, Metric
from biasloop.lazy import numpy as np


def label_errors(given: Frame, truth: Frame) -> Floats | None:
    """1.0 where a fixed-size label differs from the human's; None for labels that have no such thing as equal."""
    targets = [name for name, column in truth.columns.items() if column.role == names.TARGET]
    if not targets or any(truth.columns[name].offsets is not None for name in targets):
        return None
    wrong = np.zeros(len(truth), np.bool_)
    for name in targets:
        differs = given[name] != truth[name]
        wrong |= differs.any(axis=tuple(range(1, differs.ndim)))
    return wrong.astype(np.float64)


def mean_error(errors: Floats) -> Metric:
    """The mean of the errors that are known.

    Where labels are wrong or not, its standard error is that of a share, sqrt(p (1 - p) / n). Where they are wrong in
    part it is the sample standard deviation (with n - 1) over sqrt(n), and NaN of a single label.

    Args:
        errors: `(rows,)` from 0 to 1; NaN of a label whose truth nobody knows.

    Returns:
        A value in [0, 1], with n the number of known errors; NaN where there are none.
    """
    known = errors[~np.isnan(errors)]  # (known,)
    n = len(known)
    if not n:
        return Metric(math.nan, 0)
    mean = float(known.mean())
    if ((known == 0) | (known == 1)).all():
        return Metric(mean, n, float(np.sqrt(mean * (1 - mean) / n)))
    return Metric(mean, n, float(known.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan)
