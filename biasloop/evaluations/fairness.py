"""Fairness of somebody's predictions: rates by group and how far groups are apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.contract.data import Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.evaluations import grouping
from biasloop.evaluations.binning import NO_BINS, Bins
from biasloop.evaluations.checks import some, varied
from biasloop.evaluations.result import EvaluationResult, ends_of
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


@dataclass(frozen=True)
class _Labels:
    """Columns of true and predicted labels, all of their values, and the positive one."""

    task: str
    predicted: str
    values: Sequence[str]
    positive: str


def fairness(
    source: Source,
    *,
    task: str,
    predicted: str,
    attribute: str | Sequence[str],
    positive: str | None = None,
    bins: Bins = NO_BINS,
    smallest: int = 1,
    like: EvaluationResult | None = None,
) -> EvaluationResult:
    """Rates by group, the largest differences and smallest ratios between groups, with intervals.

    A rate of 0/0 has no value and takes no part in a difference; with fewer than two rates there is none. Where all
    rows are truly of one class there are selection rates and accuracies all the same.

    Args:
        source: the predictions.
        task: column of true labels.
        predicted: column of predictions.
        attribute: column of groups; of several the groups are the combinations that occur, beside which stands the
            answer of each attribute by itself.
        positive: the value that counts as positive, all others being negative; None: of two values the one that
            comes later when sorted (1 of 0 and 1, yes of no and yes).
        bins: of attributes that are numbers.
        smallest: groups of fewer rows take no part in differences and ratios.
        like: the answer of another file, whose positive value is taken where `positive` is None and this one has it.

    Raises:
        InvalidInput: a bad file or column, an attribute has one value, or there are more than two classes without
            `positive`.
    """
    attributes = grouping.listed(attribute)
    raw = counted(source, [task, predicted, *attributes], alike=[task, predicted])
    for name in attributes:
        varied(source.path, name, raw.values(name))
    values = raw.values(task, predicted)
    chosen = _positive(source, task, values, source.spelled(task, positive), like)
    counts = bins.binned(raw)
    labels = _Labels(task, predicted, values, chosen)
    return grouping.each(attributes, lambda names: _between(counts, labels, names, smallest))


def _between(counts: Counts, labels: _Labels, attributes: Sequence[str], smallest: int) -> EvaluationResult:
    """What lies between the groups of some attributes."""
    keys, places = grouping.grouped(counts, attributes)
    names = grouping.names_of(keys)
    table = _table(counts, labels, places, len(keys))  # (groups, 2, 2)
    rates = rating.fairness(table, names)
    group_rates = {name: {rate: rates[f"{rate}.{name}"] for rate in rating.RATES} for name in names}
    sizes = {name: group["accuracy"].n for name, group in group_rates.items()}
    large = np.array([n >= smallest for n in sizes.values()])
    metrics, spans = measuring.measured(table[large]), measuring.intervals(table[large])
    taking = {name: group for name, group in group_rates.items() if sizes[name] >= smallest}
    left = [name for name in names if name not in taking]
    notes = grouping.remarks(attributes, sizes)
    if len(attributes) == 1:
        notes += grouping.crowded(counts.path, attributes[0], names, counts.n)
    if left:
        notes.append(f"in no difference, for they have fewer than {smallest} rows: {some(left)}")
    undefined = [
        f"{rate} of {name!r}" for name, group in group_rates.items() for rate in ("tpr", "fpr") if not group[rate].n
    ]
    if undefined:
        notes.append(f"0/0, and in no difference: {_few(undefined)}")
    by_group = {
        name: grouping.parts_of(attributes, key) | _group(group_rates[name], left=name in left)
        for name, key in zip(names, keys, strict=True)
    }
    overall = {rate: _rate(rate, rates[rate]) for rate in rating.RATES}
    return EvaluationResult(
        n=counts.n,
        metrics=metrics,
        details={
            "intervals": {name: ends_of(ends) for name, ends in spans.items()},
            "positive": labels.positive,
            "values": list(labels.values),
            "attributes": names,
            "overall": overall,
            "by_group": by_group,
        },
        rows=_rows({**by_group, "": overall}),
        spans=spans,
        reason=_reasons(metrics, spans, taking),
        notes=notes,
    )


def _table(counts: Counts, labels: _Labels, places: Ints, groups: int) -> Ints:
    """`(groups, 2, 2)` counts by true and predicted label, 1 being the positive value."""
    table = np.zeros((groups, 2, 2), np.int64)
    true, guess = (
        np.array([value == labels.positive for value in counts.columns[name]], np.int64)
        for name in (labels.task, labels.predicted)
    )
    np.add.at(table, (places, true, guess), counts.rows)
    return table


def _positive(
    source: Source, task: str, values: Sequence[str], positive: str | None, like: EvaluationResult | None
) -> str:
    if positive is not None and positive not in values:
        raise InvalidInput(
            f"{source.path}: column {task!r} has no value {positive!r}; --positive is one of {some(values)}"
        )
    if positive is None and len(values) > 2:
        raise InvalidInput(
            f"{source.path}: {len(values)} values of {task!r} ({some(values)}); say which counts with --positive VALUE"
        )
    if like is not None and positive is None:
        theirs = str(like.details["positive"])
        # A file without such a row is measured by it all the same.
        return theirs if theirs in values or set(values) <= set(like.details["values"]) else values[-1]
    return values[-1] if positive is None else positive


def _reasons(
    metrics: Mapping[str, float],
    spans: Mapping[str, tuple[float, float]],
    groups: Mapping[str, Mapping[str, Metric]],
) -> dict[str, str]:
    """Why numbers and intervals are missing, by name."""
    reason = {name: _why(name, groups) for name, value in metrics.items() if math.isnan(value)}
    if len(groups) > measuring.MOST_GROUPS:
        for name, ends in spans.items():
            if name not in reason and math.isnan(ends[0]):
                reason[f"intervals.{name}"] = (
                    f"{len(groups):,} groups are too many to compare in pairs (at most {measuring.MOST_GROUPS})"
                )
    return reason


def _why(name: str, groups: Mapping[str, Mapping[str, Metric]]) -> str:
    if len(groups) < 2:
        return "fewer than two groups have so many rows"
    for rate in _PARTS[name]:
        if sum(1 for group in groups.values() if group[rate].n) < 2:
            return f"fewer than two groups have a {rate}"
    return f"0/0: no group has a {' or '.join(_PARTS[name])} above 0"


def _few(texts: Sequence[str], most: int = 10) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _group(rates: Mapping[str, Metric], *, left: bool) -> dict[str, Any]:
    n = rates["accuracy"].n
    out = {"left_out": True} if left else {}
    return {"n": n, **grouping.flag(n), **out, **{rate: _rate(rate, value) for rate, value in rates.items()}}


def _rate(rate: str, metric: Metric) -> dict[str, Any]:
    if not metric.n:
        reason = f"no {'positive' if rate in ('tpr', 'fnr') else 'negative'} rows"
        return {"value": None, "n": 0, "interval": None, "reason": reason}
    low, high = wilson(round(metric.value * metric.n), metric.n)
    return {"value": metric.value, "n": metric.n, "interval": [low, high]}


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
