"""Scores, errors of labels and polarisation against loops over records, and against resampling."""

import doctest
import math

import numpy as np
import pytest

from biasloop_roles import compat, measures
from biasloop_roles.measures import (
    SCORES,
    label_errors,
    mean_over_verbs,
    polarisation,
    role_errors,
    scores,
    verb_errors,
)
from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary

ROLES = {"cooking": ("agent", "food", "place"), "eating": ("agent", "food"), "raining": ("place",)}
NOUNS = ("a", "b", "c", "")
VOCABULARY = Vocabulary.of(
    (verb, [dict.fromkeys(roles, noun) for noun in NOUNS]) for verb, roles in ROLES.items()
)  # fmt: skip


def test_doctests():
    assert doctest.testmod(measures, extraglobs={"np": np}).failed == 0


def random_records(rng, n, frames):
    """A verb and frames a row; some nouns agree."""
    verbs = rng.choice(list(ROLES), n, p=[0.6, 0.3, 0.1])
    return [
        (str(verb), [{role: str(rng.choice(NOUNS)) for role in ROLES[verb]} for _ in range(frames)]) for verb in verbs
    ]


def as_arrays(records):
    """Verbs `(n,)` and nouns `(n, frames, MOST_ROLES)`."""
    nouns = np.full((len(records), len(records[0][1]), MOST_ROLES), PADDING)
    for row, (_, frames) in enumerate(records):
        for number, frame in enumerate(frames):
            nouns[row, number, : len(frame)] = [VOCABULARY.nouns.index(noun) for noun in frame.values()]
    return np.array([VOCABULARY.verbs.index(verb) for verb, _ in records]), nouns


@pytest.fixture(scope="module")
def scored():
    """True records of three frames, predicted verbs, the frame predicted for the true verb, and the scores."""
    rng = np.random.default_rng(0)
    true = random_records(rng, 400, 3)
    said = [str(rng.choice([verb, verb, *ROLES])) for verb, _ in true]
    frames = [{role: str(rng.choice(NOUNS)) for role in ROLES[verb]} for verb, _ in true]
    verb, references = as_arrays(true)
    predicted = np.array([VOCABULARY.verbs.index(of) for of in said])
    nouns = as_arrays([(verb, [frame]) for (verb, _), frame in zip(true, frames, strict=True)])[1][:, 0]
    return true, said, frames, verb, scores(verb, references, predicted, nouns)


def test_scores_equal_those_of_a_loop_over_records(scored):
    true, said, frames, _, of_images = scored
    assert tuple(of_images) == SCORES
    for row, ((verb, references), predicted, frame) in enumerate(zip(true, said, frames, strict=True)):
        found = [any(noun == reference[role] for reference in references) for role, noun in frame.items()]
        right = verb == predicted
        expected = [
            float(right),
            right * np.mean(found),
            np.mean(found),
            float(right and all(found)),
            float(all(found)),
        ]
        assert [of_images[name][row] for name in SCORES] == pytest.approx([*expected, np.mean(expected)])


def test_means_are_over_verbs_by_default_and_over_images_as_published(scored):
    true, _, _, verb, of_images = scored
    macro, micro = mean_over_verbs(of_images, verb), compat.mean_over_images(of_images)
    for name, values in of_images.items():
        by_verb = {of: [v for v, (name, _) in zip(values, true, strict=True) if name == of] for of in ROLES}
        assert macro[name].value == pytest.approx(np.mean([np.mean(of) for of in by_verb.values()]))
        assert micro[name].value == pytest.approx(values.mean())
        assert micro[name].error == pytest.approx(values.std() / math.sqrt(400))
    assert macro["verb"].value != micro["verb"].value


def test_three_of_four_images_of_two_verbs():
    right = {"verb": np.array([1.0, 1.0, 1.0, 0.0])}
    verb = np.array([0, 0, 0, 1])
    assert mean_over_verbs(right, verb)["verb"].value == 0.5
    assert compat.mean_over_images(right)["verb"].value == 0.75


def test_errors_of_means_are_their_spread_over_resampled_images(scored):
    _, _, _, verb, of_images = scored
    rng = np.random.default_rng(1)
    draws = [rng.integers(0, len(verb), len(verb)) for _ in range(500)]
    for means in (mean_over_verbs, lambda of, _: compat.mean_over_images(of)):
        again = [means({name: of[rows] for name, of in of_images.items()}, verb[rows]) for rows in draws]
        for name, metric in means(of_images, verb).items():
            assert metric.error == pytest.approx(np.std([of[name].value for of in again]), rel=0.12), name


