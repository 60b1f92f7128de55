"""Texts as token ids: each corpus once for each tokenizer."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame, Ints
from biasloop.errors import InvalidInput
from biasloop_language.pairs import Pairs
from biasloop_language.prepared import prepared
from biasloop_language.tokens import TokenRows, lengths

_SHOWN = 30  # characters
_BATCH = 4096  # texts: more gain no time and cost memory


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
    encoder = plain(tokenizer)
    name = f"tokens-{pairs.fingerprint}-{identity(encoder)[:16]}"

    def build() -> Frame:
        columns = {"prompt": pairs.prompts, "continuation": pairs.continuations}
        return Frame({name: encoded(encoder, column.strings()) for name, column in columns.items()})

    frame = prepared(context, name, build)
    rows = TokenRows(frame.columns["prompt"], frame.columns["continuation"])
    mute = np.flatnonzero(lengths(rows.prompts) == 0)
    if mute.size:
        raise InvalidInput(f"the prompt of {_row(pairs, mute[0])} has no tokens; leave the row out")
    if limit is None:
        return rows
    return truncated(rows, limit) if truncate else _within(rows, limit, pairs)


def plain(tokenizer: Any) -> Any:
    """A copy of the `tokenizers.Tokenizer` that neither cuts nor pads."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    encoder = type(backend).from_str(backend.to_str())
    encoder.no_truncation()
    encoder.no_padding()
    return encoder


def identity(tokenizer: Any) -> str:
    """32 hexadecimal digits that identify all that a `tokenizers.Tokenizer` does."""
    return hashlib.blake2b(tokenizer.to_str().encode(), digest_size=16).hexdigest()


def encoded(tokenizer: Any, texts: Sequence[str]) -> Column:
    """A ragged int32 column of token ids of texts, without special tokens.

    Args:
        tokenizer: as `plain` gives it.
        texts: any; an empty text has no tokens.
    """
    encode: Callable[..., Any] = tokenizer.encode_batch_fast
    values, sizes = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for start in range(0, len(texts), _BATCH):
        ids = [row.ids for row in encode(list(texts[start : start + _BATCH]), add_special_tokens=False)]
        sizes.append(np.array([len(row) for row in ids], np.int64))
        values.append(np.fromiter((token for row in ids for token in row), np.int32, int(sizes[-1].sum())))
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.concatenate(sizes), out=offsets[1:])
    return Column(np.concatenate(values), offsets)


def truncated(rows: TokenRows, limit: int) -> TokenRows:
    """Rows of at most `limit` tokens: of a continuation the first `limit` - 1, of its prompt the last that fit."""
    tails = np.minimum(lengths(rows.continuations), limit - 1)
    heads = np.minimum(lengths(rows.prompts), limit - tails)
    starts = lengths(rows.prompts) - heads
    return TokenRows(_cut(rows.prompts, starts, heads), _cut(rows.continuations, np.zeros_like(tails), tails))


def _cut(column: Column, starts: Ints, sizes: Ints) -> Column:
    """Of each row `sizes` values from `starts` on."""
    assert column.offsets is not None
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    return Column(column.values[np.repeat(column.offsets[:-1] + starts, sizes) + within], offsets)


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
