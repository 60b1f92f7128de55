"""Metrics of stored per-sample outputs that follow from the roles of their columns, whatever the domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from biasloop.contract.data import Array, Frame, Ints, Metric
from biasloop.feedback.rule import Rule
from biasloop.metrics import amplification, calibration, classification, fairness
from biasloop.records.record import MAIN, Record
from biasloop.running.engine import Options
from biasloop.running.reopen import replay, reread

_DIFFERENCES = ("demographic_parity_difference", "equalized_odds_difference")


def metrics_of(test: Frame) -> dict[str, Metric]:
    """As many metrics as the columns allow.

    With true and predicted classes: accuracy. With confidences: ece, mce (15 bins) and calibration_gap, accuracy minus
    mean confidence. With groups: bias_amp; where there are two classes demographic_parity_difference and
    equalized_odds_difference, for which the second class is positive. Of several columns of groups each name ends in
    .<column>.

    Args:
        test: a table of classes by number, human answers and predictions side by side.
    """
    target, prediction = _classes(test, "target"), _classes(test, "prediction")
    if target is None or prediction is None or not len(target):
        return {}
    found = {"accuracy": classification.accuracy(prediction, target)}
    sure = _of_role(test, "confidence")
    if len(sure) == 1 and _known(test[sure[0]]):
        found |= _calibration(test[sure[0]], prediction == target)
    groups = [name for name in _of_role(test, "group") if test[name].dtype.kind in "iu" and test[name].ndim == 1]
    for name in groups:
        ending = f".{name}" if len(groups) > 1 else ""
        own = _between(test[name].astype(np.int64), target, prediction)
        found |= {f"{metric}{ending}": value for metric, value in own.items()}
    return found


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
    references = rule.references.get(MAIN, Frame())
    predicted = tables.get(MAIN, Frame())
    joined = references.plus(predicted) if len(references) == len(predicted) else Frame()
    return {**metrics_of(joined), **rule.measure(number, record, tables)}


def _of_role(test: Frame, role: str) -> Sequence[str]:
    return [name for name, column in test.columns.items() if column.role == role and column.offsets is None]


def _classes(test: Frame, role: str) -> Ints | None:
    """The only column of classes in that role."""
    names = [name for name in _of_role(test, role) if test[name].ndim == 1 and test[name].dtype.kind in "iub"]
    return test[names[0]].astype(np.int64) if len(names) == 1 else None


def _known(confidence: Array) -> bool:
    return confidence.ndim == 1 and bool(np.isfinite(confidence).all())


def _calibration(confidence: Array, right: Array) -> dict[str, Metric]:
    differences = right - confidence.astype(np.float64)
    n = len(right)
    return {
        "ece": calibration.expected_calibration_error(confidence, right),
        "mce": calibration.maximum_calibration_error(confidence, right),
        "calibration_gap": Metric(float(differences.mean()), n, float(differences.std() / np.sqrt(n))),
    }


def _between(groups: Ints, target: Ints, prediction: Ints) -> dict[str, Metric]:
    sizes = (int(groups.max()) + 1, int(max(target.max(), prediction.max())) + 1)
    if min(sizes) < 2 or sizes[0] * sizes[1] ** 2 > amplification.MOST_CELLS:
        return {}
    joint = amplification.joint_counts(groups, target, prediction, sizes)
    total = amplification.amplification(*amplification.tables(joint)).total
    found = {"bias_amp": Metric(total, len(target))}
    if sizes[1] == 2:
        rates = fairness.fairness(joint, [str(group) for group in range(sizes[0])])
        found |= {name: rates[name] for name in _DIFFERENCES}
    return found