def test_label_errors_equal_those_of_a_loop_over_records():
    rng = np.random.default_rng(2)
    true, given = random_records(rng, 300, 1), random_records(rng, 300, 1)
    sides = [(verb, nouns[:, 0]) for verb, nouns in map(as_arrays, (given, true))]
    roles, shares = (errors(VOCABULARY, *sides) for errors in (role_errors, label_errors))
    verbs = verb_errors(sides[0][0], sides[1][0])
    for row, ((verb, (frame,)), (said, (nouns,))) in enumerate(zip(true, given, strict=True)):
        wrong = [nouns.get(role) != noun for role, noun in frame.items()]
        assert verbs[row] == (verb != said)
        assert roles[row] == pytest.approx(np.mean(wrong))
        assert shares[row] == pytest.approx(np.mean([verb != said, *wrong]))
    assert not label_errors(VOCABULARY, sides[1], sides[1]).any()


SHARES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def drawn(rng, pictures, verbs=5):
    """Rows of base pictures: verb, gender, picture and stratum; predictions go wrong picture by picture."""
    stratum = np.repeat(np.arange(2 * verbs), pictures)
    rows = np.where(stratum % 2, 10 * SHARES[stratum // 2], 10 * (1 - SHARES[stratum // 2])).astype(int)
    wrong = rng.random(len(stratum)) < 0.15
    elsewhere = rng.integers(0, verbs, len(stratum))
    picture = np.repeat(np.arange(len(stratum)), rows)
    noise = rng.random(len(picture)) < 0.1
    verb = np.where(wrong, elsewhere, stratum // 2)[picture]
    woman = ((stratum % 2) ^ (rng.random(len(stratum)) < 0.2))[picture] ^ noise
    return verb, woman.astype(bool), picture, stratum[picture]


def test_polarisation_equals_a_loop_over_verbs():
    verb, woman, _, _ = drawn(np.random.default_rng(0), 4)
    moved = []
    for of, share in enumerate(SHARES):
        inside = woman[verb == of]
        moved.append(np.sign(share - 0.5) * (inside.mean() - share))
    metric = polarisation(verb, woman, SHARES)
    assert metric.value == pytest.approx(np.mean(moved))
    assert metric.n == len(verb)


def test_shares_as_they_should_be_are_not_polarised_and_extremes_are():
    verb, share = np.repeat([0, 1], 10), np.array([0.2, 0.8])
    as_is = np.array([True] * 2 + [False] * 8 + [True] * 8 + [False] * 2)
    assert polarisation(verb, as_is, share).value == pytest.approx(0)
    assert polarisation(verb, np.repeat([False, True], 10), share).value == pytest.approx(0.2)
    assert polarisation(verb, np.repeat([True, False], 10), share).value == pytest.approx(-0.8)
    assert polarisation(verb[:10], as_is[:10], share).value == pytest.approx(0)  # no row of the other verb


def test_its_error_is_the_spread_over_new_base_pictures():
    rng = np.random.default_rng(3)
    values, errors, of_rows = [], [], []
    for _ in range(300):
        verb, woman, picture, stratum = drawn(rng, 8)
        values.append(polarisation(verb, woman, SHARES).value)
        errors.append(polarisation(verb, woman, SHARES, picture, stratum).error)
        of_rows.append(polarisation(verb, woman, SHARES).error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)
    assert abs(np.mean(of_rows) - np.std(values)) > abs(np.mean(errors) - np.std(values))


def test_of_perfect_predictions_the_design_leaves_no_error():
    stratum = np.repeat(np.arange(10), 2)
    rows = np.where(stratum % 2, 10 * SHARES[stratum // 2], 10 * (1 - SHARES[stratum // 2])).round().astype(int)
    picture = np.repeat(np.arange(20), rows)
    verb, woman = stratum[picture] // 2, stratum[picture] % 2 == 1
    assert polarisation(verb, woman, SHARES, picture, stratum[picture]).error == pytest.approx(0, abs=1e-12)
    assert polarisation(verb, woman, SHARES, picture).error > 0.05


def test_nothing_is_not_a_zero():
    none = np.zeros(0, np.int64)
    assert math.isnan(polarisation(none, none.astype(bool), SHARES).value)
    assert math.isnan(compat.mean_over_images({"verb": np.zeros(0)})["verb"].value)
