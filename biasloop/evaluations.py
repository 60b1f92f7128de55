"""Bias amplification, calibration and fairness of somebody's file of predictions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from biasloop.data import Array, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.metrics import amplification as amplifying
from biasloop.metrics import calibration as calibrating
from biasloop.metrics import fairness as comparing
from biasloop.metrics.intervals import wilson
from biasloop.predictions import read_columns

# What a gate may name.
AMPLIFICATION = ("bias_amp",)
CALIBRATION = ("ece", "mce", "gap", "overconfidence")
FAIRNESS = ("demographic_parity_difference", "equalized_odds_difference", "accuracy_difference")


@dataclass(frozen=True)
class Answer:
    """What an evaluation found.

    Attributes:
        n: rows.
        metrics: the numbers that gates may name; NaN where there is none.
        details: everything else, as scripts read it.
        reason: why a number is missing, by its name.
        notes: what to know before the numbers are believed.
    """

    n: int
    metrics: Mapping[str, float]
    details: Mapping[str, Any]
    reason: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """What scripts read."""
        found: dict[str, Any] = {"n": self.n, **self.metrics, **self.details}
        if self.reason:
            found["reason"] = dict(self.reason)
        if self.notes:
            found["notes"] = list(self.notes)
        return found

    def crossed(self, gates: Mapping[str, float]) -> list[str]:
        """Which gates were crossed, a clause each; a number that is missing passes none."""
        found = []
        for name, limit in gates.items():
            value = self.metrics[name]
            if math.isnan(value):
                found.append(f"{name} has no value ({self.reason.get(name, '0/0')}), so it cannot pass {limit:g}")
            elif value > limit:
                found.append(f"{name} = {value:.6g} is above {limit:g}")
        return found


def gates(texts: Sequence[str], known: Sequence[str]) -> dict[str, float]:
    """Limits by metric, from METRIC=VALUE; of several for one metric the lowest.

    Raises:
        InvalidInput: if a text is not of that form, the metric is unknown, or the value is not a number.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            raise InvalidInput(f"--fail-above {text}: expected METRIC=VALUE with a metric of {', '.join(known)}")
        try:
            limit = float(value)
        except ValueError:
            limit = math.nan
        if math.isnan(limit):
            raise InvalidInput(f"--fail-above {text}: {value!r} is not a number; write {name}=0.05, for example")
        found[name] = min(limit, found.get(name, limit))
    return found


def amplification(path: Path, *, task: str, attribute: str, predicted: str) -> Answer:
    """Directional bias amplification, attribute -> task, with a bootstrap interval.

    Raises:
        InvalidInput: a bad file or column, or the task or the attribute has one value only.
    """
    columns = read_columns(path, [task, attribute, predicted])
    _varied(path, task, columns[task])
    _varied(path, attribute, columns[attribute])
    _alike(path, (task, columns[task]), (predicted, columns[predicted]))
    attributes, (groups,) = _codes(columns[attribute])
    tasks, (target, prediction) = _codes(columns[task], columns[predicted])
    joint = amplifying.joint_counts(groups, target, prediction, (len(attributes), len(tasks)))
    true, guessed = amplifying.tables(joint)
    found = amplifying.amplification(true, guessed)
    low, high = amplifying.interval(joint)
    single = [name for name, rows in zip(attributes, true.sum(axis=1).tolist(), strict=True) if rows == 1]
    notes = [f"{attribute} {name!r} has one row" for name in single]
    if not found.y.any():
        notes.append(f"{attribute} and {task} are exactly independent, so bias_amp is 0 whatever is predicted")
    missing = "an attribute value has one row" if single else "every resample gives the same number"
    return Answer(
        n=len(target),
        metrics={"bias_amp": found.total},
        details={
            "interval": None if math.isnan(low) else [low, high],
            "attributes": attributes,
            "tasks": tasks,
            "cells": found.cells.tolist(),
            "deltas": found.deltas.tolist(),
            "associated": found.y.tolist(),
            "counts": {"true": true.tolist(), "predicted": guessed.tolist()},
        },
        reason={"interval": missing} if math.isnan(low) else {},
        notes=notes,
    )


