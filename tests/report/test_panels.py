"""The arithmetic of figures against NumPy, scipy and the bound."""

import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from biasloop.bound import amplification_curve, bound
from biasloop.config.experiment import BoundSection
from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import over_seeds
from biasloop.report.arms import Arm, Measured
from biasloop.report.figures import of_runs
from biasloop.report.figures.panels import BAND_FROM, Panel, Series, stack

tables = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=BAND_FROM, max_side=8),
    elements=st.floats(-10, 10),
)


@settings(deadline=None)
@given(values=tables)
def test_the_published_band_is_one_population_std(values):
    low, high = Series("a", values).band("std")
    np.testing.assert_allclose((low + high) / 2, values.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose((high - low) / 2, values.std(axis=0), atol=1e-12)


@settings(deadline=None)
@given(values=tables)
def test_the_interval_is_that_of_the_seeds(values):
    low, high = Series("a", values).band("interval")
    for t, column in enumerate(values.T):
        spread = over_seeds(column)
        if spread.std == 0:  # a band without width lies under its line
            assert (low[t], high[t]) == pytest.approx((spread.mean, spread.mean))
            continue
        assert low[t] == pytest.approx(spread.low, abs=1e-9)
        assert high[t] == pytest.approx(spread.high, abs=1e-9)


def test_missing_values_are_left_out_of_their_round_only():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan], [5.0, 7.0, np.nan], [3.0, np.nan, np.nan]])
    series = Series("a", values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(series.centre(), [3, 6, np.nan])
        low, high = series.band("std")
        interval = series.band("interval")
    np.testing.assert_allclose((high - low) / 2, [math.sqrt(2), 1, np.nan])
    assert interval[1][1] == pytest.approx(over_seeds([5.0, 7.0]).high)
    assert np.isnan(interval[1][2])


@pytest.mark.parametrize("runs", [1, 2, 3])
@pytest.mark.parametrize("kind", ["std", "interval"])
def test_fewer_than_four_runs_have_no_band(runs, kind):
    assert BAND_FROM == 4
    assert Series("a", np.random.default_rng(0).random((runs, 4))).band(kind) is None


@pytest.mark.parametrize("base", [0.3, 0.9])
def test_the_bound_starts_at_round_zero_and_mirrors(base):
    series = Series("a", np.array([[0.5, 0.6, 0.7], [0.6, 0.7, 0.8]]), baseline=base)
    delta = 0.55 - base
    assert series.initial_error == pytest.approx(delta)
    drawn = series.bounded(amplification_curve(100, 10, 40, 5)).bound
    np.testing.assert_allclose(drawn, base + bound(100, 10, 40, delta, 2))
    assert drawn[0] == pytest.approx(0.55)


def test_runs_are_cut_to_the_shortest():
    np.testing.assert_array_equal(stack([[1, 2, 3], np.array([4.0, 5.0])]), [[1, 2], [4, 5]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: stack([]),
        lambda: stack([[1.0], []]),
        lambda: Series("a", np.zeros(3)),
        lambda: Series("a", np.zeros((2, 0))),
        lambda: Series("a", np.zeros((2, 2)), np.zeros((2, 2))),
        lambda: Series("a", np.zeros((2, 2))).bounded(np.ones(2)),
        lambda: Panel("a", []),
    ],
)
def test_nothing_to_draw_is_refused(call):
    with pytest.raises(InvalidInput):
        call()


@given(st.lists(st.floats(0, 1), min_size=4, max_size=8), st.sampled_from(["std", "interval"]))
def test_the_band_of_a_share_stays_within_0_and_1_and_any_other_does_not(values, kind):
    rows = np.array(values)[:, None]
    free, share = (Series("x", rows, share=share).band(kind) for share in (False, True))
    assert np.array_equal(share, np.clip(free, 0, 1))


def test_no_band_of_a_difference_of_shares_leaves_what_it_can_be():
    values = np.array([[-0.99, 0.9], [-0.9, 1.0], [-1.0, 0.2], [-0.2, 1.0]])
    lower, upper = Series("", values, difference=True).band("interval")
    free_lower, free_upper = Series("", values).band("interval")
    assert free_lower[0] < -1
    assert free_upper[1] > 1
    assert (lower[0], upper[1]) == (-1, 1)
    assert (lower[1], upper[0]) == (free_lower[1], free_upper[0])


def test_the_bound_of_a_share_is_drawn_within_0_and_1():
    """A bound of less than nothing, or of more than all, says nothing of a share."""

    class Of(Measured):
        bound_section = BoundSection(metric="a", baseline="b")

    def drawn(a, error):
        rows = [{"a": Metric(a, 50, error), "b": Metric(0.1, 50, math.sqrt(0.1 * 0.9 / 50))}] * 9
        loop = {"rule": "accumulate", "start": 100, "human": 0, "model": 400}
        run = SimpleNamespace(
            manifest=SimpleNamespace(about={}), identity={"loop": loop, "seed": 0}, directory="run", rounds=range(9)
        )
        return of_runs.bound_series(Arm("", [Of(run, rows, [{}] * 9, [None] * 9)])).bound

    of_share = drawn(0.02, math.sqrt(0.02 * 0.98 / 50))
    of_number = drawn(0.02, 3.0)
    assert of_number[-1] < 0
    np.testing.assert_array_equal(of_share, np.clip(of_number, 0, 1))
