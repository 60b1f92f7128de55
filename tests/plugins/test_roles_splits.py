"""Splits with as many test images of each verb."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop_roles.splits import draw

STREAMS = Streams((1, "data", "split"))


def names(verb):
    return [f"verb{number}" for number in range(int(verb.max()) + 1)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(4, 9), min_size=1, max_size=6), st.integers(0, 3), st.integers(0, 100))
def test_the_last_of_each_verb_in_a_random_order_are_tested(counts, tested, seed):
    verb = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    streams = Streams((seed,))
    splits = draw(verb, names(verb), streams, tested)
    order = streams.order(np.arange(len(verb))).tolist()
    last = {v: [row for row in order if verb[row] == v][counts[v] - tested :] for v in range(len(counts))}
    expected = sorted(row for rows in last.values() for row in rows)
    assert splits.test.tolist() == expected
    assert splits.pool.tolist() == sorted(set(range(len(verb))) - set(expected))
    assert len(splits.holdout) == len(splits.unlabelled) == 0


def test_runs_that_leave_images_out_share_what_they_can():
    verb = np.repeat(np.arange(4), 100)
    every = draw(verb, names(verb), STREAMS, 20)
    used = np.flatnonzero(np.random.default_rng(0).random(400) < 0.95)
    some = draw(verb, names(verb), STREAMS, 20, used)
    assert np.bincount(verb[some.test]).tolist() == [20] * 4
    assert sorted([*some.test, *some.pool]) == used.tolist()
    assert set(every.test) & set(used) <= set(some.test)
    assert draw(verb, names(verb), STREAMS.at("other"), 20).test.tolist() != every.test.tolist()


def test_a_verb_with_too_few_images_is_refused_by_name():
    verb = np.repeat(np.arange(9), [3, 4, 2, 9, 1, 1, 1, 1, 1])
    with pytest.raises(InvalidInput, match=(
        r"domain\.test_per_verb is 3, and 'verb0' \(3\), 'verb2' \(2\), 'verb4' \(1\), 'verb5' \(1\), 'verb6' \(1\) "
        r"and 2 more have no more images than that, which leaves none of them to train on; give more images, or leave"
    )):  # fmt: skip
        draw(verb, names(verb), STREAMS, 3)
    verb = np.repeat(np.arange(2), [50, 51])
    with pytest.raises(InvalidInput, match=r"'verb0' \(50\) has no more images .* set it below 50, or leave it out"):
        draw(verb, names(verb), STREAMS)
    assert len(draw(verb, names(verb), STREAMS, 49).pool) == 3
    with pytest.raises(InvalidInput, match=r"'verb2' \(0\)"):
        draw(verb, ["verb0", "verb1", "verb2"], STREAMS, 49)