def calibration(path: Path, *, task: str, predicted: str, confidence: str, bins: int = 15) -> Answer:
    """Expected and maximum calibration error, and the reliability bins.

    The gap is accuracy minus mean confidence; overconfidence is the same with the other sign, for gates.

    Raises:
        InvalidInput: a bad file or column, or a confidence that is not a number from 0 to 1 (row named).
    """
    columns = read_columns(path, [task, predicted, confidence])
    p = _shares(path, confidence, columns[confidence])
    correct = columns[task] == columns[predicted]
    table = calibrating.reliability(p, correct, bins)
    accuracy, mean = float(correct.mean()), float(p.mean())
    held, gaps = table.counts > 0, table.gaps
    return Answer(
        n=len(p),
        metrics={
            "ece": float((np.abs(gaps) * table.counts)[held].sum() / len(p)),
            "mce": float(np.abs(gaps)[held].max()),
            "gap": accuracy - mean,
            "overconfidence": mean - accuracy,
        },
        details={"accuracy": accuracy, "confidence": mean, "bins": [_bin(table, place) for place in range(bins)]},
        notes=[] if correct.any() else [f"no prediction is right; are {task} and {predicted} written alike?"],
    )


def fairness(path: Path, *, task: str, predicted: str, attribute: str, positive: str | None = None) -> Answer:
    """Rates by group and the largest differences between groups.

    A rate of 0/0 has no value and takes no part in a difference; with fewer than two rates there is none.

    Args:
        path: CSV, TSV or JSONL.
        task: column of true labels.
        predicted: column of predictions.
        attribute: column of groups.
        positive: the value that counts as positive, all others being negative; None: of two values the one that
            comes later when sorted (1 of 0 and 1, yes of no and yes).

    Raises:
        InvalidInput: a bad file or column, the task has one value, or more than two without `positive`.
    """
    columns = read_columns(path, [task, predicted, attribute])
    _varied(path, task, columns[task])
    _alike(path, (task, columns[task]), (predicted, columns[predicted]))
    chosen = _positive(path, task, _codes(columns[task], columns[predicted])[0], positive)
    names, (groups,) = _codes(columns[attribute])
    target, prediction = (columns[name] == chosen for name in (task, predicted))
    table = comparing.counts(target.astype(np.int64), prediction.astype(np.int64), groups, len(names))
    rates = comparing.fairness(table, names)
    own = {name: {rate: rates[f"{rate}.{name}"] for rate in comparing.RATES} for name in names}
    metrics, reason = _differences(own)
    undefined = [f"{rate} of {name!r}" for name, found in own.items() for rate in ("tpr", "fpr") if not found[rate].n]
    notes = [f"{attribute} {name!r} has one row" for name, found in own.items() if found["accuracy"].n == 1]
    if undefined:
        notes.append(f"0/0, and in no difference: {', '.join(undefined)}")
    return Answer(
        n=len(groups),
        metrics=metrics,
        details={
            "positive": chosen,
            "attributes": names,
            "overall": {rate: _rate(rate, rates[rate]) for rate in comparing.RATES},
            "by_group": {name: _group(found) for name, found in own.items()},
        },
        reason=reason,
        notes=notes,
    )


