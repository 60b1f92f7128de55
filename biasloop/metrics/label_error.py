"""How often labels that a model gave differ from those of humans."""

from __future__ import annotations

from biasloop.contract.data import Floats, Frame, Metric
from biasloop.lazy import numpy as np


def label_errors(given: Frame, truth: Frame) -> Floats | None:
    """1.0 where a fixed-size label differs from the human's; None for labels that have no such thing as equal."""
    targets = [name for name, column in truth.columns.items() if column.role == "target"]
    if not targets or any(truth.columns[name].offsets is not None for name in targets):
        return None
    wrong = np.zeros(len(truth), np.bool_)
    for name in targets:
        differs = given[name] != truth[name]
        wrong |= differs.any(axis=tuple(range(1, differs.ndim)))
    return wrong.astype(np.float64)


def mean_error(errors: Floats) -> Metric:
    """The share of errors among those known, which are 0 or 1; NaN is one that nobody knows."""
    known = errors[~np.isnan(errors)]
    if not len(known):
        return Metric(float("nan"), 0)
    share = float(known.mean())
    return Metric(share, len(known), float(np.sqrt(share * (1 - share) / len(known))))
