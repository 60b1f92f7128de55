"""Texts as token ids: each text once for each tokenizer, with any of the `tokenizers` library."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from biasloop.contract.data import Column, Frame
from biasloop.datasets.decoded import decoded
from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from biasloop.contract.context import Context
    from biasloop.datasets.decoded import Writer

_BATCH = 4096  # texts: more gain no time and cost memory


def tokenised(texts: Mapping[str, Column], fingerprint: str, tokenizer: Any, context: Context) -> Frame:
    """Token ids of columns of texts, mapped into memory; tokenised at most once for all runs.

    Args:
        texts: columns of texts of equal length, by name.
        fingerprint: identifies their content.
        tokenizer: a `tokenizers.Tokenizer`, or a fast tokenizer of transformers; no special token is added, whatever
            its settings.
        context: whose data directory keeps the ids.

    Returns:
        Of each column a ragged int32 one, of the same name.

    Raises:
        DownloadError: if what was kept is not in the form that it has to be in.
    """
    encoder = plain(tokenizer)

    def build(writer: Writer) -> None:
        for name, column in texts.items():
            for start in range(0, max(1, len(column)), _BATCH):
                some = column.take(np.arange(start, min(start + _BATCH, len(column))))
                writer.append(name, encoded(encoder, some.strings()))

    return decoded(context, f"tokens-{fingerprint}-{identity(encoder)[:16]}", build).frame


@contextmanager
def reading(directory: Path, files: str) -> Iterator[None]:
    """Inside, a tokenizer is read.

    Args:
        directory: of its files.
        files: what they are called, for messages.

    Raises:
        InvalidInput: they do not read.
    """
    try:
        yield
    except BaseException as error:  # the library raises nothing narrower, and on some files it panics
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise InvalidInput(
            f"the tokenizer in {directory} cannot be read ({error}); put {files} of the network there"
        ) from error


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
    return Frame.join([Frame({"tokens": ids}) for ids in _batches(tokenizer, texts)]).columns["tokens"]


def _batches(tokenizer: Any, texts: Sequence[str]) -> Iterator[Column]:
    """At least one."""
    encode: Callable[..., Any] = tokenizer.encode_batch_fast
    for start in range(0, max(1, len(texts)), _BATCH):
        ids = [row.ids for row in encode(list(texts[start : start + _BATCH]), add_special_tokens=False)]
        offsets = np.zeros(len(ids) + 1, np.int64)
        np.cumsum([len(row) for row in ids], out=offsets[1:])
        yield Column(np.fromiter((token for row in ids for token in row), np.int32, int(offsets[-1])), offsets)
