"""Shares of n-grams of words that stand in the training texts, by hand."""

import math

import numpy as np
import pytest
from scipy.stats import t
from support.predicted import source

from biasloop.errors import InvalidInput
from biasloop.evaluations.memorization import memorization, parse_sizes

TRAIN = ["the cat sat on the mat", "a dog ran"]
# Words in pairs: two of three known, none of one, one of one, and a word alone.
TEXTS = ["the cat sat down", "dog a", "dog ran", "mat"]


def measured(tmp_path, texts=TEXTS, sizes=(2,), train=TRAIN):
    return memorization(
        source(tmp_path, text=texts), source(tmp_path, "train.csv", text=train), text="text", sizes=sizes
    )


def by_hand(texts, n):
    """Hits and n-grams of each text."""
    known = {tuple(words[i : i + n]) for words in map(str.split, TRAIN) for i in range(len(words) - n + 1)}
    pairs = []
    for words in map(str.split, texts):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        pairs.append((sum(gram in known for gram in grams), len(grams)))
    return pairs


def test_shares_by_hand(tmp_path):
    result = measured(tmp_path)
    assert by_hand(TEXTS, 2) == [(2, 3), (0, 1), (1, 1), (0, 0)]
    (row,) = result.details["ngrams"]
    assert (result.n, result.details["train"], result.metrics) == (4, {"n": 2}, {"memorization.2": 0.6})
    error = math.sqrt(sum((hits - 0.6 * n) ** 2 for hits, n in by_hand(TEXTS, 2))) / 5
    half = t.ppf(0.975, 2) * error  # three texts have such n-grams
    assert row == {
        "ngram": 2, "share": 0.6, "n": 5, "se": pytest.approx(error), "low": 0, "high": 1, "texts": 2
    }  # fmt: skip
    assert half > 0.6
    assert result.rows == [row]
    assert result.reason == {}


def test_the_interval_is_students_over_texts(tmp_path):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["the", "cat", "sat", "on", "mat", "a", "dog", "ran"], 9)) for _ in range(80)]
    (row,) = measured(tmp_path, texts).details["ngrams"]
    pairs = np.array(by_hand(texts, 2))
    share = pairs[:, 0].sum() / pairs[:, 1].sum()
    error = math.sqrt(((pairs[:, 0] - share * pairs[:, 1]) ** 2).sum()) / pairs[:, 1].sum()
    half = t.ppf(0.975, 79) * error
    assert (row["share"], row["low"], row["high"]) == pytest.approx((share, share - half, share + half))


def test_every_size_has_a_row_and_what_no_text_has_a_reason(tmp_path):
    result = measured(tmp_path, sizes=(1, 3, 9))
    of_1, of_3, of_9 = result.rows
    assert [(row["share"], row["n"]) for row in (of_1, of_3)] == [(8 / 9, 9), (0.5, 2)]
    assert (of_9["share"], of_9["n"], of_9["se"]) == (None, 0, None)
    assert math.isnan(result.metrics["memorization.9"])
    assert result.reason["memorization.9"] == "no text has 9 words"
    assert result.reason["intervals.memorization.3"] == "one text"  # that has three words
    assert result.metrics.keys() == {"memorization.1", "memorization.3", "memorization.9"}


def test_texts_that_are_alike_have_no_interval(tmp_path):
    result = measured(tmp_path, ["the cat", "a dog"])
    assert (result.rows[0]["share"], result.rows[0]["low"], result.rows[0]["high"]) == (1, None, None)
    assert result.reason == {"intervals.memorization.2": "all texts are alike"}


def test_words_are_compared_as_written_and_never_across_texts(tmp_path):
    result = measured(tmp_path, ["The cat", "cat  sat", "mat a"])
    assert result.metrics == {"memorization.2": pytest.approx(1 / 3)}
    assert result.rows[0]["texts"] == 1


def test_a_word_that_means_missing_elsewhere_is_a_word(tmp_path):
    assert measured(tmp_path, ["NA none", "the cat"]).n == 2


@pytest.mark.parametrize("texts", [["the cat", ""], []])
def test_rows_without_a_text_are_refused(tmp_path, texts):
    with pytest.raises(InvalidInput, match="no value in column 'text'|has no rows"):
        measured(tmp_path, texts)


def test_sizes_from_text():
    assert parse_sizes("5, 10,5") == [5, 10]
    for text in ("", "0", "5,", "-1", "2.5", "x"):
        with pytest.raises(InvalidInput, match=r"--ngrams .*: expected lengths of at least 1 with commas between them"):
            parse_sizes(text)
