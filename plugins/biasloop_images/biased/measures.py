"""Metrics of tasks that depend on a group; NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from biasloop.contract import names
from biasloop.contract.data import Array, Frame, Ints, Metric
from biasloop.lazy import numpy as np
from biasloop.metrics import amplification, calibration, fairness
from biasloop.metrics.shares import binomial


def measure(
    test: Frame, given: Ints, attribute: Ints | None, targets: Sequence[str], groups: Sequence[str]
) -> dict[str, Metric]:
    """Metrics of the test set that look at groups.

    With two targets: epsilon_target and epsilon_train, how far the first target's share within a group is from one
    half, on average over groups, in the truth of the test set and in the labels trained on; with predictions
    effective_epsilon, the same of predictions. From 0 to 0.5, where settings are in percent; targets that are not
    equally frequent add to it.
    With predictions: bias_amp and its parts bias_amp.<group>.<target>; accuracy.<group>.<target>; with two targets
    demographic_parity_difference and equalized_odds_difference, for which the second target is the positive one.
    With confidences: mce, calibration_gap (accuracy minus mean confidence) and overconfidence (the same with the
    other sign).

    Args:
        test: columns "target", "group" and perhaps "prediction" and "confidence".
        given: `(n,)` labels that were trained on; may be empty.
        attribute: `(n,)` the groups of their samples; None where they are not known.
        targets: names.
        groups: names.
    """
    sizes = (len(groups), len(targets))
    metrics = _dependence("epsilon_target", fairness.strata_counts(test[names.GROUP], test[names.TARGET], sizes))
    if attribute is not None and len(given):
        metrics |= _dependence("epsilon_train", fairness.strata_counts(attribute, given, sizes))
    if names.PREDICTION not in test:
        return metrics
    # (groups, true targets, predicted targets)
    joint = amplification.joint_counts(test[names.GROUP], test[names.TARGET], test[names.PREDICTION], sizes)
    metrics |= _dependence("effective_epsilon", amplification.tables(joint)[1])
    metrics |= _amplified(joint, targets, groups) | _accuracies(joint, targets, groups)
    if len(targets) == 2:
        rates = fairness.fairness(joint, groups)
        metrics |= {name: rates[name] for name in ("demographic_parity_difference", "equalized_odds_difference")}
    if names.CONFIDENCE in test:
        metrics |= _sureness(test[names.CONFIDENCE], test[names.PREDICTION] == test[names.TARGET])
    return metrics


def _dependence(name: str, counts: Ints) -> dict[str, Metric]:
    """Mean over groups with rows of |share of the first target - 0.5|; of two targets alone.

    Args:
        name: of the metric.
        counts: `(groups, targets)`.
    """
    if counts.shape[1] != 2:
        return {}
    rows = counts.sum(axis=1)  # (groups,)
    filled = rows > 0
    p, n = counts[filled, 0] / rows[filled], rows[filled]  # (groups with rows,)
    if not len(n):
        return {name: Metric(math.nan, 0)}
    error = math.sqrt(float((p * (1 - p) / n).sum())) / len(n)
    return {name: Metric(float(np.abs(p - 0.5).mean()), int(n.sum()), error)}


def _amplified(joint: Ints, targets: Sequence[str], groups: Sequence[str]) -> dict[str, Metric]:
    """Directional bias amplification, in total and by cell."""
    cells = amplification.by_cell(joint).items()
    named = {f"bias_amp.{groups[group]}.{targets[target]}": metric for (group, target), metric in cells}
    return {"bias_amp": amplification.total(joint), **named}


def _accuracies(joint: Ints, targets: Sequence[str], groups: Sequence[str]) -> dict[str, Metric]:
    """Of each group and target that have rows."""
    metrics = {}
    for group, name in enumerate(groups):
        for target, other in enumerate(targets):
            n = int(joint[group, target].sum())
            if n:
                metrics[f"accuracy.{name}.{other}"] = binomial(int(joint[group, target, target]), n)
    return metrics


def _sureness(confidence: Array, right: Array) -> dict[str, Metric]:
    gap = calibration.calibration_gap(confidence, right)
    return {
        "mce": calibration.maximum_calibration_error(confidence, right),
        "calibration_gap": gap,
        "overconfidence": Metric(-gap.value, gap.n, gap.error),
    }
