"""Bias amplification of several labels against rows counted one by one, a published value and resampled rows."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics import amplification as of_classes
from biasloop.metrics.amplification_multilabel import amplification, interval, label_counts, standard_error


@st.composite
def rows(draw):
    n, tasks, groups = draw(st.integers(1, 25)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    bits = st.lists(st.lists(st.integers(0, 1), min_size=tasks, max_size=tasks), min_size=n, max_size=n)
    group = draw(st.lists(st.integers(0, groups - 1), min_size=n, max_size=n))
    return np.array(group), np.array(draw(bits)), np.array(draw(bits)), groups


def one_by_one(group, target, prediction, groups, tie="minus"):
    n, cells = len(group), []
    for a in range(groups):
        held = [i for i in range(n) if group[i] == a]
        if not held:
            continue
        for t in range(target.shape[1]):
            true = Fraction(sum(int(target[i, t]) for i in held), len(held))
            guess = Fraction(sum(int(prediction[i, t]) for i in held), len(held))
            joint = Fraction(sum(int(target[i, t]) for i in held), n)
            product = Fraction(len(held), n) * Fraction(sum(int(y) for y in target[:, t]), n)
            sign = 1 if joint > product else 0 if joint == product and tie == "zero" else -1
            cells.append(sign * (guess - true))
    return float(sum(cells) / len(cells))


@settings(deadline=None)
@given(case=rows(), tie=st.sampled_from(["minus", "zero"]))
def test_equals_rows_one_by_one(case, tie):
    found = amplification(label_counts(*case), tie=tie)
    assert found.total == pytest.approx(one_by_one(*case, tie), abs=1e-12)


def test_the_value_of_a_published_metric_card():
    """Hugging Face metric card "directional_bias_amplification"."""
    target = np.array([0, 1, 1, 0, 0, 0, 0, 1])[:, None]
    prediction = np.array([1, 1, 1, 0, 0, 0, 0, 0])[:, None]
    group = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    found = amplification(label_counts(group, target, prediction, 2))
    np.testing.assert_allclose(found.cells, [[0.2], [1 / 3]], rtol=0, atol=1e-12)
    assert found.total == pytest.approx((0.2 + 1 / 3) / 2, abs=1e-12)


@settings(deadline=None)
@given(case=rows())
def test_one_label_equals_its_two_classes(case):
    group, target, prediction, groups = case
    joint = of_classes.joint_counts(group, target[:, 0], prediction[:, 0], (groups, 2))
    expected = of_classes.amplification(*of_classes.tables(joint), tie="zero").total
    found = amplification(label_counts(group, target[:, :1], prediction[:, :1], groups), tie="zero").total
    assert found == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(case=rows(), at=st.integers(0, 25))
def test_counts_of_parts_add_up(case, at):
    group, target, prediction, groups = case
    parts = [label_counts(*(x[part] for x in (group, target, prediction)), groups)
             for part in (slice(at), slice(at, None))]  # fmt: skip
    whole, added = label_counts(*case), parts[0] + parts[1]
    for name in ("rows", "true", "predicted", "joint"):
        np.testing.assert_array_equal(getattr(added, name), getattr(whole, name))


def drawn(seed, n=800):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n)
    common = rng.random(n)  # labels of a row depend on each other
    target = ((common[:, None] + rng.random((n, 3))) / 2 < np.where(group, 0.6, 0.4)[:, None]).astype(int)
    flip = (rng.random(n) < 0.2)[:, None] & (rng.random((n, 3)) < 0.8)
    return group, target, np.where(flip, 1 - target, target)


def test_the_error_is_that_of_resampled_rows():
    group, target, prediction = drawn(0)
    counts = label_counts(group, target, prediction, 2)
    rng = np.random.default_rng(1)
    totals = []
    for _ in range(1500):
        rows = rng.integers(0, len(group), len(group))
        totals.append(amplification(label_counts(group[rows], target[rows], prediction[rows], 2)).total)
    assert standard_error(counts) == pytest.approx(np.std(totals), rel=0.1)
    low, high = interval(counts)
    assert low < amplification(counts).total < high


def test_a_training_table_decides_the_signs():
    group, target, prediction = drawn(0)
    counts = label_counts(group, target, prediction, 2)
    opposite = label_counts(1 - group, target, target, 2)
    assert amplification(counts, train=opposite).total == pytest.approx(-amplification(counts).total)


def test_groups_of_one_row_and_rows_without_errors_have_no_interval():
    group, target, prediction = np.array([0, 0, 1]), np.array([[0], [1], [1]]), np.array([[1], [1], [0]])
    assert all(map(math.isnan, interval(label_counts(group, target, prediction, 2))))
    pair = np.array([0, 0, 1, 1])
    same = np.array([[0], [1], [1], [0]])
    assert all(map(math.isnan, interval(label_counts(pair, same, same, 2))))


def test_what_are_no_labels_is_refused():
    good = np.array([[0], [1]])
    for call, words in (
        (lambda: label_counts(np.array([0, 1]), good, good[:1], 2), "table of"),
        (lambda: label_counts(np.array([0, 2]), good, good, 2), "attribute of row 1"),
        (lambda: label_counts(np.array([0, 1]), good, 2 * good, 2), "prediction of row 1"),
        (lambda: amplification(label_counts(np.array([0, 1]), good, good, 2), tie="x"), "tie"),
        (lambda: interval(label_counts(np.array([0, 1]), good, good, 2), level=1), "level"),
    ):
        with pytest.raises(InvalidInput, match=words):
            call()
