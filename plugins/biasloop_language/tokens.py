"""Prompts and continuations as rows of token ids, and the padded batches made of them; NumPy alone."""

from dataclasses import dataclass

import numpy as np

from biasloop.contract.data import Bools, Column, Ints
from biasloop.datasets.tokens import joined, last, lengths, right_padded


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
    ids, real = right_padded(last(joined(rows.prompts, rows.continuations), context), pad)
    given = real.sum(1) - rows.predicted(context)  # (n,) tokens that are read, not predicted
    learnt = real & (np.arange(real.shape[1]) >= given[:, None])  # (n, length)
    return Batch(ids, real, learnt)
