"""How many seeds an effect needs: against tables, by scipy's own distribution, and by simulated studies."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from biasloop.errors import InvalidInput
from biasloop.metrics import power

EFFECTS = (0.5, 1, 1.5, 2, 3)


def test_seeds_are_those_of_the_usual_tables():
    """Paired t at 80 and 90 %: Cohen (1988), table 2.4.1 has 34 and 44 of d = 0.5; the rest by two other programs."""
    every = [power.needed(effect) for effect in EFFECTS]
    assert [tuple(row.paired.values()) for row in every] == [(34, 44), (10, 13), (6, 7), (5, 5), (4, 4)]
    assert [tuple(row.unpaired.values()) for row in every] == [(64, 86), (17, 23), (9, 11), (6, 7), (4, 4)]


@pytest.mark.parametrize(("effect", "half", "most"), [(0.5, 40, 68), (1, 13, 19), (1.5, 7, 11), (2, 6, 8), (3, 5, 5)])
def test_e_values_are_reached_when_another_simulation_reached_them(effect, half, most):
    found = power.sequential_seeds(float(effect))
    assert found == (pytest.approx(half, abs=1), pytest.approx(most, abs=1))
    assert power.sequential_seeds(float(effect)) == found  # always the same studies


def test_an_effect_too_small_for_the_search_is_said_and_not_guessed():
    row = power.needed(0.005)
    assert (row.sequential, row.sequential_most) == (None, None)
    assert row.paired == {0.8: None, 0.9: None}


@given(st.floats(0.05, 6), st.integers(2, 60))
@settings(max_examples=40)
def test_power_is_what_the_noncentral_t_distribution_gives(effect, n):
    reference = stats.nct(n - 1, effect * math.sqrt(n))
    bound = stats.t.ppf(0.975, n - 1)
    below = np.nan_to_num(reference.cdf(-bound))  # scipy has no number of what is next to nothing
    assert power.paired_power(effect, n) == pytest.approx(reference.sf(bound) + below, abs=1e-6)


def test_power_is_the_share_of_studies_that_find_the_effect():
    draws = np.random.default_rng(4).standard_normal((20_000, 7)) + 1.2
    finds = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert power.paired_power(1.2, 7) == pytest.approx(finds.mean(), abs=0.01)
    one, other = draws - 1.2, np.random.default_rng(5).standard_normal((20_000, 7)) + 1.2
    assert power.unpaired_power(1.2, 7) == pytest.approx(
        (stats.ttest_ind(one, other, axis=1).pvalue < 0.05).mean(), abs=0.01
    )


def test_without_an_effect_power_is_the_level():
    assert power.paired_power(0.0, 9) == pytest.approx(0.05, abs=1e-6)
    assert power.paired_power(1e6, 3) == pytest.approx(1.0)


@given(st.integers(2, 200), st.sampled_from([0.5, 0.8, 0.9]))
@settings(max_examples=30)
def test_the_smallest_effect_that_seeds_find_needs_so_many(n, share):
    effect = power.detectable(n, share)
    assert power.paired_power(effect, n) == pytest.approx(share, abs=1e-6)
    assert power.paired_seeds(effect * 1.0001, share) == n


@pytest.mark.parametrize(("effect", "n"), [(1.5, 3), (0.0, 5), (-2.0, 6), (40.0, 4), (5.0, 100)])
def test_ends_of_an_effects_interval_leave_its_tails(effect, n):
    low, high = power.effect_interval(effect, n)
    t = effect * math.sqrt(n)
    assert low < effect < high
    assert stats.nct.sf(t, n - 1, low * math.sqrt(n)) == pytest.approx(0.025, abs=1e-4)
    assert stats.nct.cdf(t, n - 1, high * math.sqrt(n)) == pytest.approx(0.025, abs=1e-4)


def test_one_seed_has_no_effect_and_finds_none():
    assert math.isnan(power.detectable(1))
    assert all(map(math.isnan, power.effect_interval(1.0, 1)))
    assert all(map(math.isnan, power.effect_interval(math.nan, 5)))


@pytest.mark.parametrize(
    "refused",
    [
        lambda: power.needed(0.0),
        lambda: power.needed(math.nan),
        lambda: power.paired_seeds(1.0, 1.0),
        lambda: power.unpaired_seeds(math.inf, 0.8),
        lambda: power.paired_power(1.0, 1),
        lambda: power.unpaired_power(1.0, 1),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(refused):
    with pytest.raises(InvalidInput):
        refused()
