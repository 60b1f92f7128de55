"""Shares and paired biases against brute force and resampling."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics.shares import are_differences, are_shares, binomial, share, share_bias, share_of

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@settings(deadline=None)
@given(rows=rows, value=st.integers(0, 4))
def test_share_equals_counting(rows, value):
    values = [row[0] for row in rows]
    found = share(np.array(values), value)
    p = values.count(value) / len(values)
    assert found.n == len(values)
    assert found.value == pytest.approx(p)
    assert found.error == pytest.approx(np.std([v == value for v in values]) / math.sqrt(len(values)))


@settings(deadline=None)
@given(rows=rows, value=st.integers(0, 4))
def test_bias_equals_the_mean_of_row_wise_differences(rows, value):
    differences = [(predicted == value) - (true == value) for predicted, true in rows]
    prediction, target = np.array(rows).T
    found = share_bias(prediction, target, value)
    assert found.value == pytest.approx(sum(differences) / len(rows), abs=1e-15)
    assert found.error == pytest.approx(np.std(differences) / math.sqrt(len(rows)), abs=1e-12)
    assert found.n == len(rows)
    assert share_bias(target, prediction, value).value == pytest.approx(-found.value, abs=1e-15)


def test_the_paired_error_is_the_spread_over_resampled_test_sets():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 2000)
    prediction = np.where(rng.random(2000) < 0.1, 1, target)
    picks = rng.integers(0, 2000, (2000, 2000))
    spread = ((prediction[picks] == 1).mean(axis=1) - (target[picks] == 1).mean(axis=1)).std()
    error = share_bias(prediction, target, 1).error
    assert error == pytest.approx(spread, rel=0.06)
    unpaired = math.hypot(share(prediction, 1).error, share(target, 1).error)
    assert error < unpaired / 2


def test_values_of_any_dtype():
    assert share(np.array(["a", "b", "a", "a"]), "a").value == 0.75
    assert share_of(np.array([True, False])).value == 0.5


def test_a_share_of_counts_is_that_of_rows():
    assert binomial(3, 4) == share_of(np.array([True, True, False, True]))


def test_no_rows_are_not_a_zero():
    for found in (binomial(0, 0), share(np.zeros(0), 1), share_bias(np.zeros(0), np.zeros(0), 1)):
        assert math.isnan(found.value)
        assert math.isnan(found.error)
        assert found.n == 0


def test_wrong_shapes_are_refused():
    with pytest.raises(InvalidInput, match=r"prediction \(3,\), target \(2,\)"):
        share_bias(np.zeros(3), np.zeros(2), 0)
    with pytest.raises(InvalidInput, match=r"\(2, 2\)"):
        share(np.zeros((2, 2)), 0)
    with pytest.raises(InvalidInput, match="true or false"):
        share_of(np.array([0.2, 0.8]))


def test_shares_are_told_by_their_standard_error():
    nothing = Metric(math.nan, 0)
    assert are_shares("accuracy", [binomial(1, 4), nothing, binomial(0, 3), binomial(5, 5)])
    assert not are_shares("accuracy", [binomial(1, 4), Metric(0.25, 4, 0.1)])  # a mean of rows that are not all 0 or 1
    assert not are_shares("accuracy", [Metric(0.25, 4)])
    assert not are_shares("accuracy", [Metric(-0.5, 4, 0.25)])
    assert not are_shares("accuracy", [nothing])
    assert not are_shares("accuracy", [])


@pytest.mark.parametrize(
    "name",
    ["recall_at_1_gap", "gap.gender", "gap@1.skin", "bias", "women_bias.cooking", "polite.bias", "bias_amp.race",
     "selection_amplification.a", "neutral_auc_difference", "neutral_minus_explicit.g0.nurse"],
)  # fmt: skip
def test_names_tell_differences_from_shares_where_errors_cannot(name):
    assert not are_shares(name, [binomial(0, 24), binomial(24, 24)])


@pytest.mark.parametrize("name", ["accuracy", "share_predicted", "recall_at_1.biased", "label_error", "example"])
def test_other_names_leave_it_to_the_errors(name):
    assert are_shares(name, [binomial(0, 24), binomial(3, 24)])


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("bias", [-0.5, 1.0], True),
        ("demographic_parity_difference", [0.2], True),
        ("gap.tpr", [math.nan, 0.1], True),
        ("bias", [1.5, 0.1], False),
        ("bias", [math.nan], False),
        ("accuracy", [0.5], False),
        ("loss_gap", [0.5], False),
        ("perplexity.difference", [0.5], False),
    ],
)
def test_differences_of_shares_are_told_by_name_and_values(name, values, told):
    assert are_differences(name, [Metric(value, 4) for value in values]) is told
