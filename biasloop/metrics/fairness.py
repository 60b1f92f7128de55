"""Fairness between groups from count tables; strata and their distance from an ideal; population statistics.

All rates come from one small table of counts, which adds up over batches; rows are looked at once. Groups are
declared, never taken from those that occur: a group without rows has no rates and takes no part in a difference
or ratio. A rate of 0/0 (a group without positives has no true positive rate) is NaN with n = 0 and takes no part,
either; with fewer than two rates there is neither a difference nor a ratio. Only `by_group` and `aggregates`, which
the released tables are made of, have a 0 there, as scikit-learn and fairlearn do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from biasloop.contract.data import Array, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics import fairness_intervals as between
from biasloop.metrics._rows import check_paired
from biasloop.metrics.shares import share

RATES = ("accuracy", "selection_rate", "tpr", "tnr", "fpr", "fnr")
MEASURES = ("accuracy", "selection_rate", "count", "tpr", "tnr", "fpr", "fnr")
_BLOCK = 2**15  # rows
AGGREGATES = ("difference", "ratio", "group_min", "group_max")


def intersections(attributes: Mapping[str, tuple[Array, int]]) -> Ints:
    """One id a row for the combination of several attributes: a mixed-radix number, the last attribute fastest.

    The ids follow `itertools.product` of the attributes' values: race (7) and age (2) make 14 groups, id = race * 2
    + age.

    Args:
        attributes: name -> `(n,)` whole numbers, and how many values there are: each is from 0 to that - 1.

    Returns:
        `(n,)` int64, from 0 to the product of the numbers of values - 1.

    Raises:
        InvalidInput: if there is no attribute, or columns are not 1-d, differ in length, or hold another value.
    """
    if not attributes:
        raise InvalidInput("groups need at least one attribute, not none")
    check_paired(**{name: values for name, (values, _) in attributes.items()})
    cells: Ints | None = None
    for name, (values, size) in attributes.items():
        _check_ids(name, values, size)
        ids = values.astype(np.int64, copy=False)
        cells = ids if cells is None else cells * size + ids
    assert cells is not None
    return cells


def cell_counts(attributes: Mapping[str, tuple[Array, int]]) -> Ints:
    """Counts of rows by several attributes, an axis each.

    Args:
        attributes: as for `intersections`.

    Returns:
        int64 of a shape of the attributes' numbers of values. Tables of parts of the rows add up.

    Raises:
        InvalidInput: as `intersections`.
    """
    check_paired(**{name: values for name, (values, _) in attributes.items()})
    shape = tuple(size for _, size in attributes.values())
    cells, rows = math.prod(shape), max((len(values) for values, _ in attributes.values()), default=0)
    # What is computed of a block stays in the cache; a large table would be added up once a block.
    block = _BLOCK if cells <= _BLOCK else max(rows, 1)
    total = np.zeros(max(cells, 0), np.int64)
    for start in range(0, max(rows, 1), block):
        part = {name: (values[start : start + block], size) for name, (values, size) in attributes.items()}
        try:
            total += np.bincount(intersections(part), minlength=cells)
        except InvalidInput:
            intersections(attributes)  # names the row in all of the column
            raise
    return total.reshape(shape)


def counts(target: Array, prediction: Array, group: Array, groups: int) -> Ints:
    """Counts of rows by group, true label and predicted label.

    Args:
        target: `(n,)` 0 or 1.
        prediction: `(n,)` 0 or 1; 1 is the label whose share is the selection rate.
        group: `(n,)` 0 to `groups` - 1; see `intersections` where several attributes make the groups.
        groups: number of declared groups.

    Returns:
        `(groups, 2, 2)` int64, indexed by group, target, prediction. Tables of parts of the rows add up.

    Raises:
        InvalidInput: if the columns are not 1-d, differ in length, or hold a label or group that was not declared.
    """
    return cell_counts({"group": (group, groups), "target": (target, 2), "prediction": (prediction, 2)})


def by_group(table: Ints) -> Floats:
    """The measures of each group. Source: the columns of fairlearn's MetricFrame in Wyllie et al. (2024).

    Args:
        table: `(groups, 2, 2)` as `counts` returns it.

    Returns:
        `(groups, 7)` float64, columns as `MEASURES`: accuracy, share of predictions that are 1, number of rows, and
        the rates of true positives, true negatives, false positives and false negatives, in [0, 1]. A rate of 0/0
        is 0. A group without rows has NaN, and a count of 0.

    Raises:
        InvalidInput: if `table` is not a table of counts.
    """
    _check_table(table)
    measures = np.full((len(table), len(MEASURES)), np.nan)  # (groups, 7)
    for group, cells in enumerate(table.tolist()):
        n = sum(cells[0]) + sum(cells[1])
        measures[group, 2] = n
        if n:
            accuracy, selection, *others = (hits / rows if rows else 0.0 for hits, rows in _fractions(cells))
            measures[group] = accuracy, selection, n, *others
    return measures


def aggregates(measures: Floats) -> Floats:
    """What lies between groups: the largest minus the smallest, the smallest over the largest, and these two.

    Args:
        measures: `(groups, m)`; NaN takes no part.

    Returns:
        `(4, m)` float64, rows as `AGGREGATES`. A ratio of 0/0 is NaN. With one group the difference is 0 and the
        ratio 1. The 42 columns of the released tables are these rows followed by the groups' own.

    Raises:
        InvalidInput: if there is no group.
    """
    if measures.ndim != 2 or not len(measures):
        raise InvalidInput(f"differences between groups need a row for each group, not the shape {measures.shape}")
    low, high = np.fmin.reduce(measures), np.fmax.reduce(measures)  # (m,)
    with np.errstate(invalid="ignore"):
        return np.stack([high - low, low / high, low, high])


def fairness(table: Ints, names: Sequence[str] | None = None) -> dict[str, Metric]:
    """Rates overall and by group, and how far groups are apart.

    Names: `accuracy`, `selection_rate`, `tpr`, `tnr`, `fpr`, `fnr` of all rows; `accuracy.<group>` and so on of each
    group that has rows; `demographic_parity_difference` and `_ratio` (of selection rates),
    `equalized_odds_difference` and `_ratio` (the worse of those of tpr and fpr) and `accuracy_difference`, as
    `biasloop.metrics.fairness_intervals.measured` has them. Where one of the two ratios of equalised odds is 0/0 for
    want of predictions the other counts, whichever it is.

    A rate's n is its denominator, its error sqrt(p (1 - p) / n). A difference's n is the sum of its groups', its
    error the root of the two summed squares where exactly two groups have the rate, else NaN. Being the largest of
    several differences, it is on average above the true one, and its error does not say so.

    Args:
        table: `(groups, 2, 2)` as `counts` returns it.
        names: the groups' names; None: their ids.

    Returns:
        Values in [0, 1]; NaN with n = 0 where a rate or ratio is 0/0, or fewer than two groups have the rate.

    Raises:
        InvalidInput: if `table` is not a table of counts, or there is not one name a group, each its own.
    """
    _check_table(table)
    names = [str(group) for group in range(len(table))] if names is None else names
    if len(set(names)) != len(table) or len(names) != len(table):
        raise InvalidInput(f"{len(table)} groups need as many names, each its own, not {', '.join(names) or 'none'}")
    groups = {name: _rates(cells) for name, cells in zip(names, table.tolist(), strict=True) if any(map(any, cells))}
    values = between.measured(table)
    differences, ratios = between.spreads(between.rates(table))  # (4,) each, as `between.RATES`
    odds = [between.RATES.index(rate) for rate in ("tpr", "fpr")]
    wide = max(odds, key=lambda rate: float(differences[rate]))
    narrow = min(odds, key=lambda rate: float(np.nan_to_num(ratios[rate], nan=math.inf)))
    metrics = _rates(table.sum(axis=0).tolist())
    for name, rate in (
        ("demographic_parity_difference", "selection_rate"),
        ("equalized_odds_difference", between.RATES[wide]),
        ("accuracy_difference", "accuracy"),
        ("demographic_parity_ratio", "selection_rate"),
        ("equalized_odds_ratio", between.RATES[narrow]),
    ):
        n, error = _support([group_rates[rate] for group_rates in groups.values() if group_rates[rate].n])
        if math.isnan(values[name]):
            metrics[name] = Metric(math.nan, 0)
        else:
            metrics[name] = Metric(values[name], n, error if name.endswith("_difference") else math.nan)
    return metrics | {f"{rate}.{name}": group_rates[rate] for rate in RATES for name, group_rates in groups.items()}


def strata_counts(label: Array, group: Array, sizes: tuple[int, int]) -> Ints:
    """Counts of rows by label and group.

    Args:
        label: `(n,)` class ids.
        group: `(n,)` group ids; see `intersections` where several attributes make the groups.
        sizes: numbers of declared labels and groups.

    Returns:
        `(labels, groups)` int64; flattened, the strata c0g0, c0g1, ..., c1g0, ... of Wyllie et al. (2024).

    Raises:
        InvalidInput: if the columns are not 1-d, differ in length, or hold an id that was not declared.
    """
    cells = intersections({"label": (label, sizes[0]), "group": (group, sizes[1])})
    return np.bincount(cells, minlength=sizes[0] * sizes[1]).reshape(sizes).astype(np.int64, copy=False)


def kl_to(counts: Array, ideal: Array | None = None) -> float:
    """The Kullback-Leibler divergence of frequencies from an ideal, sum p log(p / q), in nats.

    Args:
        counts: rows in each stratum, of any shape.
        ideal: weights of the same shape, brought to a sum of 1; None: all strata equal.

    Returns:
        0 where the frequencies are the ideal's, at most log(strata) for an ideal of equal strata, infinite where rows
        lie in a stratum that the ideal leaves empty, NaN where there are no rows.

    Raises:
        InvalidInput: if the shapes differ, or a number is negative or not finite, or the ideal is all 0.
    """
    wanted = np.ones(np.shape(counts)) if ideal is None else np.asarray(ideal, np.float64)
    rows = np.asarray(counts, np.float64)
    if rows.shape != wanted.shape:
        raise InvalidInput(f"an ideal must have the strata's shape {rows.shape}, not {wanted.shape}")
    for name, values in (("counts of strata", rows), ("weights of the ideal", wanted)):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise InvalidInput(f"the {name} must be finite and not negative, not {values.ravel().tolist()}")
    if not wanted.any():
        raise InvalidInput("the ideal must have a stratum with a weight above 0, not 0 everywhere")
    if not rows.any():
        return math.nan
    filled = rows > 0
    p, q = rows[filled] / rows.sum(), wanted[filled] / wanted.sum()
    # Rounding may leave the ideal itself a trace below 0.
    return max(float(np.sum(p * np.log(p / q))), 0.0) if q.all() else math.inf


def margins(logits: Array) -> Floats:
    """By how much the most probable class leads the next, after a softmax.

    Args:
        logits: `(n, classes)` finite, at least two classes.

    Returns:
        `(n,)` float64 in [0, 1]; with two classes |p1 - p0|.

    Raises:
        InvalidInput: if `logits` is not such a table.
    """
    if logits.ndim != 2 or logits.shape[1] < 2 or not np.isfinite(logits).all():
        raise InvalidInput(f"margins need finite logits of two classes or more, not an array of shape {logits.shape}")
    ordered = np.sort(logits.astype(np.float64), axis=1)  # (n, classes)
    weights = np.exp(ordered - ordered[:, -1:])
    return np.asarray((1.0 - weights[:, -2]) / weights.sum(axis=1), np.float64)


def population(
    label: Array,
    group: Array,
    labels: Sequence[str] = ("0", "1"),
    groups: Sequence[str] = ("0", "1"),
    margin: Array | None = None,
    sure: float = 0.5,
) -> dict[str, Metric]:
    """What a generator's samples are, as annotators see them.

    Names: `share_label.<label>` and `share_group.<group>`, with binomial errors; with margins `confidence.<group>`,
    the mean margin of the rows given that group with a margin of `sure` or more, with the error of a mean. Source:
    the population statistics of Wyllie et al. (2024); there only label 1, group 1 and two groups.

    Args:
        label: `(n,)` the labels' annotator's class ids.
        group: `(n,)` the groups' annotator's group ids.
        labels: names of the labels.
        groups: names of the groups.
        margin: `(n,)` of the groups' annotator, as `margins` returns them; or None.
        sure: the margin from which on a row counts for the confidence, in [0, 1].

    Returns:
        Values in [0, 1]; NaN and n = 0 where there are no rows, or none sure.

    Raises:
        InvalidInput: if the columns are not 1-d, differ in length or hold an id without a name, or a margin is outside
            [0, 1].
    """
    intersections({"label": (label, len(labels)), "group": (group, len(groups))})
    metrics = {f"share_label.{name}": share(label, value) for value, name in enumerate(labels)}
    metrics |= {f"share_group.{name}": share(group, value) for value, name in enumerate(groups)}
    if margin is None:
        return metrics
    check_paired(group=group, margin=margin)
    bad = np.flatnonzero(~((margin >= 0) & (margin <= 1)))
    if len(bad):
        raise InvalidInput(f"the margin of row {bad[0]} is {margin[bad[0]]}; expected a number from 0 to 1")
    for value, name in enumerate(groups):
        metrics[f"confidence.{name}"] = _mean(margin[(group == value) & (margin >= sure)])
    return metrics


def _mean(values: Array) -> Metric:
    n = len(values)
    if not n:
        return Metric(math.nan, 0)
    error = float(values.std(dtype=np.float64)) / math.sqrt(n) if n > 1 else math.nan
    return Metric(float(values.mean(dtype=np.float64)), n, error)


def _fractions(cells: list[list[int]]) -> list[tuple[int, int]]:
    """Numerator and denominator of each of `RATES`, from one group's counts [target][prediction]."""
    (tn, fp), (fn, tp) = cells
    negatives, positives = tn + fp, fn + tp
    n = negatives + positives
    return [(tp + tn, n), (tp + fp, n), (tp, positives), (tn, negatives), (fp, negatives), (fn, positives)]


