"""Women among agents: the published golden values, and loops over records."""

import doctest
import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from biasloop.metrics.shares import share
from biasloop_roles import compat, gender
from biasloop_roles.gender import LEAST, MAN, NEITHER, WOMAN, Genders, GenderSettings, Lists, imsitu_lists
from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary

LISTS = imsitu_lists()
GIRL = "n10129825"
M, W, THING = sorted(LISTS.male)[0], sorted(LISTS.female - {GIRL})[0], "n00000001"
NOT_LISTED = "n10084295"
GOLDEN = [
    ("cooking", [W, W, NOT_LISTED]), ("cooking", [M, W, ""]), ("cooking", [M, THING, ""]),
    *(("guarding", [of] * 3) for of in (M, M, W)),
    ("curtsying", [GIRL] * 3), ("raining", None), ("ailing", [W] * 3),
]  # fmt: skip


def records(rows):
    """As a data set has them: a frame an annotator; without agents a verb has another role."""
    return [
        (verb, [{"place": ""}] * 3 if agents is None else [{"place": "", "agent": of} for of in agents])
        for verb, agents in rows
    ]


def as_arrays(rows):
    """Vocabulary, verbs `(n,)` and nouns `(n, frames, MOST_ROLES)`."""
    vocabulary = Vocabulary.of(rows)
    nouns = np.full((len(rows), len(rows[0][1]), MOST_ROLES), PADDING)
    for row, (_, frames) in enumerate(rows):
        for number, frame in enumerate(frames):
            nouns[row, number, : len(frame)] = [vocabulary.nouns.index(noun) for noun in frame.values()]
    return vocabulary, np.array([vocabulary.verbs.index(verb) for verb, _ in rows]), nouns


def test_doctests():
    assert doctest.testmod(gender, extraglobs={"math": math}).failed == 0
    assert doctest.testmod(compat).failed == 0


def test_the_lists_have_the_published_sizes():
    assert (len(LISTS.male), len(LISTS.female)) == (122, 29)
    assert [len(verbs) for verbs in LISTS.intervals] == [78, 142, 129, 65, 18]
    assert LISTS.followed == ("cooking",)
    assert not LISTS.male & LISTS.female
    verbs = [verb for interval in LISTS.intervals for verb in interval]
    assert len(set(verbs)) == 432
    assert "cooking" in LISTS.intervals[3]


def test_golden_values_of_the_published_code():
    vocabulary, verb, nouns = as_arrays(records(GOLDEN))
    genders = Genders(LISTS, vocabulary)
    ratios = compat.ratios(genders, verb, genders.of(verb, nouns))
    assert {name: metric.value for name, metric in ratios.items()} == {
        "overall_ratio": 0.5, "cooking_ratio": 0.5, "interval_0_ratio": 0.3333333333333333, "interval_1_ratio": 0,
        "interval_2_ratio": 0, "interval_3_ratio": 0.5, "interval_4_ratio": 0.9999999999999998,
    }  # fmt: skip
    assert {name: metric.n for name, metric in ratios.items()} == {
        "overall_ratio": 6, "cooking_ratio": 2, "interval_0_ratio": 3, "interval_1_ratio": 0, "interval_2_ratio": 0,
        "interval_3_ratio": 2, "interval_4_ratio": 1,
    }  # fmt: skip


