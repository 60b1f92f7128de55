"""Calibration of somebody's predictions, of all rows and by group."""

import math
from typing import Any

import numpy as np

from biasloop.data import Floats
from biasloop.evaluations.answers import AGREE, Answer, ends_of
from biasloop.metrics import calibration_intervals as measuring
from biasloop.metrics.calibration import Reliability
from biasloop.metrics.intervals import basic
from biasloop.predictions import Source, scored

ALL = ""


def calibration(
    source: Source,
    *,
    task: str,
    predicted: str,
    confidence: str,
    attribute: str | None = None,
    bins: int = 15,
    seed: int = 0,
) -> Answer:
    """Expected and maximum calibration error, and the reliability bins; with an attribute, of each group too.

    The gap is accuracy minus mean confidence; overconfidence is the same with the other sign, for gates.

    Raises:
        InvalidInput: a bad file or column, or a confidence that is not a number from 0 to 1 (row named).
    """
    sums: dict[str, Floats] = {}
    for values, correct, names, groups in scored(source, task, predicted, confidence, attribute):
        for place, name in enumerate(names):
            held = slice(None) if len(names) == 1 else groups == place
            part = measuring.moments(values[held], correct[held], bins)
            sums[name] = sums[name] + part if name in sums else part
    whole = np.sum(list(sums.values()), axis=0)
    found, errors = _measured(whole, seed)
    rows = _rows(ALL, found["bins"])
    details: dict[str, Any] = {key: value for key, value in found.items() if key not in ("n", *_METRICS, "reason")}
    notes = [] if whole[:, 1, 0].any() else [f"no prediction is right; are {task} and {predicted} written alike?"]
    if attribute is not None:
        details["by_group"] = {name: _measured(sums[name], seed)[0] for name in sorted(sums)}
        for name, group in details["by_group"].items():
            rows += _rows(name, group["bins"])
            if group["n"] == 1:
                group["flag"] = "one row"
                notes.append(f"{attribute} {name!r} has one row")
    return Answer(
        n=found["n"],
        metrics={name: found[name] for name in _METRICS},
        details=details,
        rows=rows,
        errors=errors,
        reason=found.get("reason", {}),
        notes=notes,
    )


_METRICS = ("ece", "mce", "gap", "overconfidence")


def _measured(sums: Floats, seed: int) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Everything about some rows, and the errors of their metrics."""
    ece, mce, gap = measuring.errors(sums)
    drawn = measuring.resampled(sums, seed=seed) - np.array([ece, mce, gap])
    errors = {"ece": drawn[:, 0], "mce": drawn[:, 1], "gap": drawn[:, 2], "overconfidence": -drawn[:, 2]}
    low, high = measuring.gap_interval(sums)
    n = int(sums[..., 0].sum())
    around = (math.nan, math.nan) if n == 1 else basic(ece, errors["ece"], low=0.0, high=1.0)
    table = measuring.reliability_of(sums)
    found: dict[str, Any] = {
        "n": n,
        "ece": ece,
        "mce": mce,
        "gap": gap,
        "overconfidence": -gap,
        "accuracy": float(sums[:, 1, 0].sum() / n),
        "confidence": float(sums[..., 1].sum() / n),
        "ece_if_calibrated": measuring.expected_if_calibrated(sums),
        "intervals": {"ece": ends_of(around), "gap": [low, high], "overconfidence": [-high, -low]},
        "bins": [_bin(table, place) for place in range(len(sums))],
    }
    if math.isnan(around[0]):
        found["reason"] = {"intervals.ece": "one row" if n == 1 else AGREE}
    return found, errors


def _bin(table: Reliability, place: int) -> dict[str, Any]:
    n = int(table.counts[place])
    return {
        "edges": table.edges[place : place + 2].tolist(),
        "n": n,
        "accuracy": float(table.accuracy[place]) if n else None,
        "confidence": float(table.confidence[place]) if n else None,
        "gap": float(table.gaps[place]) if n else None,
    } | ({} if n else {"reason": "no rows"})


def _rows(group: str, bins: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bins as a table; the group of all rows is empty."""
    return [
        {
            "group": group,
            "bin": place,
            "low": one["edges"][0],
            "high": one["edges"][1],
            **{name: one[name] for name in ("n", "confidence", "accuracy", "gap")},
        }
        for place, one in enumerate(bins)
    ]
