"""Memorisation and repetition: n-grams of token ids, compared by 64-bit hashes.

An n-gram is n tokens in a row of one text; none crosses from a text to the next. Two different n-grams are taken for
one if their hashes are equal: among two million n-grams that is expected 1e-7 times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from biasloop.contract.data import Column, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics.ratios import ratio

if TYPE_CHECKING:
    import numpy.typing as npt

_Hashes: TypeAlias = "npt.NDArray[np.uint64]"

# An odd multiplier that is 5 modulo 8, so that swapping two tokens shifts the polynomial by few factors of 2.
_MULTIPLIER = 0xD1342543DE82EF95


class NgramIndex:
    """The set of n-grams of all rows added so far; adding rows at once or in parts gives the same set.

    Attributes:
        sizes: the lengths n that are kept.
    """

    def __init__(self, sizes: Sequence[int] = (5, 10)) -> None:
        """An empty index.

        Args:
            sizes: lengths n to keep, each at least 1.

        Raises:
            InvalidInput: if a length is less than 1.
        """
        self.sizes = tuple(sizes)
        for n in self.sizes:
            _check_size(n)
        self._known = {n: np.zeros(0, np.uint64) for n in self.sizes}

    def add(self, tokens: Column) -> None:
        """Add the n-grams of more rows.

        Args:
            tokens: ragged integer token ids.

        Raises:
            InvalidInput: if they are not.
        """
        mixed, offsets = _mixed(tokens)
        for n in self.sizes:
            fresh = np.sort(_hashes(mixed, offsets, n))
            # Two sorted runs one after the other: the stable sort finds them and merges in linear time.
            self._known[n] = _unique(np.sort(np.concatenate([self._known[n], fresh]), kind="stable"))

    def overlap(self, tokens: Column, n: int) -> Metric:
        """The share of the rows' n-grams, each occurrence counted, that occur anywhere in the index.

        The memorisation of Taori & Hashimoto (2022), where the index holds the continuations of the training set.

        Args:
            tokens: ragged integer token ids, of generated texts.
            n: one of `sizes`.

        Returns:
            A value in [0, 1], n = occurrences and the standard error of `biasloop.metrics.ratios.ratio` over rows;
            NaN where no row has n tokens.

        Raises:
            InvalidInput: if `n` is not kept or the tokens are not ragged integers.
        """
        hits, windows = self.hits(tokens, n)
        return ratio(hits, windows - hits)

    def hits(self, tokens: Column, n: int) -> tuple[Ints, Ints]:
        """How many n-grams of each row occur anywhere in the index, and how many the row has.

        Args:
            tokens: ragged integer token ids.
            n: one of `sizes`.

        Returns:
            Two arrays `(rows,)`.

        Raises:
            InvalidInput: as `overlap`.
        """
        if n not in self._known:
            sizes = ", ".join(map(str, self.sizes))
            raise InvalidInput(f"the index holds n-grams of {sizes} tokens, not of {n}; build it with that size too")
        mixed, offsets = _mixed(tokens)
        windows = _windows(offsets, n)
        return _row_sums(_contains(self._known[n], _hashes(mixed, offsets, n)), windows), windows


def distinct(tokens: Column, n: int) -> Metric:
    """Distinct-n: different n-grams of all rows divided by n-grams of all rows (Li et al. 2016, section 5).

    Args:
        tokens: ragged integer token ids.
        n: at least 1.

    Returns:
        A value in (0, 1] and n = n-grams; NaN where there are none. It falls with the number of rows, so only
        sets of equal size compare; it has no standard error.

    Raises:
        InvalidInput: if `n` is less than 1 or the tokens are not ragged integers.
    """
    _check_size(n)
    hashes = _hashes(*_mixed(tokens), n)
    if len(hashes) == 0:
        return Metric(math.nan, 0)
    return Metric(len(_unique(np.sort(hashes))) / len(hashes), len(hashes))


def repeated_share(tokens: Column, n: int = 4) -> Floats:
    """The share of each row's n-grams that repeat an earlier one of the same row: 1 - distinct / all.

    Args:
        tokens: ragged integer token ids.
        n: at least 1.

    Returns:
        `(rows,)` in [0, 1); NaN where a row has fewer than n tokens.

    Raises:
        InvalidInput: if `n` is less than 1 or the tokens are not ragged integers.
    """
    _check_size(n)
    mixed, offsets = _mixed(tokens)
    counts = _windows(offsets, n)
    rows = np.repeat(np.arange(len(counts)), counts)
    # The row is mixed into the hash, so that equal n-grams of two rows differ and one sort serves all rows.
    keys = _mix(_hashes(mixed, offsets, n) ^ _mix(rows.astype(np.uint64)))
    order = np.argsort(keys)
    different = np.bincount(rows[order][_first(keys[order])], minlength=len(counts))
    shares = np.full(len(counts), math.nan)
    np.divide(counts - different, counts, out=shares, where=counts > 0)
    return shares


def _check_size(n: int) -> None:
    if n < 1:
        raise InvalidInput(f"an n-gram has at least 1 token, not {n}")


def _mix(values: _Hashes) -> _Hashes:
    """A bijection of 64-bit numbers that scatters them: the output function of SplitMix64 (Steele et al. 2014)."""
    values = values + 0x9E3779B97F4A7C15
    values ^= values >> np.uint64(30)
    values *= 0xBF58476D1CE4E5B9
    values ^= values >> np.uint64(27)
    values *= 0x94D049BB133111EB
    values ^= values >> np.uint64(31)
    return values


def _mixed(tokens: Column) -> tuple[_Hashes, Ints]:
    """A hash of every token, and the rows' offsets into them."""
    if tokens.offsets is None or tokens.values.dtype.kind not in "iu":
        shape = "fixed-size" if tokens.offsets is None else "ragged"
        raise InvalidInput(f"n-grams need ragged token ids (whole numbers), not {shape} {tokens.values.dtype}")
    offsets = tokens.offsets
    used = tokens.values[offsets[0] : offsets[-1]]
    return _mix(used.astype(np.uint64)), offsets - offsets[0]


