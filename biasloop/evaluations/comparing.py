"""Fairness of somebody's predictions: rates by group and how far groups are apart."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biasloop.data import Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.evaluations.answers import Answer, ends_of
from biasloop.evaluations.checks import some, varied
from biasloop.metrics import fairness as rating
from biasloop.metrics import fairness_intervals as measuring
from biasloop.metrics.intervals import wilson
from biasloop.predictions import Counts, Source, counted

# What each measure is made of.
_PARTS = {
    "demographic_parity_difference": ("selection_rate",),
    "equalized_odds_difference": ("tpr", "fpr"),
    "accuracy_difference": ("accuracy",),
    "demographic_parity_ratio": ("selection_rate",),
    "equalized_odds_ratio": ("tpr", "fpr"),
}


def fairness(source: Source, *, task: str, predicted: str, attribute: str, positive: str | None = None) -> Answer:
    """Rates by group, the largest differences and smallest ratios between groups, with intervals.

    A rate of 0/0 has no value and takes no part in a difference; with fewer than two rates there is none.

    Args:
        source: the predictions.
        task: column of true labels.
        predicted: column of predictions.
        attribute: column of groups.
        positive: the value that counts as positive, all others being negative; None: of two values the one that
            comes later when sorted (1 of 0 and 1, yes of no and yes).

    Raises:
        InvalidInput: a bad file or column, the task has one value, or more than two without `positive`.
    """
    found = counted(source, [task, predicted, attribute], alike=[task, predicted])
    varied(source.path, task, found.values(task))
    chosen = _positive(source, task, found.values(task, predicted), source.spelled(task, positive))
    names = found.values(attribute)
    table = _table(found, task, predicted, (attribute, names), chosen)
    rates = rating.fairness(table, names)
    own = {name: {rate: rates[f"{rate}.{name}"] for rate in rating.RATES} for name in names}
    metrics, spans = measuring.measured(table), measuring.intervals(table)
    reason = {name: _why(name, own) for name, value in metrics.items() if math.isnan(value)}
    undefined = [f"{rate} of {name!r}" for name, group in own.items() for rate in ("tpr", "fpr") if not group[rate].n]
    notes = [f"{attribute} {name!r} has one row" for name, group in own.items() if group["accuracy"].n == 1]
    if undefined:
        notes.append(f"0/0, and in no difference: {', '.join(undefined)}")
    by_group = {name: _group(group) for name, group in own.items()}
    overall = {rate: _rate(rate, rates[rate]) for rate in rating.RATES}
    return Answer(
        n=found.n,
        metrics=metrics,
        details={
            "intervals": {name: ends_of(ends) for name, ends in spans.items()},
            "positive": chosen,
            "attributes": names,
            "overall": overall,
            "by_group": by_group,
        },
        rows=_rows({**by_group, "": overall}),
        spans=spans,
        reason=reason,
        notes=notes,
    )


def _table(found: Counts, task: str, predicted: str, groups: tuple[str, Sequence[str]], positive: str) -> Ints:
    """`(groups, 2, 2)` counts by true and predicted label, 1 being the positive value."""
    values = found.values(task, predicted)
    joint = found.table(groups, (task, values), (predicted, values))
    at = values.index(positive)
    order = [*(place for place in range(len(values)) if place != at), at]
    joint = joint[:, order][:, :, order]
    last = len(values) - 1
    return np.add.reduceat(np.add.reduceat(joint, [0, last], axis=1), [0, last], axis=2)


def _positive(source: Source, task: str, values: Sequence[str], positive: str | None) -> str:
    if positive is not None and positive not in values:
        raise InvalidInput(
            f"{source.path}: column {task!r} has no value {positive!r}; --positive is one of {some(values)}"
        )
    if positive is None and len(values) > 2:
        raise InvalidInput(
            f"{source.path}: {len(values)} values of {task!r} ({some(values)}); say which counts with --positive VALUE"
        )
    return values[-1] if positive is None else positive


def _why(name: str, own: Mapping[str, Mapping[str, Metric]]) -> str:
    for rate in _PARTS[name]:
        if sum(1 for group in own.values() if group[rate].n) < 2:
            return f"fewer than two groups have a {rate}"
    return f"0/0: no group has a {' or '.join(_PARTS[name])} above 0"


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


def _rows(groups: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each group and rate; the group of all rows is empty."""
    return [
        {
            "group": name,
            "rate": rate,
            "n": group[rate]["n"],
            "value": group[rate]["value"],
            "low": (group[rate]["interval"] or [None, None])[0],
            "high": (group[rate]["interval"] or [None, None])[1],
        }
        for name, group in groups.items()
        for rate in rating.RATES
    ]
