"""Differences and ratios between groups against fairlearn, and intervals that cover."""

import math

import fairlearn.metrics as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics.fairness import counts
from biasloop.metrics.fairness_intervals import MEASURES, intervals, measured

PUBLIC = [name for name in MEASURES if name != "accuracy_difference"]


def draw(seed, sizes=(120, 80, 60), shift=0.2):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    target = (rng.random(len(group)) < 0.5).astype(int)
    wrong = rng.random(len(group)) < 0.1 + shift * (group == 1)
    return target, np.where(wrong, 1 - target, target), group


@pytest.mark.parametrize("seed", range(5))
def test_equals_fairlearn(seed):
    target, prediction, group = draw(seed)
    found = measured(counts(target, prediction, group, 3))
    for name in PUBLIC:
        expected = getattr(oracle, name)(target, prediction, sensitive_features=group)
        assert found[name] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(cells=st.lists(st.lists(st.integers(0, 6), min_size=4, max_size=4), min_size=1, max_size=4))
def test_equals_groups_one_by_one(cells):
    table = np.array(cells).reshape(-1, 2, 2)
    parts = {"selection_rate": lambda tn, fp, fn, tp: (tp + fp, tn + fp + fn + tp),
             "tpr": lambda tn, fp, fn, tp: (tp, tp + fn), "fpr": lambda tn, fp, fn, tp: (fp, fp + tn)}  # fmt: skip
    rates = {}
    for name, part in parts.items():
        pairs = [part(*row) for row in cells]
        rates[name] = [hits / rows for hits, rows in pairs if rows]
    found = measured(table)
    for name, own in (("demographic_parity", ["selection_rate"]), ("equalized_odds", ["tpr", "fpr"])):
        if any(len(rates[rate]) < 2 for rate in own):
            assert math.isnan(found[f"{name}_difference"])
            assert math.isnan(found[f"{name}_ratio"])
            continue
        assert found[f"{name}_difference"] == pytest.approx(max(max(rates[r]) - min(rates[r]) for r in own))
        ratios = [min(rates[r]) / max(rates[r]) for r in own if max(rates[r])]
        assert found[f"{name}_ratio"] == pytest.approx(min(ratios, default=math.nan), nan_ok=True)


@pytest.mark.parametrize("sizes", [(90, 70), (60, 80, 70, 50)])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_intervals_cover(shift, sizes):
    """Error rates of one group differ by `shift`: so do tpr, fpr and accuracy; selection rates are 1/2."""
    truths = {
        "equalized_odds_difference": shift, "accuracy_difference": shift, "demographic_parity_difference": 0.0,
        "demographic_parity_ratio": 1.0, "equalized_odds_ratio": 0.1 / (0.1 + shift),
    }  # fmt: skip
    inside, contains = dict.fromkeys(truths, 0), True
    for seed in range(200):
        table = counts(*draw(seed, sizes, shift), len(sizes))
        found, ends = measured(table), intervals(table)
        for name, (low, high) in ends.items():
            inside[name] += low <= truths[name] <= high
            contains &= low <= found[name] <= high
    assert contains
    assert all(n / 200 > 0.92 for n in inside.values()), inside


def test_a_pairs_ratio_is_about_that_of_draws():
    """Donner and Zou's ends against quantiles of the ratio of two shares drawn with their own errors."""
    table = np.array([[[300, 100], [80, 120]], [[250, 200], [60, 190]]])
    low, high = intervals(table)["demographic_parity_ratio"]
    rng = np.random.default_rng(0)
    drawn = rng.binomial(600, 220 / 600, 20_000) / 600 / (rng.binomial(700, 390 / 700, 20_000) / 700)
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.01)


@pytest.mark.parametrize("second", [[[0, 0], [0, 1]], [[1, 0], [0, 1]], [[0, 3], [3, 0]], [[5, 0], [0, 0]]])
def test_no_interval_has_width_0(second):
    table = np.array([[[40, 10], [10, 40]], second])
    found = measured(table)
    for name, (low, high) in intervals(table).items():
        if math.isnan(found[name]):
            assert math.isnan(low)
            assert math.isnan(high)
            continue
        assert low <= found[name] <= high
        assert high - low > 0.1


def test_one_group_has_neither_differences_nor_intervals():
    table = np.array([[[3, 1], [2, 4]]])
    assert all(map(math.isnan, measured(table).values()))
    assert all(map(math.isnan, np.ravel(list(intervals(table).values()))))


def test_what_is_no_table_is_refused():
    with pytest.raises(InvalidInput, match="shape"):
        measured(np.zeros((2, 2), int))
    with pytest.raises(InvalidInput, match="level"):
        intervals(np.ones((2, 2, 2), int), 2)