def _differences(own: Mapping[str, Mapping[str, Metric]]) -> tuple[dict[str, float], dict[str, str]]:
    spread: dict[str, float] = {}
    missing: dict[str, str] = {}
    for rate in ("selection_rate", "accuracy", "tpr", "fpr"):
        values = [found[rate].value for found in own.values() if found[rate].n]
        if len(values) < 2:
            missing[rate] = f"fewer than two groups have a {rate}"
        spread[rate] = max(values) - min(values) if len(values) > 1 else math.nan
    parts = {
        "demographic_parity_difference": ("selection_rate",),
        "equalized_odds_difference": ("tpr", "fpr"),
        "accuracy_difference": ("accuracy",),
    }
    # Half of equalised odds is no answer: one missing rate makes the whole missing.
    metrics = {
        name: math.nan if any(rate in missing for rate in rates) else max(spread[rate] for rate in rates)
        for name, rates in parts.items()
    }
    reason = {
        name: next(missing[rate] for rate in rates if rate in missing)
        for name, rates in parts.items()
        if math.isnan(metrics[name])
    }
    return metrics, reason


def _group(found: Mapping[str, Metric]) -> dict[str, Any]:
    n = found["accuracy"].n
    flag = {"flag": "one row"} if n == 1 else {}
    return {"n": n, **flag, **{rate: _rate(rate, value) for rate, value in found.items()}}


def _rate(rate: str, found: Metric) -> dict[str, Any]:
    if not found.n:
        reason = f"no {'positive' if rate in ('tpr', 'fnr') else 'negative'} rows"
        return {"value": None, "n": 0, "interval": None, "reason": reason}
    low, high = wilson(round(found.value * found.n), found.n)
    return {"value": found.value, "n": found.n, "interval": [low, high]}


def _bin(table: calibrating.Reliability, place: int) -> dict[str, Any]:
    n = int(table.counts[place])
    return {
        "edges": table.edges[place : place + 2].tolist(),
        "n": n,
        "accuracy": float(table.accuracy[place]) if n else None,
        "confidence": float(table.confidence[place]) if n else None,
        "gap": float(table.gaps[place]) if n else None,
    } | ({} if n else {"reason": "no rows"})


def _codes(*columns: Array) -> tuple[list[str], list[Ints]]:
    """The sorted values of columns that share them, and each column as places in that list."""
    texts = [column.tolist() for column in columns]
    values = sorted(set().union(*texts))
    places = {value: place for place, value in enumerate(values)}  # far faster than sorting rows of strings
    return values, [np.fromiter(map(places.__getitem__, rows), np.int64, len(rows)) for rows in texts]


def _shares(path: Path, name: str, texts: Array) -> Floats:
    """A column of numbers from 0 to 1."""
    try:
        values = texts.astype(np.float64)
    except ValueError:
        values = np.array([_number(text) for text in texts.tolist()])
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise InvalidInput(f"{path}, row {row + 1}: {name} is {str(texts[row])!r}, not a number from 0 to 1") from None
    bad = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(bad):
        raise InvalidInput(f"{path}, row {bad[0] + 1}: {name} is {texts[bad[0]]}; expected a number from 0 to 1")
    return np.asarray(values, np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _varied(path: Path, name: str, values: Array) -> None:
    if (values == values[0]).all():
        raise InvalidInput(f"{path}: column {name!r} has one value only ({values[0]}); expected at least two")


def _alike(path: Path, task: tuple[str, Array], predicted: tuple[str, Array]) -> None:
    true, guessed = ({*column.tolist()} for _, column in (task, predicted))
    if true.isdisjoint(guessed):
        raise InvalidInput(
            f"{path}: columns {task[0]!r} ({_some(true)}) and {predicted[0]!r} ({_some(guessed)}) have no value in "
            "common; write the values of both alike"
        )


def _positive(path: Path, task: str, values: Sequence[str], positive: str | None) -> str:
    if positive is not None and positive not in values:
        raise InvalidInput(f"{path}: column {task!r} has no value {positive!r}; --positive is one of {_some(values)}")
    if positive is None and len(values) > 2:
        raise InvalidInput(
            f"{path}: {len(values)} values of {task!r} ({_some(values)}); say which counts with --positive VALUE"
        )
    return values[-1] if positive is None else positive


def _some(values: "Sequence[str] | set[str]") -> str:
    listed = sorted(values)
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
