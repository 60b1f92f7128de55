"""Every interval has a width, holds its own estimate and stays within what it is about; paired shares cover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics import amplification as amplifying
from biasloop.metrics.amplification_multilabel import interval as of_labels
from biasloop.metrics.amplification_multilabel import label_counts
from biasloop.metrics.calibration_intervals import errors, mixed, moments, moments_by, resampled
from biasloop.metrics.fairness import counts
from biasloop.metrics.fairness_intervals import MOST_GROUPS, intervals, measured
from biasloop.metrics.intervals import agree, basic, paired, wilson


def holds(value, ends, low, high):
    """Null, or around the value, of some width and within the limits."""
    return math.isnan(ends[0]) or (low <= ends[0] <= value <= ends[1] <= high and ends[1] - ends[0] > 1e-9)


@given(n=st.integers(1, 10**9), share=st.floats(0, 1))
def test_a_shares(n, share):
    hits = round(n * share)
    assert holds(hits / n, wilson(hits, n), 0, 1)


@settings(deadline=None)
@given(
    value=st.floats(0, 1),
    drawn=st.lists(st.floats(-0.5, 1), min_size=1, max_size=40),
)
def test_a_resampled_one_whatever_resampling_shows(value, drawn):
    found = np.clip(np.array(drawn) + value, 0, 1) - value
    ends = basic(value, found, low=0, high=1)
    assert math.isnan(ends[0]) == agree(found)
    assert holds(value, ends, 0, 1)


def test_a_sum_of_absolute_values_that_is_0_has_an_upper_end():
    low, high = basic(0.0, np.array([0.0, 0.1, 0.2, 0.05] * 20), low=0, high=1)
    assert low == 0
    assert high == pytest.approx(0.2)


@given(cells=st.tuples(*[st.integers(0, 30)] * 4).filter(any))
def test_a_paired_differences(cells):
    both, only_first, only_second, _ = cells
    n = sum(cells)
    ends = paired(both, both + only_first, both + only_second, n)
    assert not math.isnan(ends[0])
    assert holds((only_first - only_second) / n, ends, -1, 1)
    turned = paired(both, both + only_second, both + only_first, n)
    assert ends == pytest.approx((-turned[1], -turned[0]), abs=1e-12)


@pytest.mark.parametrize("shares", [(0.6, 0.1, 0.05, 0.25), (0.9, 0.02, 0.01, 0.07), (0.3, 0.3, 0.1, 0.3)])
def test_a_paired_difference_covers(shares):
    rng = np.random.default_rng(0)
    inside = 0
    for both, first, second, _ in rng.multinomial(60, shares, 2000):
        low, high = paired(both, both + first, both + second, 60)
        inside += low <= shares[1] - shares[2] <= high
    assert inside / 2000 > 0.93


def test_counts_that_do_not_go_together_are_refused():
    with pytest.raises(InvalidInput, match="do not go together"):
        paired(3, 2, 5, 10)


rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.sampled_from([0, 0.1, 0.5, 0.9, 1.0])),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(rows=rows)
def test_differences_and_ratios_of_groups(rows):
    group, target, prediction, _ = (np.array(column) for column in zip(*rows, strict=True))
    table = counts(target, prediction, group, 3)
    ends = intervals(table)
    for name, value in measured(table).items():
        assert math.isnan(value) == math.isnan(ends[name][0])
        assert math.isnan(value) or holds(value, ends[name], 0, 1)


@settings(deadline=None, max_examples=60)
@given(rows=rows, bins=st.integers(1, 20))
def test_calibration_errors(rows, bins):
    _, target, prediction, confidence = (np.array(column) for column in zip(*rows, strict=True))
    sums = moments(confidence, target == prediction, bins)
    ece = errors(sums)[0]
    if mixed(sums):
        drawn = resampled(sums, 200)[:, 0]
        assert holds(ece, basic(ece, drawn - ece, low=0, high=1), 0, 1)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 1 / 3, 0.123456789])
def test_rows_that_are_all_alike_show_no_error_at_all(confidence):
    """What rounding leaves of the variance of equal confidences is no variance."""
    sums = moments(np.full(6, confidence), np.ones(6, bool))
    assert np.ptp(resampled(sums)[:, 0]) < 1e-12
    assert not mixed(sums)


@settings(deadline=None, max_examples=60)
@given(rows=rows)
def test_amplification(rows):
    group, target, prediction, _ = (np.array(column) for column in zip(*rows, strict=True))
    joint = amplifying.joint_counts(group, target, prediction, (3, 2))
    total = amplifying.amplification(*amplifying.tables(joint)).total
    assert holds(total, amplifying.interval(joint, draws=100), -1, 1)


@settings(deadline=None, max_examples=60)
@given(rows=rows)
def test_amplification_of_labels(rows):
    group, target, prediction, _ = (np.array(column) for column in zip(*rows, strict=True))
    found = label_counts(group, np.stack([target, prediction], 1), np.stack([prediction, target], 1), 3)
    low, high = of_labels(found)
    assert math.isnan(low) or -1 <= low < high <= 1


@settings(deadline=None, max_examples=40)
@given(rows=rows, bins=st.integers(1, 7))
def test_sums_of_groups_are_those_of_each(rows, bins):
    group, target, prediction, confidence = (np.array(column) for column in zip(*rows, strict=True))
    right = target == prediction
    found = moments_by(confidence, right, group, 3, bins)
    for one in range(3):
        np.testing.assert_allclose(found[one], moments(confidence[group == one], right[group == one], bins), atol=1e-12)


def test_very_many_groups_are_not_compared_in_pairs():
    table = np.ones((MOST_GROUPS + 1, 2, 2), np.int64)
    assert all(math.isnan(low) for low, _ in intervals(table).values())
    assert not any(math.isnan(low) for low, _ in intervals(table[:-1]).values())
