"""Texts as rows of token ids: once for each tokenizer and length, kept with the prepared data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from biasloop.contract.data import Array, Column, Frame, Ints
from biasloop.datasets import byte_pairs
from biasloop.datasets.decoded import decoded
from biasloop.datasets.tokenising import identity, plain
from biasloop.datasets.tokens import lengths, ragged
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.context import Context
    from biasloop.datasets.decoded import Writer
    from biasloop_textclass.texts import LabelledTexts

TOKENS, KINDS = "tokens", "kinds"
PADDING = -1
START = "<s>"
_BATCH = 4096  # texts: more gain no time and cost memory


def vocabulary(texts: LabelledTexts, size: int, context: Context) -> Any:
    """A byte-pair tokenizer learnt from all texts, whatever their labels, once; each text begins with `START`."""
    from tokenizers import Tokenizer, processors

    def build(writer: Writer) -> None:
        words = itertools.chain.from_iterable(column.strings() for column in texts.columns)
        learnt = byte_pairs.learn(words, size, [START])
        template = f"{START}:0 $A:0", f"{START}:0 $A:0 {START}:1 $B:1"
        learnt.post_processor = processors.TemplateProcessing(*template, [(START, 0)])
        writer.append("json", Column(np.frombuffer(learnt.to_str().encode(), np.uint8)))

    stored = decoded(context, f"textclass-vocabulary-{size}-{texts.content[:16]}", build).frame
    return Tokenizer.from_str(stored["json"].tobytes().decode())


def encode(texts: LabelledTexts, tokenizer: Any, length: int, context: Context) -> Frame:
    """Ragged int32 columns `TOKENS` and `KINDS` (0 or 1: which text of a pair a token is counted to).

    Args:
        texts: what to encode; of a pair, the longer text is cut first.
        tokenizer: a `tokenizers.Tokenizer`, which adds its own special tokens.
        length: tokens of a row at most.
        context: whose data directory keeps them.
    """
    bare = plain(tokenizer)
    name = f"textclass-tokens-{texts.content}-{identity(bare)[:16]}-{length}"
    bare.enable_truncation(length, strategy="longest_first")

    def build(writer: Writer) -> None:
        for rows in _batches(texts):
            encoded = bare.encode_batch(rows)
            writer.append(TOKENS, ragged([row.ids for row in encoded]))
            writer.append(KINDS, ragged([row.type_ids for row in encoded]))

    return decoded(context, name, build).frame


def _batches(texts: LabelledTexts) -> Iterator[list[Any]]:
    """Texts, or pairs of them, many at a time."""
    for start in range(0, len(texts), _BATCH):
        part = np.arange(start, min(start + _BATCH, len(texts)))
        columns = [column.take(part).strings() for column in texts.columns]
        yield columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def padded(encoded: Frame, ids: Ints, *, pairs: bool) -> Array:
    """`(n, 1 or 2, longest)` int32: token ids and, of pairs, kinds; filled with `PADDING` on the right.

    Args:
        encoded: as `encode` gives it.
        ids: `(n,)` rows of it.
        pairs: whether kinds are wanted.
    """
    columns = [encoded.columns[name].take(ids) for name in ((TOKENS, KINDS) if pairs else (TOKENS,))]
    sizes = lengths(columns[0])  # (n,)
    real = np.arange(int(sizes.max(initial=1))) < sizes[:, None]  # (n, longest)
    rows = np.full((len(ids), len(columns), real.shape[1]), PADDING, np.int32)
    for number, column in enumerate(columns):
        rows[:, number][real] = column.values  # row by row, which is the order of the values
    return rows