def _windows(offsets: Ints, n: int) -> Ints:
    """How many n-grams each row has."""
    counts: Ints = np.maximum(np.diff(offsets) - n + 1, 0)
    return counts


def _hashes(mixed: _Hashes, offsets: Ints, n: int) -> _Hashes:
    """Hashes of all n-grams, row by row: a polynomial in the tokens' hashes, mixed once more."""
    count = len(mixed) - n + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    hashes = mixed[:count].copy()
    for k in range(1, n):
        hashes *= _MULTIPLIER
        hashes += mixed[k : k + count]
    inside = np.ones(count, np.bool_)  # (windows,)
    for k in range(1, n):  # a window that starts k before a row's end, k < n, reaches into the next row
        starts = offsets[1:-1] - k
        inside[starts[(starts >= 0) & (starts < count)]] = False
    return _mix(hashes[inside])


def _first(ordered: _Hashes) -> npt.NDArray[np.bool_]:
    """Which of sorted values differ from the one before."""
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def _unique(ordered: _Hashes) -> _Hashes:
    return ordered[_first(ordered)]


def _contains(known: _Hashes, wanted: _Hashes) -> npt.NDArray[np.bool_]:
    """Which of the wanted are among the known (sorted); looked up in order, ten times faster than out of order."""
    contained = np.zeros(len(wanted), np.bool_)
    if len(known):
        order = np.argsort(wanted)
        ordered = wanted[order]
        places = np.searchsorted(known, ordered)
        np.minimum(places, len(known) - 1, out=places)
        contained[order] = known[places] == ordered
    return contained


def _row_sums(hits: npt.NDArray[np.bool_], counts: Ints) -> Ints:
    """Hits of each row, where the rows have that many values one after another."""
    stops = np.cumsum(counts)
    sums = np.zeros(len(hits) + 1, np.int64)
    np.cumsum(hits, out=sums[1:])
    rows: Ints = sums[stops] - sums[stops - counts]
    return rows
