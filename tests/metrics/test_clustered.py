"""Standard errors from influences against formulas, bootstraps and repeated draws."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics import clustered
from biasloop.metrics.clustered import standard_error


def moves(values):
    return (values - values.mean()) / len(values)


def test_doctests():
    assert doctest.testmod(clustered, extraglobs={"np": np}).failed == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=50))
def test_of_a_share_it_is_the_binomial_one(hits):
    p = sum(hits) / len(hits)
    assert standard_error(moves(np.array(hits))) == pytest.approx(math.sqrt(p * (1 - p) / len(hits)), abs=1e-12)


def drawn(rng, clusters, rows):
    """Values that resemble each other within a cluster."""
    of = np.repeat(np.arange(clusters), rows)
    return rng.normal(0, 1, clusters)[of] + rng.normal(0, 0.5, len(of)), of


def test_it_is_the_spread_over_resampled_clusters():
    rng = np.random.default_rng(0)
    values, of = drawn(rng, 60, 7)
    table = values.reshape(60, 7)
    spread = np.std([table[rng.integers(0, 60, 60)].mean() for _ in range(2000)])
    error = standard_error(moves(values), clusters=of)
    assert error == pytest.approx(spread, rel=0.05)
    assert error > 2 * standard_error(moves(values))


def test_with_strata_of_two_clusters_it_is_the_spread_over_new_draws():
    rng = np.random.default_rng(1)
    stratum = np.repeat(np.arange(40), 6)
    of = np.repeat(np.arange(80), 3)
    errors, means = [], []
    for _ in range(600):
        values = drawn(rng, 80, 3)[0] + 5 * stratum  # strata differ far more than clusters do
        errors.append(standard_error(moves(values), of, stratum))
        means.append(values.mean())
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.08)
    assert standard_error(moves(values), of) > 10 * np.mean(errors)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40))
def test_it_equals_a_loop_over_strata_and_clusters(rows):
    influence = moves(np.array([row[0] for row in rows]))
    cluster = np.array([10 * row[1] + row[2] for row in rows])
    total = 0.0
    for stratum in {row[2] for row in rows}:
        members = {c for c in cluster.tolist() if c % 10 == stratum}
        sums = [sum(influence[cluster == member]) for member in members]
        centre = np.mean(sums) if len(sums) > 1 else 0.0
        total += max(len(sums) / max(len(sums) - 1, 1), 1) * sum((of - centre) ** 2 for of in sums)
    error = standard_error(influence, cluster, np.array([f"stratum {row[2]}" for row in rows]))
    if len(set(cluster.tolist())) == 1:
        assert math.isnan(error)
    else:
        assert error == pytest.approx(math.sqrt(total), abs=1e-12)


def test_the_same_number_of_a_cluster_in_two_strata_means_two_clusters():
    influence = np.array([0.1, 0.2, -0.1, -0.2])
    strata = np.array([0, 0, 1, 1])
    assert standard_error(influence, np.array([0, 1, 0, 1]), strata) == standard_error(influence, np.arange(4), strata)


def test_nothing_and_a_single_cluster_say_nothing():
    assert math.isnan(standard_error(np.zeros(0)))
    assert math.isnan(standard_error(np.zeros(3), clusters=np.zeros(3)))


def test_columns_that_do_not_correspond_are_refused():
    with pytest.raises(InvalidInput, match=r"influence \(3,\), clusters \(2,\)"):
        standard_error(np.zeros(3), clusters=np.zeros(2))
