"""Directional bias amplification of several labels a row, attribute -> task.

Source: Wang & Russakovsky, "Directional Bias Amplification" (2021), with each task a label that a row has
or has not. With N true and M predicted counts of rows of attribute value a that have task t, and rows R[a] of R: delta
= (M[a, t] - N[a, t]) / R[a]; a cell is delta where a and t are positively associated in the truth (N[a, t] R > R[a]
N[t], on whole numbers) and -delta elsewhere; the total is the mean of the cells: above 0, predictions exaggerate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from biasloop.contract.data import Array, Bools, Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_classes, check_paired
from biasloop.metrics.amplification import Amplification, Tie
from biasloop.metrics.intervals import within


@dataclass(frozen=True)
class LabelCounts:
    """Counts of rows; those of parts of the rows add up.

    Attributes:
        rows: `(A,)` rows of each attribute value.
        true: `(A, T)` of them, those that have the task.
        predicted: `(A, T)` those predicted to have it.
        joint: `(A, T, T)` sums over rows of the product of two tasks' (predicted - true).
    """

    rows: Ints
    true: Ints
    predicted: Ints
    joint: Ints

    def __add__(self, other: LabelCounts) -> LabelCounts:
        return LabelCounts(
            self.rows + other.rows,
            self.true + other.true,
            self.predicted + other.predicted,
            self.joint + other.joint,
        )

    def placed(self, places: Ints, groups: int) -> LabelCounts:
        """The same with the attribute values at other places."""
        parts = []
        for values in (self.rows, self.true, self.predicted, self.joint):
            wide = np.zeros((groups, *values.shape[1:]), np.int64)
            wide[places] = values
            parts.append(wide)
        return LabelCounts(*parts)


def label_counts(attribute: Array, target: Array, prediction: Array, groups: int) -> LabelCounts:
    """Count rows.

    Args:
        attribute: `(n,)` whole numbers from 0 to groups - 1.
        target: `(n, T)` 0 and 1.
        prediction: `(n, T)` 0 and 1.
        groups: A, the number of declared attribute values.

    Raises:
        InvalidInput: if shapes do not fit, or there is another value.
    """
    if target.ndim != 2 or target.shape != prediction.shape:
        raise InvalidInput(
            f"labels need a true and a predicted table of (rows, tasks), not {target.shape}, {prediction.shape}"
        )
    check_paired(attribute=attribute, target=np.zeros(len(target)))
    check_classes(groups, attribute=attribute)
    check_classes(2, target=target.ravel(), prediction=prediction.ravel())
    y, p = target.astype(np.int64), prediction.astype(np.int64)  # (n, T)
    tasks = y.shape[1]
    counts = LabelCounts(
        np.bincount(attribute, minlength=groups).astype(np.int64),
        np.zeros((groups, tasks), np.int64),
        np.zeros((groups, tasks), np.int64),
        np.zeros((groups, tasks, tasks), np.int64),
    )
    order = np.argsort(attribute, kind="stable")
    ends = np.cumsum(counts.rows)
    for group in np.flatnonzero(counts.rows).tolist():
        members = order[ends[group] - counts.rows[group] : ends[group]]  # (rows of the group,)
        counts.true[group], counts.predicted[group] = y[members].sum(axis=0), p[members].sum(axis=0)
        errors = (p[members] - y[members]).astype(np.float64)  # floats multiply far faster, and are exact here
        counts.joint[group] = np.rint(errors.T @ errors).astype(np.int64)  # (T, T)
    return counts


def amplification(counts: LabelCounts, *, train: LabelCounts | None = None, tie: Tie = "minus") -> Amplification:
    """Bias amplification; an attribute value without rows is left out of the mean.

    Args:
        counts: of the evaluated rows.
        train: counts of the training data, whose association then decides the signs; None: that of `counts`.
        tie: what an exactly independent cell counts: "minus" its delta, or "zero".

    Raises:
        InvalidInput: if the tables' shapes differ or `tie` is unknown.
    """
    signs = _signs(counts if train is None else train, tie)
    if signs.shape != counts.true.shape:
        raise InvalidInput(f"the training counts must have the shape {counts.true.shape}, not {signs.shape}")
    rows = np.where(counts.rows > 0, counts.rows, np.nan)[:, None]  # (A, 1)
    deltas = (counts.predicted - counts.true) / rows  # (A, T)
    cells = signs * deltas
    total = float(np.nanmean(cells)) if counts.rows.any() else math.nan
    positive: Bools = signs > 0
    return Amplification(total, cells, positive, deltas)


def interval(
    counts: LabelCounts, *, train: LabelCounts | None = None, tie: Tie = "minus", level: float = 0.95
) -> tuple[float, float]:
    """Normal interval of the total, with the error that rows' labels are not independent of each other.

    Each attribute value's mean over rows of the signed errors has its variance over rows; the signs are taken as
    certain, so near independence the interval is too narrow.

    Returns:
        Lower and upper end; NaN where an attribute value has one row, or no row errs.

    Raises:
        InvalidInput: as `amplification`, or if `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InvalidInput(f"an interval needs a level between 0 and 1, not {level}")
    error = standard_error(counts, train=train, tie=tie)
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    total = amplification(counts, train=train, tie=tie).total
    return within(total, (total - half, total + half), -1.0, 1.0)


def standard_error(counts: LabelCounts, *, train: LabelCounts | None = None, tie: Tie = "minus") -> float:
    """The total's standard error; NaN where rows cannot tell."""
    signs = _signs(counts if train is None else train, tie)  # (A, T)
    if (counts.rows == 1).any():
        return math.nan
    filled = counts.rows > 0  # (A,)
    rows, sign = counts.rows[filled].astype(np.float64), signs[filled]  # (a,), (a, T)
    mean = (sign * (counts.predicted - counts.true)[filled]).sum(axis=1) / rows  # (a,)
    square = np.einsum("at,atu,au->a", sign, counts.joint[filled].astype(np.float64), sign) / rows  # (a,)
    variance = np.maximum(square - mean**2, 0.0) / (rows - 1)
    error = float(np.sqrt(variance.sum())) / signs[filled].size if filled.any() else math.nan
    return error if error > 0 else math.nan


def _signs(counts: LabelCounts, tie: str) -> Floats:
    if tie not in ("minus", "zero"):
        raise InvalidInput(f'tie must be "minus" or "zero", not {tie!r}')
    here = counts.true.astype(object) * int(counts.rows.sum())  # (A, T)
    expected = counts.rows.astype(object)[:, None] * counts.true.sum(axis=0).astype(object)  # (A, T)
    signs = np.where(here > expected, 1.0, -1.0)
    return np.where(here == expected, 0.0, signs) if tie == "zero" else signs
