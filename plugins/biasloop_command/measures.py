"""The metrics of the domain "command", as far as the columns allow; NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biasloop.data import Array, Frame, Ints, Metric
from biasloop.late import numpy as np
from biasloop.metrics.amplification import amplification, joint_counts, tables
from biasloop.metrics.calibration import expected_calibration_error
from biasloop.metrics.classification import accuracy, confusion, recalls, worst_class_recall
from biasloop.metrics.fairness import counts, fairness
from biasloop.metrics.shares import share, share_bias

_DIFFERENCES = ("demographic_parity_difference", "equalized_odds_difference")


def measure(
    test: Frame, given: Ints, classes: Sequence[str], follow: int | None, groups: Mapping[str, Sequence[str]]
) -> dict[str, Metric]:
    """Metrics of the test set.

    With a class to follow: share_target, share_train and, with predictions, share_predicted, bias (the share
    predicted minus that of targets) and absolute_bias.
    With predictions: accuracy, recall.<class> of the classes that the test set has, worst_class_recall.
    With confidences: ece, in 15 bins.
    With groups: bias_amp of each, from group to class; with a class to follow also the differences of demographic
    parity and of equalised odds, for that class against the others. Of several columns each name ends in .<column>.

    Args:
        test: columns "target", those of `groups`, and perhaps "prediction" and "confidence".
        given: `(n,)` labels that were trained on; may be empty.
        classes: names.
        follow: the class whose share is followed, or None.
        groups: names of the values of each column of groups.
    """
    target = test["target"]
    prediction = test.columns["prediction"].values if "prediction" in test else None
    found = {} if follow is None else _shares(target, prediction, given, follow)
    if prediction is None:
        return found
    found["accuracy"] = accuracy(prediction, target)
    recall = recalls(confusion(prediction, target, len(classes)))
    found |= {f"recall.{name}": metric for name, metric in zip(classes, recall, strict=True) if metric.n}
    found["worst_class_recall"] = worst_class_recall(prediction, target, len(classes))
    if "confidence" in test:
        found["ece"] = expected_calibration_error(test["confidence"], prediction == target)
    for column, names in groups.items():
        metrics = _between(test[column], names, target, prediction, len(classes), follow)
        found |= {f"{name}{column.removeprefix('group')}": metric for name, metric in metrics.items()}
    return found


def _shares(target: Array, prediction: Array | None, given: Ints, follow: int) -> dict[str, Metric]:
    found = {"share_target": share(target, follow)}
    if len(given):
        found["share_train"] = share(given, follow)
    if prediction is not None:
        bias = share_bias(prediction, target, follow)
        found["share_predicted"] = share(prediction, follow)
        found["bias"] = bias
        found["absolute_bias"] = Metric(abs(bias.value), bias.n, bias.error)
    return found


def _between(
    group: Array, names: Sequence[str], target: Array, prediction: Array, classes: int, follow: int | None
) -> dict[str, Metric]:
    """What lies between groups."""
    true, predicted = tables(joint_counts(group, target, prediction, (len(names), classes)))
    found = {"bias_amp": Metric(amplification(true, predicted).total, len(target))}
    if follow is not None:
        ours = np.asarray(target == follow, np.int64), np.asarray(prediction == follow, np.int64)
        measured = fairness(counts(*ours, group, len(names)), names)
        found |= {name: measured[name] for name in _DIFFERENCES}
    return found
