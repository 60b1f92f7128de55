"""Accuracy, confusion counts and recall by class.

Classes are declared, never taken from those that occur: a class without test rows has a row of zeros and a
recall of NaN, and no other class takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence

from biasloop.contract.data import Array, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_classes, check_paired
from biasloop.metrics.shares import share_of

_MISSING = Metric(float("nan"), 0)


def accuracy(prediction: Array, target: Array) -> Metric:
    """Share of rows whose prediction equals the target, with its binomial standard error.

    Args:
        prediction: `(n,)`.
        target: `(n,)`.

    Returns:
        A value in [0, 1]; NaN where there are no rows.

    Raises:
        InvalidInput: if the columns are not 1-d or differ in length.
    """
    check_paired(prediction=prediction, target=target)
    return share_of(np.asarray(prediction == target, np.bool_))


def confusion(prediction: Array, target: Array, classes: int) -> Ints:
    """Counts of rows by target and prediction.

    Args:
        prediction: `(n,)` class ids, 0 to `classes` - 1.
        target: `(n,)` class ids, 0 to `classes` - 1.
        classes: number of declared classes.

    Returns:
        `(classes, classes)` int64; row = target, column = prediction.

    Raises:
        InvalidInput: if the columns are not 1-d, differ in length, or hold an id that was not declared.
    """
    check_paired(prediction=prediction, target=target)
    check_classes(classes, prediction=prediction, target=target)
    cells = target.astype(np.int64) * classes + prediction.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def recalls(counts: Ints) -> list[Metric]:
    """Recall of each class with its binomial standard error, from confusion counts.

    Args:
        counts: `(classes, classes)` as `confusion` returns them.

    Returns:
        One metric a class, by class id; n is the class's number of rows, and the value NaN where that is 0.

    Raises:
        InvalidInput: if `counts` is not square.
    """
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise InvalidInput(f"confusion counts must be a square table, not of shape {counts.shape}")
    metrics = []
    for right, n in zip(counts.diagonal().tolist(), counts.sum(axis=1).tolist(), strict=True):
        p = right / n if n else float("nan")
        # The power, of which one in a thousand differs from `math.sqrt` in the last bit: stored errors are its.
        metrics.append(Metric(p, n, (p * (1 - p) / n) ** 0.5) if n else _MISSING)
    return metrics


def worst_class(recall: Sequence[Metric]) -> int | None:
    """Id of the class with the lowest recall; the first of equals; None if no class has rows."""
    present = [label for label, metric in enumerate(recall) if metric.n]
    return min(present, key=lambda label: recall[label].value, default=None)


def worst_class_recall(prediction: Array, target: Array, classes: int) -> Metric:
    """The lowest recall among classes that have rows, with that class's n and standard error.

    The minimum of several estimates is on average below the lowest true recall, and its error does not say
    so.

    Args:
        prediction: `(n,)` class ids, 0 to `classes` - 1.
        target: `(n,)` class ids, 0 to `classes` - 1.
        classes: number of declared classes.

    Raises:
        InvalidInput: as `confusion`.
    """
    recall = recalls(confusion(prediction, target, classes))
    worst = worst_class(recall)
    return _MISSING if worst is None else recall[worst]
