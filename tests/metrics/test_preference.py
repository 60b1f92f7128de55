"""Person preference against published values, balanced resamples drawn row by row, and enumeration."""

import doctest
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics import preference
from biasloop.metrics.preference import apart, by_group, prefers_neutral, published, resample_deviation

_ALL = json.loads((Path(__file__).parent / "clip_golden.json").read_text())
GOLDEN = _ALL["person_preference"]
IMAGES, CODES = (np.array(_ALL["self_similarity"][key]) for key in ("features", "cell_codes_race_gender_age"))
TEXTS, PREFERS = np.array(GOLDEN["text_features"]), np.array(GOLDEN["preference_race_gender_age"], np.bool_)
AXES = {"race": (0, 7), "gender": (1, 2), "age": (2, 9)}


def test_doctests():
    assert doctest.testmod(preference, extraglobs={"np": np, "Metric": Metric}).failed == 0


@pytest.mark.parametrize("name", AXES)
def test_preferences_and_shares_are_as_published(name):
    column, count = AXES[name]
    first, last = GOLDEN["prompt_order"][name]
    prefers = prefers_neutral(IMAGES, TEXTS[GOLDEN["prompt_order"]["person"]], TEXTS[first : last + 1])
    assert prefers.tolist() == PREFERS[:, column].tolist()
    shares = [metric.value for metric in by_group(prefers, CODES[:, column], count)]
    assert shares == pytest.approx(GOLDEN[f"{name}_pct"], abs=1e-9)


def test_cells_of_gender_and_age_are_as_published():
    cells = CODES[:, 1] * 9 + CODES[:, 2]
    shares = [by_group(PREFERS[:, column], cells, 18) for column in range(3)]
    for key, expected in GOLDEN["gender_age_pct_race_gender_age"].items():
        gender, age = map(int, key.split("_"))
        assert [of[gender * 9 + age].value for of in shares] == pytest.approx(expected, abs=1e-9)


def test_the_prompts_are_in_the_published_order():
    assert [len(values) for values in preference.ATTRIBUTES.values()] == [7, 2, 9]
    assert [*preference.RACES][:2] == ["East Asian", "Indian"]
    assert preference.AGES["10-19"] == "a photo of a person between 10 and 19 years old"


def test_the_neutral_prompt_wins_ties():
    assert prefers_neutral(np.eye(2), np.array([1.0, 0.0]), np.array([[2.0, 0.0]])).tolist() == [True, True]


def test_balanced_resamples_have_the_groups_mean_and_this_deviation():
    prefers = np.array([1, 1, 0, 1, 0, 0, 1], np.bool_)
    groups = np.array([0, 0, 0, 0, 0, 1, 1])
    share, _ = by_group(prefers, groups, 2)
    drawn = [np.mean(chosen) for chosen in itertools.combinations(prefers[:5], 2)]  # all balanced resamples
    assert np.mean(drawn) == pytest.approx(share.value)
    assert np.std(drawn) == pytest.approx(resample_deviation(share, 2))


def test_drawing_hits_is_drawing_rows():
    rng = np.random.default_rng(0)
    prefers, groups = rng.random(300) < 0.4, np.repeat([0, 1], [260, 40])
    by_rows = np.mean([rng.permutation(prefers[:260])[:40].mean() for _ in range(4000)])
    shares = published(prefers, groups, 2, rng, draws=4000)
    deviation = resample_deviation(by_group(prefers, groups, 2)[0], 40) / math.sqrt(4000)
    assert abs(shares[0] - by_rows) < 5 * math.sqrt(2) * deviation
    assert shares[1] == pytest.approx(prefers[260:].mean())


def test_groups_without_images_have_no_share():
    full, empty = by_group(np.array([True]), np.array([0]), 2)
    assert math.isnan(empty.value)
    assert math.isnan(apart(full, empty).value)


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (lambda: prefers_neutral(np.zeros((2, 3)), np.ones(3), np.ones((1, 3))), "2 of 2 image features"),
        (lambda: prefers_neutral(np.ones((2, 3)), np.ones(3), np.zeros((1, 3))), "1 of 2 prompt features"),
        (lambda: prefers_neutral(np.ones((2, 3)), np.ones(4), np.ones((1, 4))), "not of one model"),
        (lambda: prefers_neutral(np.ones((2, 3)), np.ones(3), np.ones((0, 3))), "expected one neutral prompt"),
        (lambda: by_group(np.array([True]), np.array([2]), 2), "expected a class id from 0 to 1"),
        (lambda: resample_deviation(Metric(0.5, 10), 11), "11 images cannot be drawn of 10"),
        (lambda: published(np.array([True]), np.array([0]), 2, np.random.default_rng(0)), "group 1 has 0 images"),
    ],
)
def test_what_has_no_preference_is_refused(measure, words):
    with pytest.raises(InvalidInput, match=words):
        measure()
