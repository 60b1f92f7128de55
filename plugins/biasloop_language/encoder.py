"""Text to token ids and back, with the `tokenizers` library; no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from biasloop.contract.data import Array, Column
from biasloop.datasets import byte_pairs
from biasloop.datasets.tokenising import encoded, reading
from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

END = "<|endoftext|>"


@dataclass(frozen=True)
class Encoder:
    """A vocabulary and the rule that cuts text into it.

    Attributes:
        inner: the tokenizer of the library.
        eos: id of the end-of-text token.
    """

    inner: Tokenizer
    eos: int

    @property
    def size(self) -> int:
        """Tokens of the vocabulary, end-of-text included."""
        return int(self.inner.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> Column:
        """`(n,)` ragged int32 token ids; nothing is added to a text, nothing stripped."""
        return encoded(self.inner, texts)

    def decode(self, column: Column) -> list[str]:
        """The text of each row, end-of-text left out; bytes that are no UTF-8 become U+FFFD."""
        assert column.offsets is not None
        ids = column.values.tolist()
        rows = [ids[begin:end] for begin, end in itertools.pairwise(column.offsets.tolist())]
        decoded: list[str] = self.inner.decode_batch(rows, skip_special_tokens=True)
        return decoded

    def save(self) -> Array:
        """All of the tokenizer as JSON, `(bytes,)` uint8."""
        return np.frombuffer(self.inner.to_str().encode(), np.uint8)

    @staticmethod
    def load(saved: Array, eos: int | None = None) -> Encoder:
        """The tokenizer that `save` was called on.

        Args:
            saved: what `save` gave.
            eos: id of the end-of-text token; None looks `<|endoftext|>` up.
        """
        from tokenizers import Tokenizer

        return _with_end(Tokenizer.from_str(saved.tobytes().decode()), eos, "the saved tokenizer")

    @staticmethod
    def read(directory: Path, eos: int | None = None) -> Encoder:
        """The tokenizer in `tokenizer.json`, or else that of GPT-2 with `vocab.json` and `merges.txt`.

        Args:
            directory: where the files are.
            eos: id of the end-of-text token; None looks `<|endoftext|>` up.

        Raises:
            InvalidInput: if the files cannot be read, or there is no end-of-text token.
        """
        from tokenizers import Tokenizer, models

        path = directory / "tokenizer.json"
        with reading(directory, "tokenizer.json, or vocab.json and merges.txt,"):
            if path.is_file():
                inner = Tokenizer.from_file(str(path))
                inner.no_padding()
                inner.no_truncation()
            else:
                pair = str(directory / "vocab.json"), str(directory / "merges.txt")
                inner = byte_pairs.byte_level(Tokenizer(models.BPE.from_file(*pair)))
                inner.add_special_tokens([END])
        return _with_end(inner, eos, str(directory))


def train(texts: Iterable[str], vocabulary: int) -> Encoder:
    """A byte-level byte-pair encoding (Sennrich et al. 2016; bytes as in GPT-2) learnt from texts.

    The same texts in the same order give the same tokenizer. `<|endoftext|>` is token 0.

    Args:
        texts: what to learn from.
        vocabulary: tokens at most, end-of-text and 256 bytes included; few texts give fewer.

    Raises:
        InvalidInput: if the vocabulary has no room for all bytes.
    """
    return _with_end(byte_pairs.learn(texts, vocabulary, [END]), None, "the trained tokenizer")


def _with_end(inner: Tokenizer, eos: int | None, where: str) -> Encoder:
    if eos is None:
        eos = inner.token_to_id(END)
    if eos is None or inner.id_to_token(eos) is None:
        raise InvalidInput(
            f"{where} has no end-of-text token (looked for {END if eos is None else f'id {eos}'}); "
            "set eos_token_id in config.json to one of its ids"
        )
    return Encoder(inner, eos)
