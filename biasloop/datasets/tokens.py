"""Rows of token ids, cut, joined and padded; a column of them is ragged, its values one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biasloop.contract.data import Bools, Column, Ints


def ragged(rows: Sequence[Sequence[int] | Ints]) -> Column:
    """A ragged int32 column of token ids; rows may be empty."""
    values = np.concatenate([np.asarray(row, np.int32) for row in rows]) if len(rows) else np.zeros(0, np.int32)
    return Column(values, _ends([len(row) for row in rows]))


def lengths(column: Column) -> Ints:
    """`(n,)` int64 tokens of each row.

    Raises:
        ValueError: if the column is not ragged.
    """
    return np.diff(_offsets(column))


def cut(column: Column, starts: Ints, sizes: Ints) -> Column:
    """Of each row some tokens.

    Args:
        column: ragged, `(n,)` rows.
        starts: `(n,)` position in its row of the first.
        sizes: `(n,)` how many; a row has so many after its start.
    """
    offsets = _ends(sizes)
    sources = np.arange(offsets[-1]) + np.repeat(_offsets(column)[:-1] + starts - offsets[:-1], sizes)
    return Column(column.values[sources], offsets)


def first(column: Column, size: int) -> Column:
    """The first `size` tokens of each row; a shorter row as it is."""
    sizes = lengths(column)
    return cut(column, np.zeros_like(sizes), np.minimum(sizes, size)) if (sizes > size).any() else column


def last(column: Column, size: int) -> Column:
    """The last `size` tokens of each row; a shorter row as it is."""
    sizes = lengths(column)
    return cut(column, np.maximum(sizes - size, 0), np.minimum(sizes, size)) if (sizes > size).any() else column


def joined(heads: Column, tails: Column) -> Column:
    """Each row of `heads` followed by the same row of `tails`; both of one type."""
    sizes = lengths(heads) + lengths(tails)  # (n,)
    offsets = _ends(sizes)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)  # (total,) position of each token in its row
    of_heads = within < np.repeat(lengths(heads), sizes)
    values = np.empty(len(of_heads), heads.values.dtype)
    values[of_heads], values[~of_heads] = heads.values, tails.values
    return Column(values, offsets)


def right_padded(column: Column, pad: int) -> tuple[Ints, Bools]:
    """Rows padded on the right to the longest.

    Args:
        column: ragged, `(n,)` rows.
        pad: token id to pad with.

    Returns:
        `(n, length)` int64 token ids, and True where they are tokens.
    """
    sizes = lengths(column)
    real = np.arange(int(sizes.max(initial=0))) < sizes[:, None]
    return _filled(column, real, pad)


def left_padded(column: Column, pad: int) -> tuple[Ints, Bools]:
    """Rows padded on the left to the longest; as `right_padded`."""
    sizes = lengths(column)
    longest = int(sizes.max(initial=0))
    return _filled(column, np.arange(longest) >= longest - sizes[:, None], pad)


def _filled(column: Column, real: Bools, pad: int) -> tuple[Ints, Bools]:
    ids = np.full(real.shape, pad, np.int64)
    ids[real] = column.values  # row by row, which is the order of the values
    return ids, real


def _ends(sizes: Sequence[int] | Ints) -> Ints:
    """`(n + 1,)` int64 offsets of rows of the given sizes."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _offsets(column: Column) -> Ints:
    if column.offsets is None:
        raise ValueError("token ids are a ragged column")
    return column.offsets
