"""What a selector took of what it was offered: by category, right or wrong labels, weights, repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence

from biasloop.contract import names
from biasloop.contract.data import Floats, Frame, Ints, Metric
from biasloop.lazy import numpy as np
from biasloop.metrics.classification import confusion, recalls

RIGHT, WRONG, UNKNOWN = range(3)
"""States of a label: as it should be, not so, or nobody knows."""
STATES = 3
"""Stratum s is of category s // STATES, in state s % STATES."""


def of_fit(table: Frame, categories: Sequence[str]) -> dict[str, Metric]:
    """Metrics of one fit from the table that it logged, a row an epoch.

    Per category, by its name: `selected_share.C`,
    `offered_share.C`, `selection_amplification.C` (the difference). Where labels were wrong, `wrong_selected` and
    `wrong_offered`, over all and by category. `weight_entropy` of the weights in the last epoch, as a share of the
    highest; `weight.C`; `top_fifth`; `repeats_1`, `repeats_5`, `repeats_20`; `best_epoch`.

    Shares are of samples that are taken again epoch after epoch, so that they have no standard error.

    Args:
        table: columns as `biasloop.contract.names` says under selection.
        categories: `C` names.
    """
    count = len(categories)
    offered, taken = _strata(table, names.OFFERED, count), _strata(table, names.TAKEN, count)  # (C, STATES)
    metrics = _by_category(offered, taken, categories) | _wrong(offered, taken, categories)
    if f"{names.CATEGORY_WEIGHT}0" in table:
        weights = np.stack([table[f"{names.CATEGORY_WEIGHT}{c}"] for c in range(count)], 1)  # (epochs, C)
        known = weights[np.isfinite(weights).all(1)]
        for last in known[-1:]:
            metrics["weight_entropy"] = entropy(last)
            metrics |= {
                f"{names.CATEGORY_WEIGHT}{name}": Metric(float(w), 1) for name, w in zip(categories, last, strict=True)
            }
    # A fit that was stopped and went on has the same columns in another order.
    repeats = sorted((n for n in table.columns if n.startswith("repeats_")), key=lambda n: int(n.rpartition("_")[2]))
    for name in ("top_fifth", "proxy_correlation", *repeats):
        if name in table:
            told = table[name][~np.isnan(table[name])]
            if len(told):
                metrics[name] = Metric(float(told.mean()), len(told))
    if "best" in table:
        for chosen in np.flatnonzero(table["best"] == 1)[-1:].tolist():
            metrics["best_epoch"] = Metric(float(table[names.EPOCH][chosen]), len(table))
    return metrics


def _strata(table: Frame, prefix: str, categories: int) -> Floats:
    """`(C, STATES)` counts over all epochs; of a stratum that no sample is of there is no column."""
    sums = {int(n.removeprefix(prefix)): float(np.nansum(table[n])) for n in table.columns if n.startswith(prefix)}
    counts = np.zeros((categories, STATES))
    for number, count in sums.items():
        counts[divmod(number, STATES)] = count
    return counts


def _by_category(offered: Floats, taken: Floats, called: Sequence[str]) -> dict[str, Metric]:
    among, of_stream = int(taken.sum()), int(offered.sum())
    metrics = {}
    for name, count, before in zip(called, taken.sum(1).tolist(), offered.sum(1).tolist(), strict=True):
        share, stream = _ratio(count, among), _ratio(before, of_stream)
        metrics[f"selected_share.{name}"] = share
        metrics[f"offered_share.{name}"] = stream
        metrics[f"selection_amplification.{name}"] = Metric(share.value - stream.value, among)
    return metrics


def _ratio(count: float, of: int) -> Metric:
    """A share of counts; null where there is nothing."""
    return Metric(count / of if of else math.nan, of)


def _wrong(offered: Floats, taken: Floats, called: Sequence[str]) -> dict[str, Metric]:
    """Shares of wrong labels among those that are known to be right or wrong; none where no label is wrong.

    Of a category without such labels the share is null, with n = 0.
    """
    if not offered[:, WRONG].any():
        return {}
    metrics = {}
    for name, counts in (("wrong_offered", offered), ("wrong_selected", taken)):
        metrics[name] = _share(counts.sum(0))
        metrics |= {f"{name}.{c}": _share(row) for c, row in zip(called, counts, strict=True)}
    return metrics


def _share(states: Floats) -> Metric:
    """Share of wrong ones among `(STATES,)` counts."""
    return _ratio(float(states[WRONG]), int(states[RIGHT] + states[WRONG]))


def entropy(weights: Floats) -> Metric:
    """Entropy of weights `(C,)` that sum to 1, as a share of that of equal ones: 1 is equal, 0 is one category alone.

    Example:
        >>> entropy(np.array([0.5, 0.5, 0.0, 0.0])).value
        0.5
    """
    if len(weights) < 2:
        return Metric(1.0, len(weights))
    positive = weights[weights > 0]
    # Adding 0 takes the sign off a zero.
    return Metric(float(-(positive * np.log(positive)).sum() / np.log(len(weights))) + 0.0, len(weights))


def recall_gap(prediction: Ints, target: Ints) -> Metric:
    """Highest recall of a class minus the lowest, of classes that there are.

    Args:
        prediction: `(n,)`.
        target: `(n,)`.

    Example:
        >>> recall_gap(np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1])).value
        0.5
    """
    classes = int(max(prediction.max(initial=0), target.max(initial=0))) + 1
    known = [recall for recall in recalls(confusion(prediction, target, classes)) if recall.n]
    if not known:
        return Metric(math.nan, 0)
    best, worst = max(known, key=lambda m: m.value), min(known, key=lambda m: m.value)
    return Metric(best.value - worst.value, worst.n, math.hypot(best.error, worst.error))
