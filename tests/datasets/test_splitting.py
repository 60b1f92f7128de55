"""Splits are those that a plain reading of the rule gives, and what leaves nothing says what to set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.randomness import Streams
from biasloop.datasets.splitting import Given, draw
from biasloop.errors import InvalidInput

STREAMS = Streams((0, "data", "split"))
LABELLED = np.array([3, 4, 8, 9, 12, 20, 21, 30])


def parts(splits):
    return [getattr(splits, name).tolist() for name in ("test", "holdout", "pool", "unlabelled")]


def in_order(ids, seed=0):
    """Ids by their random bits, one at a time."""
    return sorted(ids, key=lambda i: Streams((seed, "data", "split")).bits(np.array([i]))[0, 0])


@given(st.sets(st.integers(0, 60), min_size=3), st.integers(0, 9), st.integers(0, 9), st.data(), st.integers(0, 3))
def test_the_first_of_a_random_order_are_the_test_set_and_the_next_the_holdout(ids, test, holdout, data, seed):
    labelled = np.array(sorted(ids))
    without = sorted(data.draw(st.sets(st.integers(61, 70))))
    order, streams = in_order(labelled.tolist(), seed), Streams((seed, "data", "split"))
    if test + holdout >= len(ids):
        with pytest.raises(InvalidInput, match="nothing to train on"):
            draw(labelled, streams, test, holdout, has="it has few")
        return
    splits = draw(labelled, streams, test, holdout, unlabelled=np.array(without, np.int64), has="")
    pool = sorted([*order[test + holdout :], *without])
    assert parts(splits) == [sorted(order[:test]), sorted(order[test : test + holdout]), pool, without]
    assert {getattr(splits, name).dtype for name in ("test", "holdout", "pool", "unlabelled")} == {np.dtype(np.int64)}


def test_of_a_given_test_set_the_holdout_is_drawn_from_the_others():
    order = in_order([4, 8, 9, 20, 30])
    splits = draw(LABELLED, STREAMS, Given(np.array([21, 3, 12]), "domain.test", ""), 2, has="")
    assert parts(splits) == [[3, 12, 21], sorted(order[:2]), sorted(order[2:]), []]


def test_a_test_set_and_a_holdout_may_both_be_given():
    asked = Given(np.array([21, 3]), "domain.split", "", np.array([30, 4]))
    splits = draw(LABELLED, STREAMS, asked, unlabelled=np.array([5]), has="")
    assert parts(splits) == [[3, 21], [4, 30], [5, 8, 9, 12, 20], [5]]


def test_these_ids_are_drawn_in_every_version():
    splits = draw(np.arange(1000), STREAMS, 4, 3, has="")
    assert parts(splits)[:2] == [[12, 123, 247, 449], [646, 825, 909]]


@pytest.mark.parametrize(
    ("test", "holdout", "message"),
    [
        (8, 0, "domain.test 8 leaves nothing to train on: toy has 8 rows; set it below 8"),
        (5, 3,
         "domain.test 5 and domain.holdout 3 leave nothing to train on: toy has 8 rows; set them together below 8"),
        (Given(LABELLED, "domain.split", "change it"), 0,
         "domain.split leaves nothing to train on: toy has 8 rows; change it"),
        (Given(LABELLED[:4], "domain.test", "change it"), 4,
         "domain.test and domain.holdout 4 leave nothing to train on: toy has 8 rows; change it"),
    ],
)  # fmt: skip
def test_what_leaves_nothing_to_train_on_is_refused(test, holdout, message):
    with pytest.raises(InvalidInput) as error:
        draw(LABELLED, STREAMS, test, holdout, unlabelled=np.array([1]), has="toy has 8 rows")
    assert str(error.value) == message
