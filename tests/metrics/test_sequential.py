"""The e-value of paired differences: the mixture that it says it is, and few false alarms however often one looks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from biasloop.metrics.sequential import REJECT, e_value


@pytest.mark.parametrize("width", [1.0, 4.0])
@pytest.mark.parametrize("values", [[0.3, 0.1, 0.5], [1, 2, 3, 4, 9, -2], list(np.linspace(-1, 1.5, 12))])
def test_it_is_a_mixture_of_likelihood_ratios_of_the_t_statistic(values, width):
    n = len(values)
    t = np.sqrt(n) * np.mean(values) / np.std(values, ddof=1)

    def ratio(effect):
        return stats.nct.pdf(t, n - 1, np.sqrt(n) * effect) * stats.norm.pdf(effect, 0, np.sqrt(width))

    mixed, _ = integrate.quad(ratio, -12, 12, limit=400, points=[0])
    assert e_value(values, width) == pytest.approx(mixed / stats.t.pdf(t, n - 1), rel=1e-5)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20).filter(lambda v: np.std(v) > 1e-6), st.floats(0.01, 100))
def test_neither_scale_nor_sign_nor_order_matters(values, scale):
    expected = e_value(values)
    assert e_value(scale * np.array(values)) == pytest.approx(expected, rel=1e-6)
    assert e_value(-np.array(values)) == pytest.approx(expected, rel=1e-9)
    assert e_value(values[::-1]) == pytest.approx(expected, rel=1e-6)


def test_looking_after_every_seed_alarms_falsely_in_few_studies():
    studies = np.random.default_rng(5).standard_normal((400, 20))
    alarms = [any(e_value(study[:n]) >= REJECT for n in range(3, 21)) for study in studies]
    assert 0 < np.mean(alarms) < 0.05


def test_of_a_large_effect_evidence_grows():
    assert e_value([1.0, 1.1, 0.9, 1.05]) > REJECT
    assert e_value([1.0, -1.1, 0.9, -1.05]) < 1


@pytest.mark.parametrize(("values", "expected"), [([], math.nan), ([1.0], math.nan), ([0, 0, 0], math.nan),
                                                  ([1.0, math.nan], math.nan), ([2.0, 2.0], math.nan),
                                                  ([0.15, 0.1 + 0.05, 0.15], math.nan)])  # fmt: skip
def test_what_says_nothing_has_no_evidence(values, expected):
    assert e_value(values) == pytest.approx(expected, nan_ok=True)
