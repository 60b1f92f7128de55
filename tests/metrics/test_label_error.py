"""How often given labels are wrong, and the standard error of that."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.data import Column, Frame
from biasloop.metrics.label_error import label_errors, mean_error


def targets(**columns):
    return Frame({name: Column(np.asarray(values), role="target") for name, values in columns.items()})


def test_a_label_is_wrong_where_any_of_it_is():
    given_labels = targets(verb=[0, 1, 1], nouns=[[0, 1], [2, -1], [0, 0]])
    truth = targets(verb=[0, 1, 0], nouns=[[0, 1], [2, 3], [0, 0]])
    assert label_errors(given_labels, truth).tolist() == [0.0, 1.0, 1.0]


def test_texts_are_not_compared():
    texts = Frame({"text": Column(np.zeros(3, np.uint8), np.array([0, 1, 3]), role="target")})
    assert label_errors(texts, texts) is None
    assert label_errors(Frame(), Frame({"confidence": Column(np.ones(2), role="confidence")})) is None


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 3))
def test_the_error_of_labels_that_are_wrong_or_not_is_binomial(wrong, unknown):
    errors = np.array([*wrong, *[np.nan] * unknown], np.float64)
    metric = mean_error(errors)
    p, n = sum(wrong) / len(wrong), len(wrong)
    assert (metric.value, metric.n) == (p, n)
    assert metric.error == pytest.approx(math.sqrt(p * (1 - p) / n))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40).filter(lambda errors: not {*errors} <= {0.0, 1.0}))
def test_the_error_of_labels_that_are_wrong_in_part_is_the_sample_deviation(errors):
    metric = mean_error(np.array([np.nan, *errors]))
    assert (metric.value, metric.n) == (pytest.approx(np.mean(errors)), len(errors))
    assert metric.error == pytest.approx(np.std(errors, ddof=1) / math.sqrt(len(errors)), abs=1e-15)


def test_of_too_few_labels_nothing_is_known():
    assert mean_error(np.array([0.5, np.nan])).value == 0.5
    assert math.isnan(mean_error(np.array([0.5])).error)
    assert mean_error(np.array([1.0])).error == 0
    for errors in (np.zeros(0), np.full(3, np.nan)):
        metric = mean_error(errors)
        assert math.isnan(metric.value)
        assert math.isnan(metric.error)
        assert metric.n == 0
