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
    y, p = target.astype(np.int64), prediction.astype(np.int64)
    tasks = y.shape[1]
    found = LabelCounts(
        np.bincount(attribute, minlength=groups).astype(np.int64),
        np.zeros((groups, tasks), np.int64),
        np.zeros((groups, tasks), np.int64),
        np.zeros((groups, tasks, tasks), np.int64),
    )
    order = np.argsort(attribute, kind="stable")
    ends = np.cumsum(found.rows)
    for group in np.flatnonzero(found.rows).tolist():
        held = order[ends[group] - found.rows[group] : ends[group]]
        found.true[group], found.predicted[group] = y[held].sum(axis=0), p[held].sum(axis=0)
        errors = (p[held] - y[held]).astype(np.float64)  # floats multiply far faster, and are exact here
        found.joint[group] = np.rint(errors.T @ errors).astype(np.int64)
    return found


def amplification(found: LabelCounts, *, train: LabelCounts | None = None, tie: Tie = "minus") -> Amplification:
    """Bias amplification; an attribute value without rows is left out of the mean.

    Args:
        found: counts of the evaluated rows.
        train: counts of the training data, whose association then decides the signs; None: that of `found`.
        tie: what an exactly independent cell counts: "minus" its delta, or "zero".

    Raises:
        InvalidInput: if the tables' shapes differ or `tie` is unknown.
    """
    signs = _signs(found if train is None else train, tie)
    if signs.shape != found.true.shape:
        raise InvalidInput(f"the training counts must have the shape {found.true.shape}, not {signs.shape}")
    rows = np.where(found.rows > 0, found.rows, np.nan)[:, None]
    deltas = (found.predicted - found.true) / rows
    cells = signs * deltas
    total = float(np.nanmean(cells)) if found.rows.any() else math.nan
    positive: Bools = signs > 0
    return Amplification(total, cells, positive, deltas)


def interval(
    found: LabelCounts, *, train: LabelCounts | None = None, tie: Tie = "minus", level: float = 0.95
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
    error = standard_error(found, train=train, tie=tie)
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    total = amplification(found, train=train, tie=tie).total
    return within(total, (total - half, total + half), -1.0, 1.0)


def standard_error(found: LabelCounts, *, train: LabelCounts | None = None, tie: Tie = "minus") -> float:
    """The total's standard error; NaN where rows cannot tell."""
    signs = _signs(found if train is None else train, tie)
    if (found.rows == 1).any():
        return math.nan
    held = found.rows > 0
    rows, sign = found.rows[held].astype(np.float64), signs[held]
    mean = (sign * (found.predicted - found.true)[held]).sum(axis=1) / rows
    square = np.einsum("at,atu,au->a", sign, found.joint[held].astype(np.float64), sign) / rows
    variance = np.maximum(square - mean**2, 0.0) / (rows - 1)
    error = float(np.sqrt(variance.sum())) / signs[held].size if held.any() else math.nan
    return error if error > 0 else math.nan


def _signs(found: LabelCounts, tie: str) -> Floats:
    if tie not in ("minus", "zero"):
        raise InvalidInput(f'tie must be "minus" or "zero", not {tie!r}')
    here = found.true.astype(object) * int(found.rows.sum())
    expected = found.rows.astype(object)[:, None] * found.true.sum(axis=0).astype(object)
    signs = np.where(here > expected, 1.0, -1.0)
    return np.where(here == expected, 0.0, signs) if tie == "zero" else signs