def _rates(cells: list[list[int]]) -> dict[str, Metric]:
    if not (any(cells[0]) or any(cells[1])):
        return dict.fromkeys(RATES, Metric(math.nan, 0))
    return {rate: _rate(hits, rows) for rate, (hits, rows) in zip(RATES, _fractions(cells), strict=True)}


def _rate(hits: int, rows: int) -> Metric:
    if not rows:
        return Metric(math.nan, 0)
    p = hits / rows
    return Metric(p, rows, math.sqrt(p * (1 - p) / rows))


def _support(rates: Sequence[Metric]) -> tuple[int, float]:
    """A difference's n and standard error, of the groups that have the rate."""
    error = math.hypot(rates[0].error, rates[1].error) if len(rates) == 2 else math.nan
    return sum(rate.n for rate in rates), error


def _check_ids(name: str, values: Array, size: int) -> None:
    if size < 1:
        raise InvalidInput(f"the number of values of {name} must be at least 1, not {size}")
    if not len(values):
        return
    if values.dtype.kind not in "iub":
        raise InvalidInput(f"the {name} must be whole numbers from 0 to {size - 1}, not {values.dtype}")
    # Extremes are found several times faster than a mask, which only the message needs.
    if values.min() < 0 or values.max() >= size:
        row = int(np.flatnonzero((values < 0) | (values >= size))[0])
        raise InvalidInput(f"the {name} of row {row} is {values[row]}; expected a whole number from 0 to {size - 1}")


def _check_table(table: Ints) -> None:
    if table.ndim != 3 or table.shape[1:] != (2, 2) or not len(table):
        raise InvalidInput(f"rates by group need counts of shape (groups, 2, 2), not {table.shape}")
    if table.dtype.kind not in "iu" or table.min() < 0:
        raise InvalidInput(f"counts by group must be whole numbers, none negative, not {table.ravel().tolist()}")
