"""Calibration from sums by bin: equal to rows, resampled as rows are, and intervals that cover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics.calibration import expected_calibration_error, maximum_calibration_error, reliability
from biasloop.metrics.calibration_intervals import (
    errors,
    expected_if_calibrated,
    gap_interval,
    moments,
    reliability_of,
    resampled,
)
from biasloop.metrics.intervals import basic, wilson

columns = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None)
@given(rows=columns, bins=st.integers(1, 20), at=st.integers(0, 40))
def test_sums_of_parts_give_what_rows_give(rows, bins, at):
    confidence, correct = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    sums = moments(confidence[:at], correct[:at], bins) + moments(confidence[at:], correct[at:], bins)
    ece, mce, gap = errors(sums)
    assert ece == pytest.approx(expected_calibration_error(confidence, correct, bins).value, abs=1e-12)
    assert mce == pytest.approx(maximum_calibration_error(confidence, correct, bins).value, abs=1e-12)
    assert gap == pytest.approx(correct.mean() - confidence.mean(), abs=1e-12)
    found, expected = reliability_of(sums), reliability(confidence, correct, bins)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.accuracy, expected.accuracy, atol=1e-12)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-12)


def rows(seed, n, shift=0.1):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1, n)
    return confidence, rng.random(n) < confidence - shift


def test_resampled_as_rows_are():
    confidence, correct = rows(0, 400)
    sums = moments(confidence, correct)
    rng = np.random.default_rng(1)
    expected = []
    for _ in range(3000):
        taken = rng.integers(0, 400, 400)
        expected.append(errors(moments(confidence[taken], correct[taken])))
    found = resampled(sums, 3000)
    for level in (0.025, 0.5, 0.975):
        off = np.abs(np.quantile(found, level, axis=0) - np.quantile(expected, level, axis=0))
        assert (off < [0.006, 0.02, 0.006]).all()
    np.testing.assert_array_equal(found, resampled(sums, 3000))


def test_the_spread_of_confidences_in_a_bin_counts():
    """Nearly all rows are right, so that the gap varies with the confidences that are drawn."""
    rng = np.random.default_rng(0)
    confidence, correct = rng.uniform(0, 1, 300), np.arange(300) > 0
    drawn = resampled(moments(confidence, correct, 1), 4000)
    assert drawn[:, 2].std() == pytest.approx(np.std(correct - confidence) / math.sqrt(300), rel=0.05)


def test_intervals_cover():
    """Confidence 0.6, 0.8 and 0.95, each 0.1 too high: the calibration error is 0.1 and the gap -0.1."""
    inside = {"ece": 0, "gap": 0}
    for seed in range(300):
        rng = np.random.default_rng(seed)
        confidence = rng.choice([0.6, 0.8, 0.95], 1000)
        sums = moments(confidence, rng.random(1000) < confidence - 0.1)
        ece, _, _ = errors(sums)
        low, high = basic(ece, resampled(sums, 300)[:, 0] - ece, low=0, high=1)
        inside["ece"] += low <= 0.1 <= high
        low, high = gap_interval(sums)
        inside["gap"] += low <= -0.1 <= high
    assert inside["ece"] / 300 > 0.9
    assert inside["gap"] / 300 > 0.92


@settings(deadline=None)
@given(rows=columns)
def test_the_gap_has_an_interval_of_some_width_around_it(rows):
    confidence, correct = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    sums = moments(confidence, correct)
    low, high = gap_interval(sums)
    gap = errors(sums)[2]
    assert low <= gap + 1e-12
    assert high >= gap - 1e-12
    assert high - low > 0.01


def test_what_right_confidences_would_show():
    confidence, _ = rows(0, 2000)
    rng = np.random.default_rng(2)
    simulated = [errors(moments(confidence, rng.random(2000) < confidence))[0] for _ in range(400)]
    assert expected_if_calibrated(moments(confidence, confidence > 0.7)) == pytest.approx(np.mean(simulated), rel=0.05)


def test_no_rows_and_bad_input():
    empty = moments(np.zeros(0), np.zeros(0, bool))
    assert all(map(math.isnan, (*errors(empty), *gap_interval(empty), expected_if_calibrated(empty))))
    with pytest.raises(InvalidInput, match="needs rows"):
        resampled(empty)
    with pytest.raises(InvalidInput, match="shape"):
        errors(np.zeros((3, 2)))
    with pytest.raises(InvalidInput, match="row 1 is 2"):
        moments(np.array([0.5, 2.0]), np.array([True, True]))


@pytest.mark.parametrize("confident", [0.9, 0.4])  # of the right rows: correlated with being right, or against it
def test_the_gaps_interval_is_put_together_of_both_with_their_correlation(confident):
    """Zou & Donner (2008), section 3; Wilson's interval of 19 of 20 is far from symmetric, so that the ends differ."""
    confidence, right = np.array([confident] * 10 + [confident + 0.1] * 9 + [0.6]), np.array([1] * 19 + [0], bool)
    low, high = wilson(19, 20)
    half = 1.959963984540054 * confidence.std() / math.sqrt(20)
    r = np.corrcoef(confidence, right)[0, 1]
    down, up, gap = 0.95 - low, high - 0.95, 0.95 - confidence.mean()
    expected = [
        gap - math.sqrt(down**2 + half**2 - 2 * r * down * half), gap + math.sqrt(up**2 + half**2 - 2 * r * up * half)
    ]  # fmt: skip
    assert gap_interval(moments(confidence, right)) == pytest.approx(expected, abs=1e-9)
