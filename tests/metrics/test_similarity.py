"""Self-similarity against published values, full enumeration, the matrix of cosines and resamples."""

import doctest
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics import similarity
from biasloop.metrics.similarity import (
    by_group,
    normalised,
    published,
    resample_deviation,
    self_similarity,
    without_replacement,
)

GOLDEN = json.loads((Path(__file__).parent / "clip_golden.json").read_text())["self_similarity"]
FEATURES, CODES = np.array(GOLDEN["features"]), np.array(GOLDEN["cell_codes_race_gender_age"])
AXES = {"gender": (1, 2), "race": (0, 7), "age": (2, 9)}  # column of the codes, and values
EXACT = {"rel": 0, "abs": 1e-7}  # single precision


def test_doctests():
    assert doctest.testmod(similarity, extraglobs={"np": np, "Metric": Metric}).failed == 0


@pytest.mark.parametrize("name", AXES)
def test_groups_of_an_attribute_are_as_published(name):
    column, count = AXES[name]
    metrics = by_group(FEATURES, CODES[:, column], np.eye(count, dtype=np.bool_))
    golden = GOLDEN[name]
    assert [m.value for m in metrics] == pytest.approx(golden["expect_with_replacement"], **EXACT)
    assert [m.value for m in normalised(metrics)] == pytest.approx(golden["expect_norm_pct"], abs=5e-5)
    apart = [without_replacement(m).value for m in metrics]
    assert apart == pytest.approx(golden["mean_pairwise_without_replacement"], **EXACT)
    groups = [FEATURES[CODES[:, column] == value] for value in range(count)]
    assert [resample_deviation(rows) for rows in groups] == pytest.approx(golden["sd_of_one_resample"], abs=1e-9)


def test_the_published_draws_give_the_published_numbers():
    state = np.random.RandomState(GOLDEN["seed"])
    for name, (column, count) in AXES.items():  # one generator goes through all
        groups = [FEATURES[CODES[:, column] == value] for value in range(count)]
        numbers = [published(rows, state) for rows in groups]
        assert numbers == pytest.approx(GOLDEN[name]["legacy_seed0_mean"], abs=1e-9)
        percents = [m.value for m in normalised([Metric(value, 1, 0.0) for value in numbers])]
        assert percents == pytest.approx(GOLDEN[name]["legacy_seed0_norm_pct"], abs=1e-6)
        for rows, number in zip(groups, numbers, strict=True):
            assert abs(number - self_similarity(rows).value) < 5 * resample_deviation(rows) / 100


@pytest.mark.parametrize(("names", "key"), [(("race", "age"), "race_age"), (("gender", "age"), "gender_age")])
def test_combinations_are_as_published(names, key):
    cells = CODES[:, 0] * 18 + CODES[:, 1] * 9 + CODES[:, 2]
    of_cell = np.array(list(itertools.product(range(7), range(2), range(9))))  # (126, 3)
    for text, expected in GOLDEN[f"{key}_expect"].items():
        chosen = np.ones(126, np.bool_)
        for name, value in zip(names, text.split("_"), strict=True):
            chosen &= of_cell[:, AXES[name][0]] == int(value)
        (metric,) = by_group(FEATURES, cells, chosen[None])
        assert metric.value == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("drawn", [2, 3, 4])
def test_the_deviation_of_a_resample_is_that_of_all_draws(drawn):
    rows, golden = np.array(GOLDEN["enumeration"]["rows"]), GOLDEN["enumeration"][f"m{drawn}"]
    assert self_similarity(rows).value == pytest.approx(golden["mean"], **EXACT)
    assert resample_deviation(rows, drawn) ** 2 == pytest.approx(golden["var"], abs=1e-9)


def test_wide_features_have_the_same_deviation_as_narrow_ones():
    rows = np.random.default_rng(0).normal(0.3, 1, (30, 8))
    wide = np.concatenate([rows, np.zeros((30, 100))], axis=1)  # more dimensions than rows
    assert resample_deviation(wide) == pytest.approx(resample_deviation(rows), rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_it_is_the_mean_of_all_cosines(n, d, seed):
    rows = np.random.default_rng(seed).normal(0.5, 1, (n, d)) + 1e-3
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = units @ units.T
    measured = self_similarity(rows)
    assert measured.value == pytest.approx(cosines.mean(), abs=1e-6)
    if n > 1:
        expected = cosines[~np.eye(n, dtype=bool)].mean()
        assert without_replacement(measured).value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("n", "centre"), [(6, 1.0), (30, 0.0), (30, 0.4), (400, 0.4)])
def test_its_error_is_the_spread_over_new_images(n, centre):
    rng = np.random.default_rng(1)
    measured = [self_similarity(rng.normal(centre, 1, (n, 6))) for _ in range(1000)]
    for metrics in (measured, [without_replacement(metric) for metric in measured]):
        error = np.sqrt(np.mean([metric.error**2 for metric in metrics]))  # what has no bias is the variance
        assert error == pytest.approx(np.std([metric.value for metric in metrics]), rel=0.07)


def test_fewer_than_five_images_have_no_error():
    assert [math.isnan(self_similarity(np.eye(n)).error) for n in (1, 4, 5)] == [True, True, False]


def test_the_error_of_a_percentage_is_the_spread_over_new_images():
    rng = np.random.default_rng(2)
    cells = np.arange(450) // 150
    percents = []
    for _ in range(600):
        rows = rng.normal(np.array([0.3, 0.5, 0.8])[cells][:, None], 1, (450, 5))
        percents.append(normalised(by_group(rows, cells, np.eye(3, dtype=np.bool_)))[2])
    assert np.mean([m.error for m in percents]) == pytest.approx(np.std([m.value for m in percents]), rel=0.1)


def test_groups_without_images_are_counted_as_empty():
    full, empty = by_group(np.ones((3, 2)), np.zeros(3, np.int64), np.array([[True, False], [False, True]]))
    assert (full.n, empty.n) == (3, 0)
    assert math.isnan(empty.value)
    percents = normalised([full, empty])
    assert percents[0].value == pytest.approx(0)
    assert math.isnan(percents[1].value)
    assert math.isnan(published(np.zeros((0, 2)), np.random.RandomState(0)))
    assert math.isnan(without_replacement(self_similarity(np.ones((1, 2)))).value)


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (lambda: self_similarity(np.array([[1.0, 0.0], [0.0, 0.0]])), "1 of 2 image features have no direction"),
        (lambda: published(np.zeros((2, 2)), np.random.RandomState(0)), "2 of 2 image features"),
        (lambda: published(np.ones((2, 2)), np.random.RandomState(0), drawn=1), "no pair"),
        (lambda: resample_deviation(np.ones((2, 2)), 1), "no pair"),
        (lambda: by_group(np.ones((2, 2)), np.array([0, 1]), np.ones((1, 1), np.bool_)), "from 0 to 0"),
        (lambda: by_group(np.ones((2, 2)), np.array([0]), np.ones((1, 1), np.bool_)), "2 whole numbers"),
    ],
)
def test_what_has_no_similarity_is_refused(measure, words):
    with pytest.raises(InvalidInput, match=words):
        measure()
