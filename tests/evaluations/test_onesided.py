"""Confidences that look like the probability of one class, and what is needed to take them as that."""

import numpy as np
import polars as pl
import pytest
from support.predicted import source

from biasloop.errors import InvalidInput
from biasloop.evaluations.onesided import OneSided
from biasloop.evaluations.scoring import Batch


def batch(predicted, given, true=None):
    given = np.asarray(given, np.float64)
    table = pl.DataFrame({"c0": list(true or predicted), "c1": list(predicted), "given": given})
    return Batch(table, given, np.ones(len(given), np.bool_), [()], np.zeros(len(given), np.int64))


def watched(*batches):
    watch = OneSided()
    assert list(watch.over(iter(batches))) == list(batches)
    return watch


NOTE = (
    "c is low where 'n' is predicted and high where 'y' is: it looks like the probability of 'y', not of the "
    "prediction; if it is, give it as --probability c --positive y"
)
LOW, HIGH = [0.1, 0.2, 0.3, 0.4, 0.45], [0.55, 0.6, 0.7, 0.8, 0.9]


def test_a_threshold_on_the_column_is_noticed():
    assert watched(batch("nnnnnyyyyy", LOW + HIGH)).notes("c") == [NOTE]


def test_batches_add_up():
    parts = [batch("nny", [*LOW[:2], HIGH[0]]), batch("nnnyyyy", [*LOW[2:], *HIGH[1:]])]
    assert watched(*parts).notes("c") == [NOTE]
    assert watched(*parts).sides == watched(batch("nnnnnyyyyy", LOW + HIGH)).sides


def test_any_threshold_that_tells_predictions_apart_is_noticed():
    assert watched(batch("nnnnnyyyyy", [0.01, 0.02, 0.03, 0.04, 0.05, 0.2, 0.3, 0.3, 0.4, 0.9])).notes("c") == [NOTE]


@pytest.mark.parametrize(
    ("predicted", "given", "why"),
    [
        ("nnnnnyyyyy", HIGH + HIGH, "both are sure"),
        ("nnnnyyyyy", LOW[:4] + HIGH, "four rows of a class are too few"),
        ("nnnnn", LOW, "one class is predicted"),
        ("nnnnnyyyyyzzzzz", LOW + HIGH + HIGH, "three classes"),
        ("nnnnnyyyyy", [0.1, 0.2, 0.3, 0.6, 0.9, 0.2, 0.6, 0.7, 0.8, 0.9], "the classes overlap"),
        ("n" * 5 + "y" * 200, [0.4] * 4 + [0.6] + [0.7] * 200, "hardly any row is below one half"),
    ],
)
def test_what_a_confidence_may_look_like_is_not(predicted, given, why):
    assert watched(batch(predicted, given)).notes("c") == [], why


def test_one_row_in_a_hundred_may_be_on_the_wrong_side():
    given = [0.2] * 100 + [0.9] * 100
    given[0] = 0.95
    assert watched(batch("n" * 100 + "y" * 100, given)).notes("c")
    given[:3] = [0.95] * 3
    assert watched(batch("n" * 100 + "y" * 100, given)).notes("c") == []


@pytest.mark.parametrize(("below", "notes"), [(10, 1), (9, 0)])
def test_from_one_row_in_twenty_below_one_half_on_it_is_noticed(below, notes):
    given = [0.4] * below + [0.55] * (10 - below) + [0.9] * 190
    assert len(watched(batch("n" * 10 + "y" * 190, given)).notes("c")) == notes


def test_a_probability_of_one_class_needs_two_classes(tmp_path):
    rows = source(tmp_path, y="ny")
    watch = watched(batch("ny", [0.1, 0.9], true="nn"))
    watch.require(rows, "y", "n")
    with pytest.raises(InvalidInput, match=r"p\.csv: column 'y' has no value 'x'; --positive is one of n, y"):
        watch.require(rows, "y", "x")
    watch = watched(batch("ny", [0.1, 0.9], true="nx"))
    with pytest.raises(InvalidInput, match=r"3 values of 'y' \(n, x, y\), and the probability of one of them"):
        watch.require(rows, "y", "x")
