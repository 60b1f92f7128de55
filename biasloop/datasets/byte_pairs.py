"""Byte-level byte-pair vocabularies, learnt from texts with the `tokenizers` library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def learn(texts: Iterable[str], vocabulary: int, special: Sequence[str]) -> Tokenizer:
    """A byte-level byte-pair encoding (Sennrich et al. 2016; bytes as in GPT-2) learnt from texts.

    The same texts in the same order give the same tokenizer.

    Args:
        texts: what to learn from.
        vocabulary: tokens at most, special ones and 256 bytes included; few texts give fewer.
        special: tokens that no text is cut into; theirs are the first ids.

    Raises:
        InvalidInput: if the vocabulary has no room for all bytes.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    least = 256 + len(special)
    if vocabulary < least:
        raise InvalidInput(f"a vocabulary of {vocabulary} tokens has no room for 256 bytes; set {least} or more")
    inner = byte_level(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return inner


def byte_level(inner: Tokenizer) -> Tokenizer:
    """The tokenizer, made to cut texts into bytes first and to put bytes together again."""
    from tokenizers import decoders, pre_tokenizers

    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return inner
