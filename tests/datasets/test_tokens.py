"""Rows of tokens are cut, joined and padded as lists of lists are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.data import Column
from biasloop.datasets.tokens import cut, first, joined, last, left_padded, lengths, ragged, right_padded

ROW = st.lists(st.integers(0, 99), max_size=6)
ROWS = st.lists(ROW, max_size=8)
PAD = 777


def rows(column):
    return [column.values[a:b].tolist() for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


@given(ROWS)
def test_rows_come_back_with_their_lengths(given_rows):
    column = ragged(given_rows)
    assert column.values.dtype == np.int32
    assert rows(column) == given_rows
    assert lengths(column).tolist() == [len(row) for row in given_rows]


@given(ROWS, st.integers(0, 7))
def test_the_first_and_the_last_tokens(given_rows, size):
    column = ragged(given_rows)
    for taken, expected in [
        (first(column, size), [row[:size] for row in given_rows]),
        (last(column, size), [row[max(0, len(row) - size) :] for row in given_rows]),
    ]:
        assert rows(taken) == expected
        assert taken.values.dtype == np.int32
        if expected == given_rows:
            assert taken is column


@given(ROWS, st.data())
def test_any_part_of_each_row(given_rows, data):
    starts = [data.draw(st.integers(0, len(row))) for row in given_rows]
    sizes = [data.draw(st.integers(0, len(row) - at)) for row, at in zip(given_rows, starts, strict=True)]
    part = cut(ragged(given_rows), np.array(starts, np.int64), np.array(sizes, np.int64))
    assert rows(part) == [row[at : at + n] for row, at, n in zip(given_rows, starts, sizes, strict=True)]


@given(st.lists(st.tuples(ROW, ROW), max_size=6))
def test_rows_are_joined_one_by_one(pairs):
    both = joined(ragged([head for head, _ in pairs]), ragged([tail for _, tail in pairs]))
    assert rows(both) == [head + tail for head, tail in pairs]
    assert both.values.dtype == np.int32


@given(ROWS)
def test_padding_fills_up_to_the_longest(given_rows):
    longest = max(map(len, given_rows), default=0)
    for pad, expected in [
        (right_padded, [row + [PAD] * (longest - len(row)) for row in given_rows]),
        (left_padded, [[PAD] * (longest - len(row)) + row for row in given_rows]),
    ]:
        ids, real = pad(ragged(given_rows), PAD)
        assert (ids.dtype, real.dtype) == (np.int64, np.bool_)
        assert ids.shape == real.shape == (len(given_rows), longest)
        assert ids.tolist() == expected
        assert real.tolist() == [[token != PAD for token in row] for row in expected]


def test_a_column_that_is_not_ragged_has_no_rows_of_tokens():
    with pytest.raises(ValueError, match="ragged"):
        lengths(Column(np.zeros((2, 3))))
