"""Labels that are a class a row: probabilities, rules, drawing; and what labels of any kind read as."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biasloop.contract import labels
from biasloop.contract.data import Column, Frame
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput

LAST = 1 - 2**-53  # the highest uniform number there is
LOGITS = arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(1, 5)), elements=st.floats(-60, 60, width=32))


def test_importing_it_loads_no_numpy():
    code = "import sys, biasloop.contract.labels; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_softmax():
    logits = np.array([[0.0, np.log(3)], [1e30, 0.0], [-200.0, -200.0]], np.float32)
    probabilities = labels.softmax(logits)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities, [[0.25, 0.75], [1, 0], [0.5, 0.5]], atol=1e-7)


@given(LOGITS)
def test_softmax_and_cross_entropy_are_scipys(logits):
    np.testing.assert_allclose(labels.softmax(logits), scipy.special.softmax(logits.astype(np.float64), 1), rtol=1e-12)
    target = np.arange(len(logits)) % logits.shape[1]
    expected = -scipy.special.log_softmax(logits.astype(np.float64), 1)[np.arange(len(logits)), target]
    losses = labels.cross_entropy(logits, target)
    assert (losses.dtype, losses.shape) == (np.float64, (len(logits),))
    np.testing.assert_allclose(losses, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("target", [-1, 2])
def test_a_loss_of_what_is_no_class_is_refused(target):
    with pytest.raises(InvalidInput, match="a class from 0 to 1 in every row"):
        labels.cross_entropy(np.zeros((2, 2)), np.array([0, target]))


def test_the_most_probable_of_equals_is_the_first():
    best = labels.most_probable(np.array([[0.2, 0.4, 0.4], [0.5, 0.0, 0.5]]))
    assert (best.tolist(), best.dtype) == ([1, 0], np.int64)


def test_draws_with_the_probabilities():
    probabilities = np.array([0.2, 0.0, 0.5, 0.3])
    uniform = Streams((1,)).uniform(np.arange(40_000))[:, 0]
    drawn = labels.draw(np.tile(probabilities, (40_000, 1)), uniform)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 40_000, probabilities, atol=0.01)
    assert 1 not in drawn


@pytest.mark.parametrize(("uniform", "label"), [(0.0, 1), (0.2499, 1), (0.25, 2), (LAST, 2)])
def test_draws_at_the_edges(uniform, label):
    assert labels.draw(np.array([[0.0, 0.25, 0.75, 0.0]]), np.array([uniform])).tolist() == [label]


def test_draws_a_class_when_sums_round_down():
    rows = np.random.default_rng(0).dirichlet(np.ones(10), 5_000) * (1 - 1e-15)
    assert labels.draw(rows, np.full(5_000, LAST)).max() == 9


ROW = st.lists(st.one_of(st.just(0.0), st.floats(1e-12, 1)), min_size=1, max_size=8).filter(any)


@given(ROW, st.floats(0, 1, exclude_max=True) | st.just(LAST), st.floats(0.999, 1.001))
def test_a_class_of_probability_0_is_never_drawn(weights, uniform, total):
    """Whatever the probabilities of a row sum to, by rounding or because few digits of them were written."""
    probabilities = np.array([weights]) / np.sum(weights) * total
    (label,) = labels.draw(probabilities, np.array([uniform]))
    assert probabilities[0, label] > 0
    before, upto = probabilities[0, :label].sum() / total, probabilities[0, : label + 1].sum() / total
    assert before - 1e-9 <= uniform <= upto + 1e-9


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_drawn_label_depends_on_no_other_row(seed, classes):
    rng = np.random.default_rng(seed)
    ids = rng.choice(1000, 12, replace=False)
    probabilities = rng.dirichlet(np.ones(classes), 12)
    streams = Streams((seed, "label"))
    together = labels.labelled(probabilities, labels.SAMPLE, ids, streams)
    rows = rng.permutation(12)[:5]
    some = labels.labelled(probabilities[rows], labels.SAMPLE, ids[rows], streams)
    assert some["target"].tolist() == together["target"][rows].tolist()
    expected = probabilities[np.arange(12), together["target"]].astype(np.float32)
    assert together["confidence"].tolist() == expected.tolist()


def test_nothing_is_labelled_where_there_is_nothing():
    nothing, none = np.zeros((0, 3)), np.zeros(0, np.int64)
    assert labels.softmax(nothing).shape == (0, 3)
    assert len(labels.cross_entropy(nothing, none)) == len(labels.draw(nothing, np.zeros(0))) == 0
    for by in (labels.ARGMAX, labels.SAMPLE):
        frame = labels.labelled(nothing, by, none, Streams((0,)))
        assert (len(frame), frame["target"].dtype, frame["confidence"].dtype) == (0, np.int64, np.float32)
    assert labels.described(frame, {"classes": ["a"]}) == {"target": [], "confidence": []}


def test_labels_by_the_most_probable_class():
    probabilities = np.array([[0.5, 0.5], [0.1, 0.9]])
    by_rule = labels.labelled(probabilities, labels.ARGMAX, np.arange(2), Streams((0,)))
    assert by_rule["target"].tolist() == [0, 1]
    by_logits = labels.labelled(probabilities, labels.ARGMAX, np.arange(2), Streams((0,)), best=np.array([1, 1]))
    assert by_logits["target"].tolist() == [1, 1]
    column = by_rule.columns["target"]
    assert (column.role, column.vocabulary, by_rule.columns["confidence"].role) == ("target", "classes", "confidence")


def test_an_unknown_rule_is_refused():
    for known in (labels.ARGMAX, labels.SAMPLE):
        labels.check_rule(known, "images")
    with pytest.raises(InvalidInput, match="'beam'; domain images knows argmax and sample"):
        labels.check_rule("beam", "images")


def test_what_labels_read_as():
    names = {"verbs": ["run", "sit"], "nouns": ["dog", "cat", "car"]}
    frame = Frame({
        "verb": Column(np.array([1, -1, 0]), role="target", vocabulary="verbs"),
        "nouns": Column(np.array([[0, 2, -1], [-1, -1, -1], [1, -1, 0]]), role="target", vocabulary="nouns"),
        "said": Column.text(["a", "b", ""]),
        "confidence": Column(np.array([0.5, 1.0, 0.0]), role="confidence"),
        "unknown": Column(np.array([4, -1, 0]), vocabulary="nobody knows"),
        "beyond": Column(np.array([0, 3, 2]), vocabulary="nouns"),
        "tokens": Column(np.arange(4), np.array([0, 1, 4, 4])),
        "embedding": Column(np.zeros((3, 2))),
    })  # fmt: skip
    assert labels.described(frame, names) == {
        "verb": ["sit", None, "run"],
        "nouns": ["dog; car", None, "cat; dog"],
        "said": ["a", "b", ""],
        "confidence": [0.5, 1.0, 0.0],
        "unknown": [4, -1, 0],
        "beyond": ["dog", None, "car"],
    }


@given(arrays(np.int64, st.tuples(st.integers(0, 5), st.integers(0, 3)), elements=st.integers(-3, 5)))
def test_what_is_no_class_has_no_name(values):
    names = {"v": ["zero", "one", "two"]}
    for column in (Column(values, vocabulary="v"), Column(values.reshape(-1), vocabulary="v")):
        texts = labels.texts_of(column, names)
        assert len(texts) == len(column)
        said = sorted(word for text in texts if text is not None for word in text.split("; "))
        assert said == sorted(names["v"][value] for value in values.ravel().tolist() if 0 <= value < 3)
