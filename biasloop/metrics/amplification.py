"""Directional bias amplification, attribute -> task: what predictions add to a dependence that the truth has.

Source: Wang & Russakovsky, "Directional Bias Amplification" (2021). With N true and M predicted counts by attribute a
and task t, delta = M[a, t] / M[a] - N[a, t] / N[a], a cell is delta where a and t are positively associated in the
truth and -delta elsewhere, and the total is the mean of the cells: above 0, predictions exaggerate.

Whether a and t are associated is decided on whole numbers (N[a, t] n > N[a] N[t]), since products of rounded shares
call many independent tables associated. Where the truth is exactly independent the total is 0 whatever is predicted,
and one row more can make it far from 0: look at the association before the total.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from biasloop.contract.data import Array, Bools, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics.fairness import cell_counts
from biasloop.metrics.intervals import SAME, agree, within

Tie = Literal["minus", "zero"]
Empty = Literal["skip", "nan"]

MOST_CELLS = 2**26  # of attribute x true x predicted: half a gigabyte
_DRAWN_AT_ONCE = 2**20  # numbers, so that memory does not grow with the number of resamples
_SAFE = 2**31  # rows whose square an int64 holds


@dataclass(frozen=True)
class Amplification:
    """Bias amplification and what it is made of.

    Attributes:
        total: mean of the cells that have a value; in [-1, 1].
        cells: `(A, T)` signed contributions; NaN in the row of an attribute value without rows.
        y: `(A, T)` whether attribute value and task value are positively associated.
        deltas: `(A, T)` predicted minus true share of the task value within the attribute value.
    """

    total: float
    cells: Floats
    y: Bools
    deltas: Floats


def joint_counts(attribute: Array, target: Array, prediction: Array, sizes: tuple[int, int]) -> Ints:
    """Counts of rows by attribute, true and predicted task value.

    Args:
        attribute: `(n,)` whole numbers from 0 to A - 1.
        target: `(n,)` whole numbers from 0 to T - 1.
        prediction: `(n,)` whole numbers from 0 to T - 1.
        sizes: A and T, the numbers of declared values.

    Returns:
        `(A, T, T)` int64. Tables of parts of the rows add up.

    Raises:
        InvalidInput: if the columns are not 1-d, differ in length, or hold another value, or the table is too large.
    """
    rows, tasks = sizes
    if rows * tasks * tasks > MOST_CELLS:
        raise InvalidInput(
            f"{rows} attribute values and {tasks} task values are too many to count; merge the rare ones (at most "
            f"{MOST_CELLS:,} = attributes x tasks x tasks)"
        )
    return cell_counts({"attribute": (attribute, rows), "task": (target, tasks), "prediction": (prediction, tasks)})


def tables(joint: Ints) -> tuple[Ints, Ints]:
    """The true and the predicted `(A, T)` counts of `(A, T, T)` joint ones."""
    _check(joint, 3, "joint counts")
    return joint.sum(axis=2), joint.sum(axis=1)


def amplification(
    true: Ints, predicted: Ints, *, train: Ints | None = None, tie: Tie = "minus", empty: Empty = "skip"
) -> Amplification:
    """Bias amplification from count tables.

    Args:
        true: `(A, T)` rows of each attribute value by true task value.
        predicted: `(A, T)` rows of each attribute value by predicted task value.
        train: `(A, T)` counts of the training data, whose association then decides the signs; None: that of `true`.
        tie: what an exactly independent cell counts: "minus" its delta, as in the paper's formula, or "zero".
        empty: an attribute value without rows is left out of the mean ("skip"), or makes the total NaN ("nan").

    Raises:
        InvalidInput: if a table does not hold counts, the shapes differ, or an option is unknown.
    """
    given = {"true": true, "predicted": predicted} | ({} if train is None else {"training": train})
    for name, table in given.items():
        _check(table, 2, f"{name} counts")
        if table.shape != true.shape:
            raise InvalidInput(
                f"the {name} counts must have the shape {true.shape} of the true ones, not {table.shape}"
            )
    _check_options(tie, empty)
    signs = _signs(true if train is None else train, tie)
    cells, deltas = _cells(true, predicted, signs)
    return Amplification(float(_mean(deltas, signs, empty)), cells, signs > 0, deltas)


def total(joint: Ints) -> Metric:
    """Bias amplification of rows, with its standard error given how many rows each attribute value has.

    The error is that of a mean of rows, with the signs of associations as they are: a row adds the difference of its
    predicted and its true task value's sign. It is NaN where rows do not differ: at exact independence the total is 0
    whatever is predicted.

    Args:
        joint: `(A, T, T)` as `joint_counts` returns it.

    Raises:
        InvalidInput: as `amplification`.
    """
    true, predicted = tables(joint)  # (A, T)
    result = amplification(true, predicted)
    sign = np.where(result.y, 1.0, -1.0)  # (A, T)
    rows = true.sum(axis=1)  # (A,)
    filled = np.flatnonzero(rows)  # (attribute values with rows,)
    variances = _variances(joint, sign[:, None, :] - sign[:, :, None])  # (A,)
    cells = max(len(filled), 1) * true.shape[1]
    error = _error(float((variances[filled] / rows[filled]).sum()) / cells**2)
    return Metric(result.total, int(rows.sum()), error)


def by_cell(joint: Ints) -> dict[tuple[int, int], Metric]:
    """The cells of bias amplification, by attribute and task value, with errors as `total` has them.

    Attribute values without rows have no cells.

    Args:
        joint: `(A, T, T)` as `joint_counts` returns it.

    Raises:
        InvalidInput: as `amplification`.
    """
    true, predicted = tables(joint)  # (A, T)
    values = amplification(true, predicted).cells  # (A, T)
    rows = true.sum(axis=1)  # (A,)
    cells = {}
    for task in range(true.shape[1]):
        is_task = (np.arange(true.shape[1]) == task).astype(np.float64)  # (T,)
        steps = np.broadcast_to(is_task[None, None, :] - is_task[None, :, None], joint.shape)  # (A, T, T)
        variances = _variances(joint, steps)  # (A,)
        for attribute in np.flatnonzero(rows).tolist():
            n = int(rows[attribute])
            cells[attribute, task] = Metric(float(values[attribute, task]), n, _error(float(variances[attribute]) / n))
    return cells


def _variances(joint: Ints, values: Floats) -> Floats:
    """`(A,)` variance over the rows of an attribute value of what depends on it, true and predicted task value.

    Args:
        joint: `(A, T, T)` counts.
        values: `(A, T, T)`.
    """
    with np.errstate(invalid="ignore"):
        weights = joint / joint.sum(axis=(1, 2), keepdims=True)  # (A, T, T)
    mean = (weights * values).sum(axis=(1, 2))  # (A,)
    return np.asarray((weights * (values - mean[:, None, None]) ** 2).sum(axis=(1, 2)), np.float64)


def _error(variance: float) -> float:
    return math.sqrt(variance) if variance > 0 else math.nan


def interval(
    joint: Ints,
    *,
    train: Ints | None = None,
    tie: Tie = "minus",
    empty: Empty = "skip",
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the total: rows are resampled, as one multinomial draw of the joint counts.

    The cost grows with the number of cells that have rows, not with the number of rows. Without `train` the signs
    are decided anew in every resample, so that a truth close to independence has the wide interval it should.

    Args:
        joint: `(A, T, T)` as `joint_counts` returns it.
        train: as for `amplification`.
        tie: as for `amplification`.
        empty: as for `amplification`.
        level: coverage, between 0 and 1.
        draws: number of resamples, at least 1.
        seed: of the resamples; the same seed gives the same interval.

    Returns:
        Lower and upper end; both NaN where resampling cannot tell: an attribute value has a single row, all
        resamples agree, or the total itself is NaN.

    Raises:
        InvalidInput: as `amplification`, or if `level` or `draws` is out of range.
    """
    true, predicted = tables(joint)
    point = amplification(true, predicted, train=train, tie=tie, empty=empty)
    if not 0 < level < 1 or draws < 1:
        raise InvalidInput(f"an interval needs a level between 0 and 1 and at least 1 draw, not {level} and {draws}")
    if math.isnan(point.total) or (true.sum(axis=1) == 1).any():
        return math.nan, math.nan
    drawn = resampled(joint, train=train, tie=tie, empty=empty, draws=draws, seed=seed)
    return percentiles(point.total, drawn, level)