def test_of_fewer_than_thirty_agents_nothing_but_their_number_is_told():
    vocabulary, verb, nouns = as_arrays(records(GOLDEN))
    genders = Genders(LISTS, vocabulary)
    for count, told in ((1, False), (LEAST // 6, True)):
        many = np.tile(verb, count)
        ratios = genders.ratios(many, genders.of(many, np.tile(nouns, (count, 1, 1))))
        assert math.isnan(ratios["overall_ratio"].value) != told
        assert ratios["overall_ratio"].n == 6 * count
        assert math.isnan(ratios["interval_1_ratio"].value)
    assert ratios["overall_ratio"].value == 0.5
    assert ratios["overall_ratio"].error == pytest.approx(math.sqrt(0.25 / 30))


def test_one_frame_counts_alone_and_several_count_together():
    vocabulary, verb, nouns = as_arrays(records([("cooking", [M, W, ""]), ("cooking", ["", W, W]), ("raining", None)]))
    genders = Genders(LISTS, vocabulary)
    assert genders.of(verb, nouns).tolist() == [NEITHER, WOMAN, NEITHER]
    assert genders.of(verb, nouns[:, 0]).tolist() == [MAN, NEITHER, NEITHER]
    assert genders.of(verb, nouns[:, 1]).tolist() == [WOMAN, WOMAN, NEITHER]
    assert genders.of(verb, nouns[:, :1]).tolist() == genders.of(verb, nouns[:, 0]).tolist()


def random_rows(rng, n, frames):
    verbs = [*LISTS.intervals[0][:6], *LISTS.intervals[2][:5], *LISTS.intervals[4][:4], "cooking", "ailing", "raining"]
    nouns = np.array([*sorted(LISTS.male)[:3], *sorted(LISTS.female)[:3], NOT_LISTED, ""])
    chosen = rng.choice(verbs, n)
    return [
        (str(verb), None if verb == "raining" else [str(noun) for noun in rng.choice(nouns, frames)]) for verb in chosen
    ]


def by_hand(rows, verbs):
    """Women and agents, record by record."""
    women = agents = 0
    for verb, nouns in rows:
        if nouns is None or verb not in verbs:
            continue
        man = any(noun in LISTS.male for noun in nouns)
        woman = any(noun in LISTS.female for noun in nouns)
        women += woman and not man
        agents += woman != man
    return women, agents


@pytest.mark.parametrize("frames", [1, 3])
def test_counts_equal_those_of_a_loop_over_records(frames):
    rows = random_rows(np.random.default_rng(frames), 1000, frames)
    vocabulary, verb, nouns = as_arrays(records(rows) if frames == 3 else [
        (verb, frames[:1]) for verb, frames in records([(verb, of and of * 3) for verb, of in rows])
    ])  # fmt: skip
    genders = Genders(LISTS, vocabulary)
    overall = {verb for interval in LISTS.intervals for verb in interval}
    expected = {"overall": by_hand(rows, overall), "cooking": by_hand(rows, {"cooking"})}
    expected |= {f"interval_{i}": by_hand(rows, set(verbs)) for i, verbs in enumerate(LISTS.intervals)}
    assert genders.counts(verb, genders.of(verb, nouns)) == expected


def biased(rng, n):
    """Verbs and genders of predictions and of the truth, alike but for some."""
    vocabulary = Vocabulary.of(records([(verb, [M, W, ""]) for interval in LISTS.intervals for verb in interval[:3]]))
    true = rng.integers(0, len(vocabulary.verbs), n), rng.integers(0, 3, n)
    verb = np.where(rng.random(n) < 0.7, true[0], rng.integers(0, len(vocabulary.verbs), n))
    predicted = verb, np.where(rng.random(n) < 0.8, true[1], MAN)
    return Genders(LISTS, vocabulary), predicted, true


def test_a_bias_is_the_difference_of_ratios_and_its_error_the_spread_over_resampled_images():
    rng = np.random.default_rng(0)
    genders, predicted, true = biased(rng, 1200)
    biases = genders.biases(predicted, true)
    before, after = genders.ratios(*true), genders.ratios(*predicted)
    for name, bias in biases.items():
        if math.isnan(bias.value):
            assert bias.n < LEAST
            continue
        assert bias.value == pytest.approx(after[name].value - before[name].value)
        assert bias.n == min(after[name].n, before[name].n)
    assert math.isnan(biases["cooking_ratio"].value)
    names = [name for name in biases if name != "cooking_ratio"]
    draws = []
    for _ in range(300):
        rows = rng.integers(0, 1200, 1200)
        again = genders.biases((predicted[0][rows], predicted[1][rows]), (true[0][rows], true[1][rows]))
        draws.append([again[name].value for name in names])
    assert [biases[name].error for name in names] == pytest.approx(np.std(draws, axis=0).tolist(), rel=0.12)
    assert biases["overall_ratio"].error < math.hypot(after["overall_ratio"].error, before["overall_ratio"].error)


def test_other_vocabularies_have_lists_of_their_own():
    lists = GenderSettings(male=["man"], female=["woman"], followed=["cook"]).lists()
    rows = [(verb, [{"agent": agent}]) for verb in ("cook", "pilot") for agent in ("man", "woman", "woman")] * 10
    vocabulary, verb, nouns = as_arrays(rows)
    genders = Genders(lists, vocabulary)
    ratios = genders.ratios(verb, genders.of(verb, nouns))
    assert ratios.keys() == {"overall_ratio", "cook_ratio"}
    assert ratios["overall_ratio"].value == pytest.approx(2 / 3)
    assert ratios["overall_ratio"].error == pytest.approx(share(np.array([0, 1, 1] * 20), 1).error)
    assert ratios["cook_ratio"].n == 30


def test_a_noun_on_both_lists_counts_for_neither():
    lists = Lists(frozenset({"person", "man"}), frozenset({"person"}))
    vocabulary, verb, nouns = as_arrays([("cook", [{"agent": of}]) for of in ("person", "man")])
    assert Genders(lists, vocabulary).of(verb, nouns[:, 0]).tolist() == [NEITHER, MAN]


def test_records_of_all_of_imsitu_are_counted_within_the_time():
    rng = np.random.default_rng(0)
    verbs = [verb for interval in LISTS.intervals for verb in interval]
    vocabulary = Vocabulary.of(records([(verb, [M, W, ""]) for verb in verbs]))
    genders = Genders(LISTS, vocabulary)
    verb, nouns = rng.integers(0, len(verbs), 126_000), rng.integers(0, 3, (126_000, 3, MOST_ROLES))
    started = time.process_time()
    genders.ratios(verb, genders.of(verb, nouns))
    assert time.process_time() - started < 0.3


def test_the_lists_are_beside_the_code_and_nothing_else_is():
    folder = Path(gender.__file__).parent
    assert [path.name for path in folder.glob("*.json")] == ["gender_lists.json"]
    assert json.loads((folder / "gender_lists.json").read_text()).keys() == {"male", "female", "intervals", "followed"}
