"""Shares among rows that count, and macro means, against loops and bootstraps of rows."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics import subpopulations
from biasloop.metrics.shares import share_bias
from biasloop.metrics.subpopulations import difference_among, mean_over_groups, share_among

FLAGS = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans())


def test_doctests():
    assert doctest.testmod(subpopulations, extraglobs={"np": np}).failed == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(FLAGS, min_size=1, max_size=60))
def test_shares_equal_counting(rows):
    hits, counted, other_hits, other_counted = np.array(rows).T
    among = [row[0] for row in rows if row[1]]
    others = [row[2] for row in rows if row[3]]
    share = share_among(hits, counted)
    difference = difference_among((hits, counted), (other_hits, other_counted))
    assert share.n == len(among)
    assert difference.n == min(len(among), len(others))
    if not among:
        assert math.isnan(share.value)
        return
    p = sum(among) / len(among)
    assert share.value == p
    assert share.error == pytest.approx(math.sqrt(p * (1 - p) / len(among)), abs=1e-12)
    if others:
        assert difference.value == pytest.approx(p - sum(others) / len(others), abs=1e-15)
    else:
        assert math.isnan(difference.value)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_where_all_rows_count_it_is_the_paired_bias(rows):
    predicted, true = np.array(rows).T
    every = np.ones(len(rows), np.bool_)
    difference = difference_among((predicted, every), (true, every))
    bias = share_bias(predicted, true, value=True)
    assert (difference.value, difference.n) == (pytest.approx(bias.value, abs=1e-15), bias.n)
    assert difference.error == pytest.approx(bias.error, abs=1e-9)


def test_errors_are_the_spread_over_resampled_rows():
    rng = np.random.default_rng(0)
    n = 1500
    group, woman = rng.random(n) < 0.4, rng.random(n) < 0.35
    predicted_group = group ^ (rng.random(n) < 0.2)
    predicted_woman = woman ^ (rng.random(n) < 0.1)
    values, classes = rng.random(n), rng.integers(0, 12, n) ** 2 // 14

    def measure(rows):
        predicted, true = (predicted_woman[rows], predicted_group[rows]), (woman[rows], group[rows])
        return [share_among(*true), difference_among(predicted, true), mean_over_groups(values[rows], classes[rows])]

    told = measure(np.arange(n))
    again = np.array([[metric.value for metric in measure(rng.integers(0, n, n))] for _ in range(1500)])
    assert [metric.error for metric in told] == pytest.approx(again.std(0).tolist(), rel=0.06)
    unpaired = math.hypot(told[0].error, share_among(predicted_woman, predicted_group).error)
    assert told[1].error < 0.9 * unpaired


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=60))
def test_a_mean_over_groups_equals_a_loop(rows):
    by_group: dict[int, list[float]] = {}
    for value, group in rows:
        by_group.setdefault(group, []).append(value)
    macro = mean_over_groups(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))
    assert macro.value == pytest.approx(np.mean([np.mean(values) for values in by_group.values()]), abs=1e-12)
    variance = sum(np.var(values) / len(values) for values in by_group.values()) / len(by_group) ** 2
    assert macro.error == pytest.approx(math.sqrt(variance), abs=1e-9)


def test_no_rows_are_not_a_zero():
    none = np.zeros(0, np.bool_)
    for metric in (
        share_among(none, none),
        difference_among((none, none), (none, none)),
        mean_over_groups(np.zeros(0), np.zeros(0, np.int64)),
    ):
        assert math.isnan(metric.value)
        assert math.isnan(metric.error)
        assert metric.n == 0


def test_columns_that_do_not_correspond_are_refused():
    true, two = np.ones(3, np.bool_), np.ones(2, np.bool_)
    with pytest.raises(InvalidInput, match=r"second \(2,\)"):
        difference_among((true, true), (two, two))
    with pytest.raises(InvalidInput, match=r"group \(2,\)"):
        mean_over_groups(np.zeros(3), np.zeros(2, np.int64))
