"""The metrics of the domain "command", as far as the columns allow; NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biasloop.contract.data import Array, Frame, Ints, Metric
from biasloop.contract.names import GROUP, PREDICTION, TARGET
from biasloop.lazy import numpy as np
from biasloop.metrics import class_metrics
from biasloop.metrics.amplification import amplification, joint_counts, tables
from biasloop.metrics.fairness import counts, fairness

_DIFFERENCES = ("demographic_parity_difference", "equalized_odds_difference")


def measure(
    test: Frame, given: Ints, classes: Sequence[str], follow: int | None, groups: Mapping[str, Sequence[str]]
) -> dict[str, Metric]:
    """Metrics of the test set.

    Those of `biasloop.metrics.class_metrics`, of the class to follow, if there is one.
    With groups: bias_amp of each, from group to class; with a class to follow also the differences of demographic
    parity and of equalised odds, for that class against the others. Of several columns each name ends in .<column>.

    Args:
        test: columns "target", those of `groups`, and perhaps "prediction" and "confidence".
        given: `(n,)` labels that were trained on; may be empty.
        classes: names.
        follow: the class whose share is followed, or None.
        groups: names of the values of each column of groups.
    """
    metrics = class_metrics.measure(test, given, classes, follow)
    if PREDICTION not in test:
        return metrics
    target, prediction = test[TARGET], test[PREDICTION]
    for column, names in groups.items():
        differences = _between(test[column], names, target, prediction, len(classes), follow)
        metrics |= {f"{name}{column.removeprefix(GROUP)}": metric for name, metric in differences.items()}
    return metrics


def _between(
    group: Array, names: Sequence[str], target: Array, prediction: Array, classes: int, follow: int | None
) -> dict[str, Metric]:
    """What lies between groups."""
    true, predicted = tables(joint_counts(group, target, prediction, (len(names), classes)))
    # Without the standard error that `metrics.amplification.total` has: runs never stored one, and what is stored stays
    # as it is. Measured again, a run has it (`running.remeasure`).
    metrics = {"bias_amp": Metric(amplification(true, predicted).total, len(target))}
    if follow is not None:
        ours = np.asarray(target == follow, np.int64), np.asarray(prediction == follow, np.int64)
        measured = fairness(counts(*ours, group, len(names)), names)
        metrics |= {name: measured[name] for name in _DIFFERENCES}
    return metrics
