"""Directional bias amplification against published code's values, exact fractions and resampled rows."""

import json
import math
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics.amplification import amplification, by_cell, interval, joint_counts, tables, total

GOLDEN = json.loads((Path(__file__).parent / "amplification_golden.json").read_text())
EXACT = {"rel": 0, "abs": 1e-12}

cell = st.integers(0, 40)


def table(rows, columns, cells=cell):
    return st.lists(st.lists(cells, min_size=columns, max_size=columns), min_size=rows, max_size=rows)


@st.composite
def pairs(draw):
    """True and predicted counts; rows may be empty."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return np.array(draw(table(rows, columns))), np.array(draw(table(rows, columns)))


def by_fractions(true, predicted, tie="minus"):
    """Total over attribute values with rows, as the formula has it; None without any."""
    true, predicted = true.tolist(), predicted.tolist()
    n, cells = sum(map(sum, true)), []
    for a, row in enumerate(true):
        if not (sum(row) and sum(predicted[a])):
            continue
        for t in range(len(row)):
            delta = Fraction(predicted[a][t], sum(predicted[a])) - Fraction(row[t], sum(row))
            joint, product = Fraction(row[t], n), Fraction(sum(row), n) * Fraction(sum(r[t] for r in true), n)
            cells.append(delta if joint > product else 0 if joint == product and tie == "zero" else -delta)
    return float(sum(cells) / len(cells)) if cells else None


@pytest.mark.parametrize("name", GOLDEN["tables"])
def test_equals_the_published_code(name):
    golden = GOLDEN["tables"][name]
    found = amplification(np.array(golden["truth"]), np.array(golden["pred"]))
    assert found.total == pytest.approx(golden["bias_amp"], **EXACT)
    np.testing.assert_allclose(found.cells, golden["cells"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.where(found.y, found.deltas, -found.deltas), golden["cells"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("attribute", "task", "prediction", "golden"),
    [
        ("inverted", "class", "pred_class", "standard_attr_inverted_task_class"),
        ("class", "inverted", "pred_inverted", "swapped_attr_class_task_inverted"),
    ],
)
def test_equals_the_published_code_from_samples(attribute, task, prediction, golden):
    samples = GOLDEN["samples"]
    columns = [np.array(list(map(int, samples[name]))) for name in (attribute, task, prediction)]
    true, predicted = tables(joint_counts(*columns, (2, 2)))
    assert true.tolist() == samples[golden]["truth"]
    assert predicted.tolist() == samples[golden]["pred"]
    assert amplification(true, predicted).total == pytest.approx(samples[golden]["bias_amp"], **EXACT)


@pytest.mark.parametrize("golden", GOLDEN["independent"])
def test_independence_is_decided_on_whole_numbers(golden):
    true, predicted = np.array(golden["truth"]), np.array(golden["pred"])
    found = amplification(true, predicted)
    assert not found.y.any()
    assert found.total == pytest.approx(golden["exact"], **EXACT)
    assert amplification(true, predicted, tie="zero").cells.tolist() == [[0, 0], [0, 0]]


@settings(deadline=None)
@given(pair=pairs(), tie=st.sampled_from(["minus", "zero"]))
def test_equals_exact_fractions(pair, tie):
    found = amplification(*pair, tie=tie).total
    expected = by_fractions(*pair, tie)
    assert math.isnan(found) if expected is None else found == pytest.approx(expected, **EXACT)


@settings(deadline=None)
@given(half=st.integers(1, 50), data=st.data())
def test_a_balanced_design_bounds_it(half, data):
    shift = data.draw(st.integers(1, half))
    first, second = data.draw(st.integers(0, 2 * half)), data.draw(st.integers(0, 2 * half))
    true = np.array([[half - shift, half + shift], [half + shift, half - shift]])
    found = amplification(true, np.array([[2 * half - first, first], [second, 2 * half - second]]))
    eps = shift / (2 * half)
    assert -(0.5 + eps) - 1e-12 <= found.total <= 0.5 - eps + 1e-12
    error_imbalance = (first + second) / (4 * half) - (0.5 + eps)
    assert found.total == pytest.approx(error_imbalance, **EXACT)


@settings(deadline=None)
@given(data=st.data(), rows=st.integers(1, 4), columns=st.integers(1, 4))
def test_with_exact_independence_it_is_0_whatever_is_predicted(data, rows, columns):
    sizes = data.draw(st.lists(st.integers(1, 30), min_size=rows, max_size=rows))
    shares = data.draw(st.lists(st.integers(1, 30), min_size=columns, max_size=columns))
    predicted = np.array(data.draw(table(rows, columns, st.integers(1, 40))))
    found = amplification(np.outer(sizes, shares), predicted)
    assert found.total == pytest.approx(0, **EXACT)
    assert not found.y.any()


@settings(deadline=None)
@given(pair=pairs(), random=st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_matter(pair, random):
    true, predicted = pair
    rows, columns = list(range(len(true))), list(range(true.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    place = np.ix_(rows, columns)
    first, second = amplification(true, predicted), amplification(true[place], predicted[place])
    assert second.total == pytest.approx(first.total, nan_ok=True, **EXACT)
    np.testing.assert_array_equal(first.cells[place], second.cells)


def test_an_attribute_value_without_rows_is_left_out_or_makes_it_nan():
    true, predicted = np.array([[10, 40], [0, 0], [40, 10]]), np.array([[8, 42], [0, 0], [43, 7]])
    held = amplification(true[[0, 2]], predicted[[0, 2]])
    found = amplification(true, predicted)
    assert found.total == held.total
    assert np.isnan(found.cells[1]).all()
    assert np.isnan(found.cells).sum() == 2
    assert math.isnan(amplification(true, predicted, empty="nan").total)
    joint = joint_counts(*np.array([[0, 0, 0], [0, 0, 1], [2, 1, 1], [2, 1, 0]]).T, (3, 2))
    assert interval(joint) != pytest.approx((math.nan, math.nan), nan_ok=True)
    assert interval(joint, empty="nan") == pytest.approx((math.nan, math.nan), nan_ok=True)


def test_a_training_table_decides_the_signs():
    true, predicted = np.array([[10, 40], [40, 10]]), np.array([[8, 42], [43, 7]])
    found = amplification(true, predicted)
    opposite = amplification(true, predicted, train=true[::-1])
    assert found.total == pytest.approx(0.05)
    assert opposite.total == pytest.approx(-0.05)
    assert (opposite.y == ~found.y).all()


def test_counts_beyond_the_square_root_of_an_int64_stay_exact():
    n = 2**40
    true = np.array([[n, 3 * n], [6 * n, 18 * n]])
    assert not amplification(true, true).y.any()
    assert amplification(true + np.array([[0, 1], [0, 0]]), true).y.tolist() == [[False, True], [True, False]]
    assert amplification(2**31 * np.array([[2, 1], [1, 2]]), true).y.tolist() == [[True, False], [False, True]]


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_counting_equals_counting_one_by_one(rows):
    joint = joint_counts(*np.array(rows).T, (3, 4))
    assert joint.sum() == len(rows)
    assert all(joint[row] == rows.count(row) for row in set(rows))
    true, predicted = tables(joint)
    for a in range(3):
        for t in range(4):
            assert true[a, t] == sum(row[:2] == (a, t) for row in rows)
            assert predicted[a, t] == sum((row[0], row[2]) == (a, t) for row in rows)


def test_a_million_rows_are_counted_at_once():
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, size, 1_000_000) for size in (2, 10, 10)]
    spans = []
    for _ in range(3):
        start = time.process_time()
        joint = joint_counts(*columns, (2, 10))
        spans.append(time.process_time() - start)
    assert joint.sum() == 1_000_000
    assert min(spans) < 0.1


SKEWED = np.array([[[70, 30], [40, 260]], [[280, 20], [60, 40]]])


def test_the_interval_is_that_of_resampled_rows():
    rows = np.repeat(np.arange(8), SKEWED.ravel())
    rng = np.random.default_rng(5)
    totals = []
    for _ in range(2000):
        drawn = np.bincount(rng.choice(rows, len(rows)), minlength=8).reshape(2, 2, 2)
        totals.append(by_fractions(drawn.sum(axis=2), drawn.sum(axis=1)))
    expected = np.quantile(totals, [0.025, 0.975])
    found = interval(SKEWED, draws=4000)
    width = expected[1] - expected[0]
    assert found == pytest.approx(expected.tolist(), abs=0.08 * width)
    assert found[0] < amplification(*tables(SKEWED)).total < found[1]
    assert interval(SKEWED, draws=4000) == found
    assert interval(SKEWED, draws=4000, seed=1) != found
    narrow = interval(SKEWED, level=0.5)
    assert found[0] < narrow[0] < narrow[1] < found[1]


def test_the_interval_shrinks_with_the_root_of_the_rows_and_costs_no_more():
    wide, narrow = interval(SKEWED), interval(SKEWED * 10_000)
    assert (wide[1] - wide[0]) / (narrow[1] - narrow[0]) == pytest.approx(100, rel=0.2)
    assert interval(SKEWED, train=SKEWED.sum(axis=2)) == pytest.approx(wide)  # far from independence signs are certain


def test_chunks_do_not_change_the_interval(monkeypatch):
    found = interval(SKEWED)
    monkeypatch.setattr("biasloop.metrics.amplification._DRAWN_AT_ONCE", 100)
    assert interval(SKEWED) == found


def test_near_independence_the_interval_is_wide():
    biased = np.array([[[2000, 500], [200, 2300]], [[2300, 200], [500, 2000]]])
    assert amplification(*tables(biased)).total == pytest.approx(0, **EXACT)
    low, high = interval(biased)
    assert low < -0.03
    assert high > 0.03


@pytest.mark.parametrize(
    "joint",
    [
        [[[5, 0], [0, 9]], [[7, 0], [0, 3]]],  # all right: every resample gives 0
        [[[5, 1], [2, 9]], [[0, 1], [0, 0]]],  # a group of one row
    ],
)
def test_where_resampling_cannot_tell_there_is_no_interval(joint):
    assert all(map(math.isnan, interval(np.array(joint))))


GOOD = np.array([[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: amplification(GOOD, GOOD[:1]), "the shape"),
        (lambda: amplification(GOOD, GOOD, train=GOOD[:, :1]), "training counts"),
        (lambda: amplification(GOOD, GOOD / 2), "whole numbers"),
        (lambda: amplification(-GOOD, GOOD), "none negative"),
        (lambda: amplification(GOOD[0], GOOD[0]), "2 axes"),
        (lambda: amplification(GOOD, GOOD, tie="plus"), '"minus" or "zero"'),
        (lambda: amplification(GOOD, GOOD, empty="0"), '"skip" or "nan"'),
        (lambda: tables(np.ones((2, 2, 3), int)), "as many predicted"),
        (lambda: interval(SKEWED, level=1), "level"),
        (lambda: interval(SKEWED, draws=0), "draw"),
        (lambda: joint_counts(*np.array([[0, 2, 0]]).T, (2, 2)), "task of row 0 is 2"),
        (lambda: joint_counts(*np.array([[0, 0, 0]]).T, (2, 10_000)), "too many"),
    ],
)
def test_what_is_no_table_of_counts_is_refused(call, words):
    with pytest.raises(InvalidInput, match=words):
        call()


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(2, 4))
def test_errors_are_those_of_means_over_the_rows_of_each_attribute_value(seed, attributes, tasks):
    draws = np.random.default_rng(seed)
    attribute, target, prediction = (draws.integers(0, k, 60) for k in (attributes + 1, tasks, tasks))
    attribute %= attributes  # the last value has no rows
    joint = joint_counts(attribute, target, prediction, (attributes + 1, tasks))
    result = amplification(*tables(joint))
    cells, metric = by_cell(joint), total(joint)
    assert (metric.value, metric.n) == (result.total, 60)
    present = sorted(set(attribute.tolist()))
    assert sorted(cells) == [(a, t) for a in present for t in range(tasks)]
    sign, variance = np.where(result.y, 1, -1), 0.0
    for a in present:
        rows = attribute == a
        steps = sign[a, prediction[rows]] - sign[a, target[rows]]
        variance += steps.var() / rows.sum()
        for t in range(tasks):
            moved = (prediction[rows] == t).astype(int) - (target[rows] == t)
            cell = cells[a, t]
            assert (cell.value, cell.n) == (result.cells[a, t], rows.sum())
            assert same(cell.error, moved.std() / rows.sum() ** 0.5)
    assert same(metric.error, variance**0.5 / (len(present) * tasks))


def same(error, expected):
    """Whether an error is as expected; it is NaN where rows do not differ."""
    return math.isnan(error) if expected < 1e-9 else error == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_the_total_of_an_independent_truth_is_0_and_not_what_rounding_leaves(seed):
    """The deltas of a row sum to 0 up to rounding: of most such tables they sum to 1e-17 or so."""
    draws = np.random.default_rng(seed)
    true = np.outer(draws.integers(1, 9, 3), draws.integers(1, 9, 4))
    predicted = np.stack([draws.multinomial(n, [0.1, 0.2, 0.3, 0.4]) for n in true.sum(axis=1)])
    assert amplification(true, predicted).total == 0