def percentiles(total: float, drawn: Floats, level: float = 0.95) -> tuple[float, float]:
    """The middle part of resampled totals, in [-1, 1], as `interval` has it.

    It reaches to the total itself where that lies outside (near independence resamples decide other signs). Both ends
    are NaN where no total is finite, or all agree.
    """
    drawn = drawn[np.isfinite(drawn)]
    if math.isnan(total) or agree(drawn):
        return math.nan, math.nan
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]).tolist()
    if max(high, total) - min(low, total) <= SAME:  # all but a few resamples agree
        low, high = float(drawn.min()), float(drawn.max())
    return within(total, (low, high), -1.0, 1.0)


def resampled(
    joint: Ints,
    *,
    train: Ints | None = None,
    tie: Tie = "minus",
    empty: Empty = "skip",
    draws: int = 1000,
    seed: int = 0,
) -> Floats:
    """`(draws,)` totals of resampled counts, which `interval` takes its quantiles of.

    Raises:
        InvalidInput: as `interval`, or if there are no rows.
    """
    _check(joint, 3, "joint counts")
    _check_options(tie, empty)
    if draws < 1 or not joint.any():
        raise InvalidInput(f"resampling needs rows and at least 1 draw, not {int(joint.sum())} and {draws}")
    signs = None if train is None else _signs(train, tie)  # (A, T)
    attributes, tasks, _ = joint.shape
    filled = np.flatnonzero(joint)  # (cells,) of A x T x T, those that have rows
    hits = joint.ravel()[filled]  # (cells,)
    n = int(hits.sum())
    rng = np.random.Generator(np.random.PCG64(seed))
    attribute, target, prediction = np.unravel_index(filled, joint.shape)  # (cells,) each
    chunk = max(1, _DRAWN_AT_ONCE // max(len(filled), attributes * tasks))
    totals = []
    for start in range(0, draws, chunk):
        drawn = rng.multinomial(n, hits / n, size=min(chunk, draws - start))  # (draws, cells)
        shape = (len(drawn), attributes, tasks)  # (draws, A, T)
        true = _gathered(drawn, attribute * tasks + target, attributes * tasks).reshape(shape)
        predicted = _gathered(drawn, attribute * tasks + prediction, attributes * tasks).reshape(shape)
        drawn_signs = _signs(true, tie) if signs is None else signs  # (draws, A, T) or (A, T)
        totals.append(_mean(_cells(true, predicted, drawn_signs)[1], drawn_signs, empty))
    return np.concatenate(totals)


def _gathered(drawn: Ints, ids: Ints, size: int) -> Ints:
    """Sums of the columns that have the same id."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    sums = np.zeros((len(drawn), size), np.int64)  # (draws, size)
    sums[:, ordered[starts]] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return sums


def _signs(counts: Ints, tie: Tie) -> Floats:
    """`(..., A, T)` 1 where associated, else -1; with the tie "zero", 0 where exactly independent."""
    exact = counts if not counts.size or counts.sum(axis=(-2, -1)).max() < _SAFE else counts.astype(object)
    rows, columns = exact.sum(axis=-1, keepdims=True), exact.sum(axis=-2, keepdims=True)
    here, expected = exact * exact.sum(axis=(-2, -1), keepdims=True), rows * columns  # (..., A, T)
    signs = np.where(here > expected, 1.0, -1.0)
    return np.where(here == expected, 0.0, signs) if tie == "zero" else signs


def _cells(true: Ints, predicted: Ints, signs: Floats) -> tuple[Floats, Floats]:
    """Cells and deltas, NaN in rows without counts."""
    with np.errstate(invalid="ignore"):
        deltas = predicted / predicted.sum(axis=-1, keepdims=True) - true / true.sum(axis=-1, keepdims=True)
    return signs * deltas, deltas


def _mean(deltas: Floats, signs: Floats, empty: Empty) -> Floats:
    """Mean of the cells of each table; NaN where no cell has a value.

    The deltas of a row sum to 0. So a row's sign may be taken off all of its cells, which makes the sum of a row
    without any association exactly 0, and not what rounding leaves of it.
    """
    defined = ~np.isnan(deltas)  # (..., A, T)
    taken = defined.sum(axis=(-2, -1))  # (...)
    sums = np.where(defined, (signs - signs[..., :1]) * deltas, 0.0).sum(axis=(-2, -1))
    complete = taken > 0 if empty == "skip" else defined.all(axis=(-2, -1))
    return np.asarray(np.where(complete, sums / np.maximum(taken, 1), np.nan), np.float64)


def _check(table: Ints, axes: int, name: str) -> None:
    if table.ndim != axes or 0 in table.shape:
        raise InvalidInput(f"the {name} must be a table of {axes} axes, none empty, not of shape {table.shape}")
    if axes == 3 and table.shape[1] != table.shape[2]:
        raise InvalidInput(f"the {name} must have as many predicted as true task values, not the shape {table.shape}")
    if table.dtype.kind not in "iu" or table.min() < 0:
        raise InvalidInput(f"the {name} must be whole numbers, none negative, not {table.ravel().tolist()}")


def _check_options(tie: str, empty: str) -> None:
    for name, value, known in (("tie", tie, ("minus", "zero")), ("empty", empty, ("skip", "nan"))):
        if value not in known:
            raise InvalidInput(f'{name} must be "{known[0]}" or "{known[1]}", not {value!r}')
