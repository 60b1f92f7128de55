"""Accuracy, confusion counts and recalls against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.metrics.classification import accuracy, confusion, recalls, worst_class, worst_class_recall

sklearn = pytest.importorskip("sklearn.metrics")

rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=80)


@settings(max_examples=50, deadline=None)
@given(rows=rows)
def test_everything_equals_scikit_learn(rows):
    prediction, target = np.array(rows).T
    labels = list(range(6))  # class 5 never occurs
    counts = confusion(prediction, target, 6)
    np.testing.assert_array_equal(counts, sklearn.confusion_matrix(target, prediction, labels=labels))
    expected = sklearn.recall_score(target, prediction, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_allclose([metric.value for metric in recalls(counts)], expected)
    assert accuracy(prediction, target).value == pytest.approx(sklearn.accuracy_score(target, prediction))
    worst = worst_class_recall(prediction, target, 6)
    assert worst.value == pytest.approx(np.nanmin(expected))
    assert worst.n == (target == np.nanargmin(expected)).sum()


def test_errors_are_binomial():
    found = recalls(np.array([[3, 1], [0, 2]]))
    assert found[0] == Metric(0.75, 4, pytest.approx(math.sqrt(0.75 * 0.25 / 4)))
    assert found[1] == Metric(1.0, 2, 0.0)
    assert accuracy(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])).error == pytest.approx(math.sqrt(3 / 64))


def test_an_absent_class_keeps_its_place():
    found = recalls(confusion(np.array([0, 2, 2]), np.array([0, 2, 0]), 3))
    assert [metric.n for metric in found] == [2, 0, 1]
    assert math.isnan(found[1].value)
    assert math.isnan(found[1].error)
    assert worst_class(found) == 0


def test_no_rows():
    empty = np.zeros(0, np.int64)
    assert confusion(empty, empty, 3).tolist() == [[0] * 3] * 3
    assert worst_class(recalls(confusion(empty, empty, 3))) is None
    assert math.isnan(worst_class_recall(empty, empty, 3).value)
    assert math.isnan(accuracy(empty, empty).value)


def test_equal_recalls_name_the_first():
    assert worst_class([Metric(0.5, 4), Metric(0.2, 5), Metric(0.2, 5)]) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_narrow_dtypes_do_not_overflow(dtype):
    ids = np.arange(200, dtype=dtype)
    assert np.array_equal(confusion(ids, ids, 200), np.eye(200))


def test_bad_rows_are_named():
    with pytest.raises(InvalidInput, match="prediction of row 2 is 3"):
        confusion(np.array([0, 1, 3]), np.array([0, 1, 2]), 3)
    with pytest.raises(InvalidInput, match="target of row 0 is -1"):
        confusion(np.array([0, 1]), np.array([-1, 1]), 3)
    with pytest.raises(InvalidInput, match="class ids"):
        confusion(np.array([0.5]), np.array([0]), 3)
    with pytest.raises(InvalidInput, match="number of classes"):
        confusion(np.array([0]), np.array([0]), 0)
    with pytest.raises(InvalidInput, match="equally many rows"):
        accuracy(np.array([0]), np.array([0, 1]))
    with pytest.raises(InvalidInput, match="square"):
        recalls(np.zeros((2, 3), np.int64))
