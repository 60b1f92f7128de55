"""Intervals against scipy.stats and their own coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import basic, newcombe, over_seeds, paired, t_quantile, wilson


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12),
    level=st.sampled_from([0.5, 0.8, 0.95, 0.99]),
)
def test_spread_equals_scipy(values, level):
    found = over_seeds(values, level)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.std == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    if np.ptp(values) <= max(1e-12 * np.abs(values).max(), 1e-15):
        assert math.isnan(found.low)
        return
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values)
    assert found.low == pytest.approx(np.mean(values) - half, rel=1e-9, abs=1e-9)
    assert found.high == pytest.approx(np.mean(values) + half, rel=1e-9, abs=1e-9)
    assert found.n == len(values)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_equal_seeds_have_no_interval(value):
    spread = over_seeds([value] * 3)
    assert (spread.mean, spread.std, spread.n) == (value, 0.0, 3)
    assert math.isnan(spread.low)
    assert math.isnan(spread.high)


@pytest.mark.parametrize("values", [(0.1 + 0.2 - 0.25, 0.3 - 0.25), (0.1 + 0.2 - 0.3, 0.0), (100 / 3, 100 * (1 / 3))])
def test_seeds_that_are_equal_but_for_rounding_have_none_either(values):
    spread = over_seeds(values)
    assert spread.mean == pytest.approx(values[1], rel=1e-12, abs=1e-15)
    assert (spread.std, spread.n) == (0.0, 2)
    assert math.isnan(spread.low)
    assert math.isnan(spread.high)


def test_one_seed_has_no_spread():
    found = over_seeds([0.25])
    assert (found.mean, found.n) == (0.25, 1)
    assert all(math.isnan(value) for value in (found.std, found.low, found.high, t_quantile(1)))


def test_a_missing_seed_is_not_passed_over():
    assert math.isnan(over_seeds([0.1, math.nan, 0.3]).mean)


@settings(deadline=None)
@given(n=st.integers(1, 500), part=st.floats(0, 1), level=st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_wilson_equals_scipy(n, part, level):
    successes = round(part * n)
    theirs = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    low, high = wilson(successes, n, level)
    assert low == pytest.approx(theirs.low, abs=1e-12)
    assert high == pytest.approx(theirs.high, abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


def test_wilson_covers_what_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for successes in rng.binomial(40, 0.15, 2000).tolist():
        low, high = wilson(successes, 40)
        covered += low <= 0.15 <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.03)


def test_wilson_of_nothing():
    assert all(math.isnan(end) for end in wilson(0, 0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: over_seeds([]),
        lambda: over_seeds(np.zeros((2, 2))),
        lambda: over_seeds([1.0, 2.0], 1.0),
        lambda: over_seeds([1.0], 95),
        lambda: wilson(3, 2),
        lambda: wilson(-1, 2),
        lambda: wilson(1, 2, 0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(InvalidInput):
        call()


def test_newcombes_published_example():
    """Newcombe 1998, table II, 56/70 - 48/80 by method 10: 0.0524 to 0.3339."""
    low, high = newcombe((56, 70), (48, 80))
    assert low == pytest.approx(0.0524, abs=5e-5)
    assert high == pytest.approx(0.3339, abs=5e-5)
    low, high = newcombe((1, 1), (3, 3))
    assert low < 0 < high
    assert all(map(math.isnan, newcombe((0, 0), (1, 2))))


def test_the_basic_interval_mirrors_the_errors():
    errors = np.linspace(-1, 3, 401)
    assert basic(10.0, errors, 0.5) == pytest.approx((8.0, 10.0))
    assert basic(0.5, errors, 0.5, low=0, high=0.4) == pytest.approx((0, 0.4))
    held = np.array([math.nan, *errors, math.inf])
    assert basic(10.0, held, 0.5) == pytest.approx((8.0, 10.0))
    for value, drawn in ((math.nan, errors), (1.0, np.zeros(9)), (1.0, np.zeros(0))):
        assert all(map(math.isnan, basic(value, drawn)))


@pytest.mark.parametrize("cells", [(1, 1, 7, 12), (40, 5, 3, 2), (53, 16, 8, 9), (36, 12, 2, 1)])
def test_a_paired_difference_as_newcombe_writes_it(cells):
    """Method 10: the correlation's numerator is ad - bc less n / 2, not below 0, where it is above 0, else as it is."""
    a, b, c, d = cells
    n, bare = sum(cells), a * d - b * c
    (l1, u1), (l2, u2) = wilson(a + b, n), wilson(a + c, n)
    p1, p2, corrected = (a + b) / n, (a + c) / n, max(bare - n / 2, 0) if bare > 0 else bare
    phi = corrected / math.sqrt((a + b) * (c + d) * (a + c) * (b + d))

    def half(one, other):
        return math.sqrt(one**2 - 2 * phi * one * other + other**2)

    expected = p1 - p2 - half(p1 - l1, u2 - p2), p1 - p2 + half(u1 - p1, p2 - l2)
    assert paired(a, a + b, a + c, n) == pytest.approx(expected, abs=1e-12)
