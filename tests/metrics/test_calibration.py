"""Calibration errors against torchmetrics and a row-by-row count."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics.calibration import (
    calibration_gap,
    expected_calibration_error,
    maximum_calibration_error,
    reliability,
)


def row_by_row(confidence, correct, bins):
    """(expected, maximum) calibration error, each row placed by comparing exact fractions."""
    places = {}
    for p, right in zip(confidence, correct, strict=True):
        place = next(b for b in range(bins) if p <= float(Fraction(b + 1, bins)))
        places.setdefault(place, []).append((p, right))
    gaps = [
        (len(rows), abs(sum(p for p, _ in rows) - sum(right for _, right in rows)) / len(rows))
        for rows in places.values()
    ]
    return sum(n * gap for n, gap in gaps) / len(confidence), max(gap for _, gap in gaps)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 60).map(lambda i: i / 60), st.booleans()), min_size=1, max_size=60),
    bins=st.sampled_from([1, 2, 10, 15, 20]),
)
def test_equals_a_row_by_row_count_also_on_the_edges(rows, bins):
    confidence, correct = [row[0] for row in rows], [row[1] for row in rows]
    expected, largest = row_by_row(confidence, correct, bins)
    p, right = np.array(confidence), np.array(correct)
    assert expected_calibration_error(p, right, bins).value == pytest.approx(expected, abs=1e-12)
    assert maximum_calibration_error(p, right, bins).value == pytest.approx(largest, abs=1e-12)


@pytest.mark.parametrize("bins", [5, 15])
def test_equals_torchmetrics(bins):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    torch.set_num_threads(1)
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(4), 3000)
    target = rng.integers(0, 4, 3000)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == target
    for norm, ours in (("l1", expected_calibration_error), ("max", maximum_calibration_error)):
        theirs = functional.multiclass_calibration_error(
            torch.from_numpy(probabilities), torch.from_numpy(target), num_classes=4, n_bins=bins, norm=norm
        )
        assert ours(confidence, correct, bins).value == pytest.approx(float(theirs), abs=1e-6)


def test_edges_belong_to_the_bin_below_and_zero_to_the_first():
    table = reliability(np.array([0.0, 0.2, 0.2000001, 0.6, 1.0]), np.ones(5, bool), bins=5)
    assert table.counts.tolist() == [2, 1, 1, 0, 1]
    assert table.edges.tolist() == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert np.isnan(table.confidence[3])
    assert np.isnan(table.gaps[3])
    assert table.confidence[0] == pytest.approx(0.1)


def test_every_edge_is_in_the_bin_that_it_ends():
    for bins in (3, 7, 10, 15, 49):
        edges = np.arange(1, bins + 1) / bins
        assert reliability(edges, np.ones(bins, bool), bins).counts.tolist() == [1] * bins


def test_overconfidence_is_negative():
    table = reliability(np.full(10, 0.9), np.arange(10) < 5)
    assert np.nansum(table.gaps) == pytest.approx(-0.4)
    assert expected_calibration_error(np.full(10, 0.9), np.arange(10) < 5).value == pytest.approx(0.4)


def test_the_gap_is_a_mean_of_rows_with_its_error():
    draws = np.random.default_rng(0)
    confidence, correct = draws.uniform(0, 1, 400), draws.random(400) < 0.6
    gap = calibration_gap(confidence, correct)
    assert (gap.value, gap.n) == (pytest.approx(correct.mean() - confidence.mean(), abs=1e-12), 400)
    assert gap.error == pytest.approx(np.std(correct - confidence) / 20)
    alike = calibration_gap(np.full(5, 0.75), np.ones(5, np.bool_))
    assert alike.value == 0.25
    assert math.isnan(alike.error)  # rows that do not differ say nothing of others
    with pytest.raises(InvalidInput, match="confidence of row 0 is 2"):
        calibration_gap(np.array([2.0]), np.array([True]))


def test_no_rows_and_no_warning():
    empty = np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in (calibration_gap, expected_calibration_error, maximum_calibration_error):
            found = metric(empty, empty)
            assert math.isnan(found.value)
            assert found.n == 0


@pytest.mark.parametrize(
    ("bad", "text"), [(1.01, "row 1 is 1.01"), (-0.5, "row 1 is -0.5"), (math.nan, "row 1 is nan")]
)
def test_a_bad_confidence_is_named(bad, text):
    with pytest.raises(InvalidInput, match=f"confidence of {text}"):
        reliability(np.array([0.5, bad]), np.array([True, True]))


def test_other_bad_input_is_refused():
    with pytest.raises(InvalidInput, match="correctness of row 0 is 2"):
        reliability(np.array([0.5]), np.array([2]))
    with pytest.raises(InvalidInput, match="equally many rows"):
        reliability(np.array([0.5]), np.array([True, True]))
    with pytest.raises(InvalidInput, match="bins"):
        reliability(np.array([0.5]), np.array([True]), 0)
