"""The metrics of the domain "textclass", as far as the columns allow; NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biasloop.contract.data import Frame, Ints, Metric
from biasloop.contract.names import GROUP, PREDICTION, TARGET
from biasloop.metrics import amplification, class_metrics
from biasloop.metrics.fairness import fairness
from biasloop.metrics.shares import binomial


def measure(
    test: Frame, given: Ints, classes: Sequence[str], chosen: int | None, groups: Mapping[str, Sequence[str]]
) -> dict[str, Metric]:
    """Metrics of the test set.

    Those of `biasloop.metrics.class_metrics`. With groups and predictions also accuracy.<group>, worst_group_accuracy,
    bias_amp (directional bias amplification from group to class) and, with two classes, the differences of demographic
    parity and of equalised odds, for which the chosen class is the positive one, or else the second. Of several columns
    of groups each name ends in .<column>.

    Args:
        test: columns "target", those of `groups`, and perhaps "prediction" and "confidence".
        given: `(n,)` labels that were trained on; may be empty.
        classes: names.
        chosen: the class whose share is followed, or None.
        groups: names of the values of each column of groups.
    """
    metrics = class_metrics.measure(test, given, classes, chosen)
    if PREDICTION not in test:
        return metrics
    for column, names in groups.items():
        sizes = (len(names), len(classes))
        # (groups, true classes, predicted classes)
        joint = amplification.joint_counts(test[column], test[TARGET], test[PREDICTION], sizes)
        metrics |= {f"{name}{column.removeprefix(GROUP)}": value for name, value in _by_group(joint, names).items()}
        if len(classes) == 2:
            rates = fairness(joint[:, ::-1, ::-1] if chosen == 0 else joint, names)
            for name in ("demographic_parity_difference", "equalized_odds_difference"):
                metrics[f"{name}{column.removeprefix(GROUP)}"] = rates[name]
    return metrics


def _by_group(joint: Ints, names: Sequence[str]) -> dict[str, Metric]:
    """What a table of counts `(groups, classes, classes)` says of groups that have rows."""
    counts = {name: (int(cells.trace()), int(cells.sum())) for name, cells in zip(names, joint, strict=True)}
    accuracies = {name: binomial(right, rows) for name, (right, rows) in counts.items() if rows}
    metrics = {f"accuracy.{name}": metric for name, metric in accuracies.items()}
    metrics["worst_group_accuracy"] = min(accuracies.values(), key=lambda metric: metric.value)
    metrics["bias_amp"] = amplification.total(joint)
    return metrics
