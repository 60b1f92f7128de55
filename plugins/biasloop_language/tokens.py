"""Prompts and continuations as rows of token ids, and the padded batches made of them; NumPy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biasloop.contract.data import Bools, Column, Ints


def ragged(rows: Sequence[Sequence[int] | Ints]) -> Column:
    """A ragged int32 column of token ids; rows may be empty."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    values = np.concatenate([np.asarray(row, np.int32) for row in rows]) if len(rows) else np.zeros(0, np.int32)
    return Column(values, offsets)


def lengths(column: Column) -> Ints:
    """`(n,)` int64 tokens of each row.

    Raises:
        ValueError: if the column is not ragged.
    """
    if column.offsets is None:
        raise ValueError("token ids are a ragged column")
    return np.diff(column.offsets)


@dataclass(frozen=True)
class TokenRows:
    """What a language model learns from.

    Attributes:
        prompts: ragged int32 token ids; given, not learnt.
        continuations: ragged int32 token ids that follow each prompt; learnt.
    """

    prompts: Column
    continuations: Column

    def __post_init__(self) -> None:
        if len(self.prompts) != len(self.continuations):
            raise ValueError(f"{len(self.prompts)} prompts but {len(self.continuations)} continuations")

    def __len__(self) -> int:
        return len(self.prompts)

    def take(self, rows: Ints) -> "TokenRows":
        """The given rows, in the given order."""
        return TokenRows(self.prompts.take(rows), self.continuations.take(rows))

    def lengths(self) -> Ints:
        """`(n,)` int64 tokens of each row, prompt and continuation."""
        return lengths(self.prompts) + lengths(self.continuations)

    def predicted(self, context: int) -> Ints:
        """`(n,)` int64 tokens of each row that are predicted.

        Those of the continuation, less the first if nothing comes before it; of a row longer than the context,
        those among its last `context` tokens.
        """
        sizes = np.minimum(self.lengths(), context)
        predicted: Ints = np.maximum(np.minimum(lengths(self.continuations), sizes - 1), 0)
        return predicted


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right to the longest.

    Attributes:
        ids: `(n, length)` int64 token ids.
        real: `(n, length)` True where a token is, False where padding is.
        learnt: `(n, length)` True where a token is to be predicted from those before it; never in the first place.
    """

    ids: Ints
    real: Bools
    learnt: Bools


def padded(rows: TokenRows, pad: int, context: int) -> Batch:
    """Each prompt followed by its continuation, padded on the right.

    Args:
        rows: what to put together.
        pad: token id to pad with.
        context: of a longer row, the last so many tokens are kept.
    """
    sizes = np.minimum(rows.lengths(), context)
    position = np.arange(int(sizes.max(initial=0)))  # (length,)
    real = position < sizes[:, None]  # (n, length)
    ids = np.full(real.shape, pad, np.int64)
    for row in range(len(rows)):
        ids[row, : sizes[row]] = np.concatenate([_row(rows.prompts, row), _row(rows.continuations, row)])[-context:]
    learnt = real & (position >= (sizes - rows.predicted(context))[:, None])
    return Batch(ids, real, learnt)


def left_padded(column: Column, pad: int) -> tuple[Ints, Bools]:
    """Rows padded on the left to the longest.

    Returns:
        `(n, length)` int64 token ids, and True where they are tokens.
    """
    sizes = lengths(column)
    longest = int(sizes.max(initial=0))
    real = np.arange(longest) >= longest - sizes[:, None]
    ids = np.full(real.shape, pad, np.int64)
    ids[real] = column.values
    return ids, real


def last(column: Column, size: int) -> Column:
    """The last `size` tokens of each row; a shorter row as it is."""
    if not len(column) or lengths(column).max() <= size:
        return column
    return ragged([_row(column, row)[-size:] for row in range(len(column))])


def _row(column: Column, row: int) -> Ints:
    assert column.offsets is not None
    return np.asarray(column.values[column.offsets[row] : column.offsets[row + 1]])
