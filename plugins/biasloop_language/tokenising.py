"""A corpus as token ids: once for each tokenizer, with long rows refused or cut."""

from typing import Any

import numpy as np

from biasloop.contract.context import Context
from biasloop.datasets.tokenising import tokenised
from biasloop.datasets.tokens import cut, first, lengths
from biasloop.errors import InvalidInput
from biasloop_language.pairs import Pairs
from biasloop_language.tokens import TokenRows

_SHOWN = 30  # characters


def tokenise(
    pairs: Pairs, tokenizer: Any, context: Context, *, limit: int | None = None, truncate: bool = False
) -> TokenRows:
    """Token ids of a corpus, read from prepared data if it was tokenised before.

    Prompt and continuation are tokenised separately, as they are, and no special token is added (Taori & Hashimoto
    2022, released code).

    Args:
        pairs: the corpus; a row without a continuation gets no tokens for it.
        tokenizer: a `tokenizers.Tokenizer`, or a fast tokenizer of transformers.
        context: whose data directory keeps the ids.
        limit: tokens that a row may have, prompt and continuation together: the context length of the network.
        truncate: cut longer rows instead of refusing them, as `truncated` does.

    Raises:
        InvalidInput: if a row is over the limit, or a prompt has no tokens; the row is named.
    """
    texts = {"prompt": pairs.prompts, "continuation": pairs.continuations}
    frame = tokenised(texts, pairs.fingerprint, tokenizer, context)
    rows = TokenRows(frame.columns["prompt"], frame.columns["continuation"])
    mute = np.flatnonzero(lengths(rows.prompts) == 0)
    if mute.size:
        raise InvalidInput(f"the prompt of {_row(pairs, mute[0])} has no tokens; leave the row out")
    if limit is None:
        return rows
    return truncated(rows, limit) if truncate else _within(rows, limit, pairs)


def truncated(rows: TokenRows, limit: int) -> TokenRows:
    """Rows of at most `limit` tokens: of a continuation the first `limit` - 1, of its prompt the last that fit."""
    tails = first(rows.continuations, limit - 1)
    heads = np.minimum(lengths(rows.prompts), limit - lengths(tails))
    return TokenRows(cut(rows.prompts, lengths(rows.prompts) - heads, heads), tails)


def _row(pairs: Pairs, row: int) -> str:
    """A row in a message, so that it can be found in its file, where blank lines are no rows."""
    (prompt,) = pairs.prompts.take(np.array([row])).strings()
    start = repr(prompt if len(prompt) <= _SHOWN else f"{prompt[:_SHOWN]}...")
    return f"row {row:,} of {pairs.source} (counted from 0, its prompt is {start})"


def _within(rows: TokenRows, limit: int, pairs: Pairs) -> TokenRows:
    long = np.flatnonzero(rows.lengths() > limit)
    if long.size:
        row = long[0]
        more = f", as are {long.size - 1:,} more" if long.size > 1 else ""
        raise InvalidInput(
            f"{_row(pairs, row)} is too long{more}: {rows.lengths()[row]:,} tokens, of which "
            f"{lengths(rows.prompts)[row]:,} in the prompt, and the network reads at most {limit:,}; "
            "shorten it or leave it out"
        )
    return rows
