"""Metrics of stored per-sample outputs that follow from the roles of their columns, whatever the domain."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from biasloop.contract.data import Array, Bools, Frame, Ints, Metric, joined
from biasloop.contract.names import CONFIDENCE, GROUP, GROUP_OF, MAIN, PREDICTION, TARGET, TEST
from biasloop.feedback.rule import Rule
from biasloop.metrics import amplification, calibration, classification, fairness
from biasloop.records.record import Record
from biasloop.running.engine import Options
from biasloop.running.reopen import replay, reread

_DIFFERENCES = ("demographic_parity_difference", "equalized_odds_difference")


def metrics_of(test: Frame) -> dict[str, Metric]:
    """As many metrics as the columns allow.

    With true and predicted classes: accuracy. With confidences: ece, mce (15 bins) and calibration_gap, accuracy minus
    mean confidence. With groups: bias_amp; where there are two classes demographic_parity_difference and
    equalized_odds_difference, for which the second class is positive. Of several columns of groups each name ends in
    .<column>, of which "group." is left out.

    The class is the only column of class ids with one a row: of labels that have more besides, that column alone is
    looked at. A negative number is no class and no group: rows without a true class are left out, a prediction that is
    no class is wrong, and between groups rows count that have a group and a predicted class.

    Args:
        test: a table of classes by number, references and predictions side by side.
    """
    target, prediction = _classes(test, TARGET), _classes(test, PREDICTION)
    if target is None or prediction is None:
        return {}
    labelled = target >= 0  # (rows,)
    if not labelled.any():
        return {}
    test, target, prediction = test.take(labelled), target[labelled], prediction[labelled]
    metrics = {"accuracy": classification.accuracy(prediction, target)}
    confidences = _of_role(test, CONFIDENCE)
    if len(confidences) == 1 and _known(test[confidences[0]]):
        metrics |= _calibration(test[confidences[0]], prediction == target)
    columns = [name for name in _of_role(test, GROUP) if test[name].dtype.kind in "iu" and test[name].ndim == 1]
    for name in columns:
        ending = f".{name.removeprefix(GROUP_OF)}" if len(columns) > 1 else ""
        between = _between(test[name].astype(np.int64), target, prediction)
        metrics |= {f"{metric}{ending}": value for metric, value in between.items()}
    return metrics


@dataclass(frozen=True)
class Remeasured:
    """Metrics of a stored round.

    Attributes:
        metrics: all that it has, computed from what is stored.
        as_stored: names of those that need more than is stored; they are as the round measured them.
    """

    metrics: Mapping[str, Metric]
    as_stored: Sequence[str] = ()


def remeasured(directory: Path, options: Options) -> dict[int, Remeasured]:
    """Metrics of every round of a run, without model or data.

    Raises:
        DamagedStore: what is stored of its settings is no experiment of this biasloop, or a file is damaged.
    """
    stored, rule = reread(directory, options)
    rounds = {}
    for number, record in replay(stored, rule, models=False):
        metrics, measured = recomputed(rule, number, record), record.evaluations[MAIN].metrics
        lacking = [name for name in measured if name not in metrics]
        rounds[number] = Remeasured(metrics | {name: measured[name] for name in lacking}, lacking)
    return rounds


def recomputed(rule: Rule, number: int, record: Record) -> dict[str, Metric]:
    """All metrics of an absorbed round: those of its domain, and besides them what the roles of columns allow."""
    tables = record.evaluations[MAIN].tables
    rows = [len(of.get(TEST, Frame())) for of in (rule.references, tables)]
    by_role = metrics_of(joined(rule.references, tables)[MAIN]) if rows[0] == rows[1] > 0 else {}
    return {**by_role, **_with_errors(rule.measure(number, record, tables), by_role)}


def _with_errors(of_domain: Mapping[str, Metric], by_role: Mapping[str, Metric]) -> dict[str, Metric]:
    """A domain's metrics; the error of one that it gives without comes from the same value by role, if there is one."""
    metrics = dict(of_domain)
    for name, metric in of_domain.items():
        same = by_role.get(name)
        if same is not None and math.isnan(metric.error) and (metric.value, metric.n) == (same.value, same.n):
            metrics[name] = same
    return metrics


def _of_role(test: Frame, role: str) -> Sequence[str]:
    return [name for name, column in test.columns.items() if column.role == role and column.offsets is None]


def _classes(test: Frame, role: str) -> Ints | None:
    """The only column of classes in that role."""
    names = [name for name in _of_role(test, role) if test[name].ndim == 1 and test[name].dtype.kind in "iub"]
    return test[names[0]].astype(np.int64) if len(names) == 1 else None


def _known(confidence: Array) -> bool:
    return confidence.ndim == 1 and bool(np.isfinite(confidence).all())


def _calibration(confidence: Array, right: Bools) -> dict[str, Metric]:
    return {
        "ece": calibration.expected_calibration_error(confidence, right),
        "mce": calibration.maximum_calibration_error(confidence, right),
        "calibration_gap": calibration.calibration_gap(confidence, right),
    }


def _between(groups: Ints, target: Ints, prediction: Ints) -> dict[str, Metric]:
    known = (groups >= 0) & (prediction >= 0)  # (rows,)
    if not known.any():
        return {}
    groups, target, prediction = groups[known], target[known], prediction[known]
    sizes = (int(groups.max()) + 1, int(max(target.max(), prediction.max())) + 1)
    if min(sizes) < 2 or sizes[0] * sizes[1] ** 2 > amplification.MOST_CELLS:
        return {}
    joint = amplification.joint_counts(groups, target, prediction, sizes)
    metrics = {"bias_amp": amplification.total(joint)}
    if sizes[1] == 2:
        rates = fairness.fairness(joint, [str(group) for group in range(sizes[0])])
        metrics |= {name: rates[name] for name in _DIFFERENCES}
    return metrics
