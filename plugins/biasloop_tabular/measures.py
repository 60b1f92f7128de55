"""The metrics of the domain "tabular", as far as the columns allow; NumPy alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biasloop.contract.data import Arrays, Frame, Ints, Metric
from biasloop.contract.names import GROUP, PREDICTION, TARGET
from biasloop.lazy import numpy as np
from biasloop.metrics import amplification, class_metrics, shares
from biasloop.metrics.fairness import counts, fairness, intersections

_ODDS = ("tpr", "fpr")
_PARITY = "demographic_parity_difference"
_DIFFERENCES = (_PARITY, "equalized_odds_difference", "accuracy_difference")
JOINT = "+"
"""Stands between columns, and between their values, where groups are those of several columns together."""


@dataclass(frozen=True)
class Grouping:
    """Groups that are compared.

    Attributes:
        suffix: of their metrics, such as ".sex"; empty where there is one column of groups.
        names: of the groups.
        test: `(rows,)` of test rows.
        train: `(samples,)` of the training set; None where that is not known.
    """

    suffix: str
    names: Sequence[str]
    test: Ints
    train: Ints | None


def measure(
    test: Frame,
    given: Arrays,
    classes: Sequence[str],
    chosen: int | None,
    groups: Mapping[str, Sequence[str]],
    *,
    joint: bool,
) -> dict[str, Metric]:
    """Metrics of the test set.

    Those of `biasloop.metrics.class_metrics`. Of each column of groups, and of all of them together, with predictions:
    accuracy.<group>, worst_group_accuracy and bias_amp (directional bias amplification from group to class). With a
    chosen class, which is taken for the positive one, also share_target.<group>, share_train.<group>,
    share_predicted.<group>, bias.<group>, tpr.<group>, fpr.<group>, demographic_parity_difference,
    equalized_odds_difference and accuracy_difference; demographic_parity_difference_target and ..._train are that of
    the shares in the truth and in the labels that were trained on. Of several columns each name ends in .<column>, of
    all together in .<column>+<column>, where groups are <group>+<group>.

    Args:
        test: columns "target", those of `groups`, and perhaps "prediction" and "confidence".
        given: columns of labels that were trained on, and of their groups where they are known; may be empty.
        classes: names.
        chosen: the class that is followed, or None.
        groups: names of the values of each column of groups.
        joint: whether to compare the groups of all columns together, where there are several.
    """
    labels = given[TARGET] if TARGET in given else np.zeros(0, np.int64)
    metrics = class_metrics.measure(test, labels, classes, chosen)
    for grouping in _groupings(test, given, groups, joint=joint):
        measured: dict[str, Metric] = {}
        if chosen is not None:
            measured |= _shares(grouping, test[TARGET] == chosen, labels == chosen)
        if PREDICTION in test:
            measured |= _accuracies(grouping, test[TARGET], test[PREDICTION], len(classes))
        if PREDICTION in test and chosen is not None:
            measured |= _rates(grouping, test[TARGET] == chosen, test[PREDICTION] == chosen)
        metrics |= {f"{name}{grouping.suffix}": metric for name, metric in measured.items()}
    return metrics


def _groupings(test: Frame, given: Arrays, groups: Mapping[str, Sequence[str]], *, joint: bool) -> list[Grouping]:
    made = [
        Grouping(column.removeprefix(GROUP), names, test[column], given.get(column)) for column, names in groups.items()
    ]
    if joint and len(made) > 1:
        suffix = "." + JOINT.join(each.suffix.removeprefix(".") for each in made)
        names = [JOINT.join(parts) for parts in itertools.product(*groups.values())]
        sizes = {column: len(values) for column, values in groups.items()}
        of_test = intersections({column: (test[column], size) for column, size in sizes.items()})
        known = all(column in given for column in groups)
        of_train = intersections({c: (given[c], size) for c, size in sizes.items()}) if known else None
        made.append(Grouping(suffix, names, of_test, of_train))
    return made


def _accuracies(grouping: Grouping, target: Ints, prediction: Ints, classes: int) -> dict[str, Metric]:
    """Of groups that have rows."""
    sizes = (len(grouping.names), classes)
    joint = amplification.joint_counts(grouping.test, target, prediction, sizes)  # (groups, true, predicted)
    rows, right = joint.sum((1, 2)).tolist(), np.trace(joint, axis1=1, axis2=2).tolist()
    by_name = zip(grouping.names, right, rows, strict=True)
    accuracies = {name: shares.binomial(hits, n) for name, hits, n in by_name if n}
    return {
        **{f"accuracy.{name}": metric for name, metric in accuracies.items()},
        "worst_group_accuracy": min(accuracies.values(), key=lambda metric: metric.value),
        "bias_amp": amplification.total(joint),
    }


def _shares(grouping: Grouping, positive: Ints, given: Ints) -> dict[str, Metric]:
    """Shares of the chosen class in the truth and in what was trained on, by group and between groups."""
    measured = _of_labels(grouping.names, grouping.test, positive, TARGET)
    if grouping.train is not None and len(given):
        measured |= _of_labels(grouping.names, grouping.train, given, "train")
    return measured


def _of_labels(names: Sequence[str], group: Ints, positive: Ints, whose: str) -> dict[str, Metric]:
    labels = positive.astype(np.int64)
    rates = fairness(counts(labels, labels, group, len(names)), names)
    shares = {f"share_{whose}.{name}": rates[rate] for name in names if (rate := f"selection_rate.{name}") in rates}
    return shares | {f"{_PARITY}_{whose}": rates[_PARITY]}


def _rates(grouping: Grouping, positive: Ints, predicted: Ints) -> dict[str, Metric]:
    """What predictions of the chosen class are, by group and between groups."""
    names, group = grouping.names, grouping.test
    rates = fairness(counts(positive.astype(np.int64), predicted.astype(np.int64), group, len(names)), names)
    measured = {name: rates[name] for name in _DIFFERENCES}
    for number, name in enumerate(names):
        rows = group == number
        if rows.any():
            measured[f"share_predicted.{name}"] = rates[f"selection_rate.{name}"]
            measured[f"bias.{name}"] = shares.share_bias(predicted[rows], positive[rows], True)
            measured |= {f"{odds}.{name}": rates[f"{odds}.{name}"] for odds in _ODDS}
    return measured
