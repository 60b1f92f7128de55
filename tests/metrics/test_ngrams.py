import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.data import Column
from biasloop.errors import InvalidInput
from biasloop.metrics.ngrams import NgramIndex, distinct, repeated_share
from biasloop.metrics.ratios import ratio


def column(rows, dtype=np.int32):
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Column(np.array([token for row in rows for token in row], dtype), offsets)


def grams(row, n):
    return [tuple(row[k : k + n]) for k in range(len(row) - n + 1)]


def index_of(*parts, sizes=(5, 10)):
    index = NgramIndex(sizes)
    for part in parts:
        index.add(column(part))
    return index


# Few different tokens, so that n-grams meet; the two large ones are the ends of what GPT-2 and int32 have.
TEXTS = st.lists(st.lists(st.sampled_from([0, 1, 2, 50_256, -1, 2**31 - 1]), max_size=9), max_size=12)


def test_the_published_case():
    index = index_of([[1, 2, 3, 4, 5, 6]])
    found = index.overlap(column([[1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [1, 1]]), 5)
    assert found.value == 2 / 3
    assert found.n == 3


def test_no_ngram_is_not_a_number():
    found = index_of([[1, 2, 3, 4, 5, 6]]).overlap(column([[1, 2, 3, 4], [], [1]]), 5)
    assert math.isnan(found.value)
    assert found.n == 0
    assert index_of().overlap(column([]), 5).n == 0


def test_nothing_is_in_an_empty_index():
    assert index_of().overlap(column([[1, 2, 3, 4, 5, 6]]), 5).value == 0
    assert index_of([[], [1, 2]], []).overlap(column([[1, 2, 3, 4, 5, 6]]), 5).value == 0


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(TEXTS, max_size=4), generated=TEXTS, n=st.integers(1, 4))
def test_overlap_is_that_of_sets_of_tuples(parts, generated, n):
    known = {gram for part in parts for row in part for gram in grams(row, n)}
    hits = [gram in known for row in generated for gram in grams(row, n)]
    found = index_of(*parts, sizes=(3, n)).overlap(column(generated), n)
    assert found.n == len(hits)
    assert found.value == sum(hits) / len(hits) if hits else math.isnan(found.value)


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS, cut=st.integers(0, 12), generated=TEXTS)
def test_parts_order_and_repetition_do_not_matter(texts, cut, generated):
    whole = index_of(texts, sizes=(2, 3))
    parts = index_of(texts[cut:], [], texts[:cut], texts[::-1], sizes=(2, 3))
    for n in (2, 3):
        assert repr(whole.overlap(column(generated), n)) == repr(parts.overlap(column(generated), n))


def test_the_error_is_that_of_rows():
    texts = np.random.default_rng(0).integers(0, 6, (40, 12)).tolist()
    known = {gram for row in texts[:10] for gram in grams(row, 2)}
    a = np.array([sum(gram in known for gram in grams(row, 2)) for row in texts])
    found = index_of(texts[:10], sizes=(2,)).overlap(column(texts), 2)
    assert found.error == ratio(a, 11 - a).error
    assert found.error > 0


def test_rows_of_a_longer_array_and_other_integers():
    whole = column([[9, 9, 9], [1, 2, 3], [4, 5], [7, 7, 7, 7]])
    middle = Column(whole.values[:8], whole.offsets[1:4])  # its first row starts at 3
    index = NgramIndex((2,))
    index.add(middle)
    wanted = [[9, 9], [1, 2], [2, 3], [3, 4], [4, 5], [5, 7], [7, 7]]
    found = [
        index.overlap(column([pair], kind), 2).value
        for pair, kind in zip(wanted, [np.int64, np.uint16] * 4, strict=False)
    ]
    assert found == [0, 1, 1, 0, 1, 0, 0]


def test_no_two_ngrams_are_taken_for_one():
    # Every 5-gram of 12 neighbouring tokens, every order of 8 tokens, one token repeated up to 3,000 times.
    assert distinct(column(list(itertools.product(range(12), repeat=5))), 5).value == 1
    assert distinct(column(list(itertools.permutations(range(8)))), 8).value == 1
    assert distinct(column([[token] * 10 for token in range(3000)]), 10).value == 1


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, n=st.integers(1, 4))
def test_distinct_and_repeated_against_counts(texts, n):
    counted = Counter(gram for row in texts for gram in grams(row, n))
    found = distinct(column(texts), n)
    assert found.n == counted.total()
    assert found.value == len(counted) / counted.total() if counted else math.isnan(found.value)
    rows = [grams(row, n) for row in texts]
    expected = [1 - len(set(row)) / len(row) if row else math.nan for row in rows]
    assert repeated_share(column(texts), n) == pytest.approx(expected, nan_ok=True)


def test_repeated_share_by_hand():
    texts = [[1, 2, 3, 4, 5], [7] * 8, [1, 2, 1, 2, 1, 2, 1, 2], [1, 2, 3]]
    assert repeated_share(column(texts)) == pytest.approx([0, 0.8, 0.6, math.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NgramIndex((5, 0)), "at least 1 token, not 0"),
        (lambda: distinct(column([[1]]), 0), "at least 1 token, not 0"),
        (lambda: index_of().overlap(column([[1]]), 7), "holds n-grams of 5, 10 tokens, not of 7"),
        (lambda: NgramIndex().add(Column(np.zeros(3, np.int32))), "ragged token ids .*, not fixed-size int32"),
        (lambda: repeated_share(column([[1.5]], float)), "not ragged float64"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()


# --- the ratio of two counts


def test_ratio_with_one_count_a_text_is_binomial():
    a = np.array([1, 1, 0, 0, 0, 1, 0, 0, 0, 0])
    found = ratio(a, 1 - a)
    assert (found.value, found.n) == (0.3, 10)
    assert found.error == pytest.approx(math.sqrt(0.3 * 0.7 / 10))


def test_ratio_error_against_the_jackknife_over_texts():
    draws = np.random.default_rng(1)
    about = draws.random(400)  # texts differ in what they are about, so that their words go together
    totals = draws.poisson(3, 400)
    a = draws.binomial(totals, about)
    found = ratio(a, totals - a)
    left_out = np.array([(a.sum() - x) / (totals.sum() - t) for x, t in zip(a, totals, strict=True)])
    jackknife = math.sqrt(399 / 400 * ((left_out - left_out.mean()) ** 2).sum())
    assert found.error == pytest.approx(jackknife, rel=0.01)
    assert found.error > 1.2 * math.sqrt(found.value * (1 - found.value) / found.n)


def test_texts_without_a_count_change_nothing():
    a, b = np.array([2.0, 0, 1]), np.array([1.0, 3, 0])
    assert ratio(np.append(a, [0, 0]), np.append(b, [0, 0])) == ratio(a, b)


def test_too_little_for_a_ratio_or_its_error():
    nothing = ratio(np.zeros(3), np.zeros(3))
    assert (math.isnan(nothing.value), nothing.n) == (True, 0)
    single = ratio(np.array([3, 0]), np.array([1, 0]))
    assert (single.value, single.n, math.isnan(single.error)) == (0.75, 4, True)
    with pytest.raises(InvalidInput, match="equally many rows"):
        ratio(np.zeros(3), np.zeros(2))
