"""Calibration of somebody's predictions, of all rows and by group."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.evaluations import grouping
from biasloop.evaluations.binning import NO_BINS, Bins
from biasloop.evaluations.grouping import Key
from biasloop.evaluations.onesided import OneSided
from biasloop.evaluations.result import EvaluationResult, ends_of
from biasloop.evaluations.scoring import Batch, scored
from biasloop.metrics import calibration_intervals as measuring
from biasloop.metrics.calibration import Reliability
from biasloop.metrics.fairness_intervals import MOST_GROUPS
from biasloop.metrics.intervals import basic, wilson
from biasloop.predictions import Source

ALL = ""
_METRICS = ("ece", "mce", "gap", "overconfidence")
_MOST = 2**24  # sums


def calibration(
    source: Source,
    *,
    task: str,
    predicted: str,
    confidence: str | None = None,
    probability: str | None = None,
    positive: str | None = None,
    attribute: str | Sequence[str] = (),
    groups: Bins = NO_BINS,
    bins: int = 15,
    seed: int = 0,
) -> EvaluationResult:
    """Expected and maximum calibration error, and the reliability bins; with attributes, of each group too.

    The gap is accuracy minus mean confidence; overconfidence is the same with the other sign, for gates.

    Args:
        source: the predictions.
        task: column of true labels.
        predicted: column of predictions.
        confidence: column of how sure each prediction is, in [0, 1].
        probability: instead, of two classes, the column of the probability of one of them, which `positive` names: a
            prediction of the other is as sure as what is left to 1.
        positive: see there.
        attribute: columns of groups; of several also the combinations that occur.
        groups: bins of attributes that are numbers.
        bins: of confidences, of equal width.
        seed: of the resamples.

    Raises:
        InvalidInput: a bad file or column, a confidence that is not a number from 0 to 1 (row named), both or neither
            of `confidence` and `probability`, or more than two classes where a probability is given.
    """
    given = _given(confidence, probability, positive)
    attributes = grouping.listed(attribute)
    watch = OneSided()
    batches = watch.over(scored(source, (task, predicted, given), attributes, groups.of, positive))
    sums = _sums(source, batches, bins)
    if positive is not None:
        watch.require(source, task, positive)
    total = np.sum(list(sums.values()), axis=0)  # (bins, 2, 3)
    overall, errors = _measured(total, seed)
    details: dict[str, Any] = {key: value for key, value in overall.items() if key not in ("n", *_METRICS, "reason")}
    notes = [] if total[:, 1, 0].any() else [f"no prediction is right; are {task} and {predicted} written alike?"]
    notes += watch.notes(given) if positive is None else []
    answer = EvaluationResult(
        n=overall["n"],
        metrics={name: overall[name] for name in _METRICS},
        details=details,
        rows=_rows(ALL, overall["bins"]),
        errors=errors,
        spans={"accuracy": wilson(round(overall["accuracy"] * overall["n"]), overall["n"])},
        reason=overall.get("reason", {}),
        notes=notes,
    )
    return _with_groups(source, answer, sums, attributes, seed) if attributes else answer


def _given(confidence: str | None, probability: str | None, positive: str | None) -> str:
    """The column that says how sure predictions are."""
    if (confidence is None) == (probability is None):
        raise InvalidInput(
            "give --confidence COLUMN, how sure each prediction is, or --probability COLUMN --positive VALUE, how "
            "probable that class is in each row"
        )
    if (probability is None) != (positive is None):
        raise InvalidInput(
            "--probability COLUMN and --positive VALUE go together: the second says whose probability it is"
        )
    return str(confidence if probability is None else probability)


def _sums(source: Source, batches: Iterator[Batch], bins: int) -> dict[Key, Floats]:
    """Sums by bin of each group."""
    sums: dict[Key, Floats] = {}
    for batch in batches:
        every = len({*sums, *batch.keys})
        if every * bins * 6 > _MOST:
            raise InvalidInput(f"{source.path}: {every:,} groups of {bins:,} bins are too many; give fewer --bins")
        if len(batch.keys) == 1:
            parts = [measuring.moments(batch.confidence, batch.correct, bins)]
        else:
            parts = list(measuring.moments_by(batch.confidence, batch.correct, batch.groups, len(batch.keys), bins))
        for key, part in zip(batch.keys, parts, strict=True):
            sums[key] = sums[key] + part if key in sums else part
    return sums


def _with_groups(
    source: Source, answer: EvaluationResult, sums: Mapping[Key, Floats], attributes: Sequence[str], seed: int
) -> EvaluationResult:
    """The answer with that of each group, of one attribute or of each and of all together."""

    def of(names: Sequence[str]) -> EvaluationResult:
        positions = [attributes.index(name) for name in names]
        merged: dict[Key, Floats] = {}
        for key, part in sums.items():
            short = tuple(key[position] for position in positions)
            merged[short] = merged[short] + part if short in merged else part
        return _by_group(source, answer, merged, names, seed)

    return grouping.each(attributes, of)


def _by_group(
    source: Source, answer: EvaluationResult, sums: Mapping[Key, Floats], attributes: Sequence[str], seed: int
) -> EvaluationResult:
    keys = grouping.keys_of(sums)
    names = grouping.names_of(keys)
    groups: dict[str, dict[str, Any]] = {}
    rows = list(answer.rows)
    for name, key in zip(names, keys, strict=True):
        measured = _measured(sums[key], seed, resampling=len(keys) <= MOST_GROUPS)[0]
        groups[name] = grouping.parts_of(attributes, key) | measured | grouping.flag(measured["n"])
        rows += _rows(name, measured["bins"])
    notes = [*answer.notes, *grouping.remarks(attributes, {name: group["n"] for name, group in groups.items()})]
    if len(attributes) == 1:
        notes += grouping.crowded(source.path, attributes[0], names, answer.n, "--attribute-bins")
    return EvaluationResult(
        n=answer.n,
        metrics=answer.metrics,
        details={**answer.details, "by_group": groups},
        rows=rows,
        errors=answer.errors,
        spans=answer.spans,
        reason=answer.reason,
        notes=notes,
    )


def _measured(sums: Floats, seed: int, *, resampling: bool = True) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Everything about some rows, and the errors of their metrics."""
    ece, mce, gap = measuring.errors(sums)
    low, high = measuring.gap_interval(sums)
    n = int(sums[..., 0].sum())
    errors, around, why = {}, (math.nan, math.nan), _untold(sums, n, resampling=resampling)
    if not why:
        drawn = measuring.resampled(sums, seed=seed) - np.array([ece, mce, gap])
        errors = {"ece": drawn[:, 0], "mce": drawn[:, 1], "gap": drawn[:, 2], "overconfidence": -drawn[:, 2]}
        around = basic(ece, errors["ece"], low=0.0, high=1.0)
    table = measuring.reliability_of(sums)
    details: dict[str, Any] = {
        "n": n,
        "ece": ece,
        "mce": mce,
        "gap": gap,
        "overconfidence": -gap,
        "accuracy": float(sums[:, 1, 0].sum() / n),
        "confidence": float(sums[..., 1].sum() / n),
        "ece_if_calibrated": measuring.expected_if_calibrated(sums),
        "intervals": {"ece": ends_of(around), "gap": [low, high], "overconfidence": [-high, -low]},
        "bins": [_bin(table, index) for index in range(len(sums))],
    }
    if math.isnan(around[0]):
        details["reason"] = {"intervals.ece": why}
    return details, errors


def _untold(sums: Floats, n: int, *, resampling: bool) -> str:
    """Why resampling says nothing of the calibration error; empty where it does."""
    if n == 1:
        return "one row"
    if not measuring.mixed(sums):
        return "in every bin all rows are right or all are wrong, and so they are in every resample"
    return "" if resampling else f"more than {MOST_GROUPS} groups"


def _bin(table: Reliability, index: int) -> dict[str, Any]:
    n = int(table.counts[index])
    return {
        "edges": table.edges[index : index + 2].tolist(),
        "n": n,
        "accuracy": float(table.accuracy[index]) if n else None,
        "confidence": float(table.confidence[index]) if n else None,
        "gap": float(table.gaps[index]) if n else None,
    } | ({} if n else {"reason": "no rows"})


def _rows(group: str, bins: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bins as a table; the group of all rows is empty."""
    return [
        {
            "group": group,
            "bin": index,
            "low": entry["edges"][0],
            "high": entry["edges"][1],
            **{name: entry[name] for name in ("n", "confidence", "accuracy", "gap")},
        }
        for index, entry in enumerate(bins)
    ]
