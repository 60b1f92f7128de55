"""Embeddings of images and texts by a model: each image once, in batches, all rows divided by their lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from biasloop.contract.data import Array, Floats
from biasloop.contract.encoding import Encoder
from biasloop.datasets.picture_files import Picture
from biasloop.errors import InvalidInput
from biasloop.predictions.embeddings import Embeddings
from biasloop.system.ahead import in_advance

T = TypeVar("T")
_THREADS = 4  # that read and resize images while the model computes
_AHEAD = 64  # images

Tell = Callable[[int], None]
"""Told how many images are done."""


def embed(
    encoder: Encoder, pictures: Iterable[Picture], texts: Mapping[str, str], output: Path, *, batch: int = 64,
    tell: Tell = lambda done: None,
) -> Embeddings:  # fmt: skip
    """Embeddings of all pictures and texts, not written yet.

    Args:
        encoder: the model.
        pictures: each read and encoded once.
        texts: by key.
        output: the path of the embeddings.
        batch: pictures, or texts, that are computed at once; other batches may give other last bits.
        tell: told after each batch of pictures.

    Raises:
        InvalidInput: a picture cannot be read, comes twice, or has no direction, and likewise texts; or there are none.
    """
    keys: dict[str, None] = {}
    rows, lengths = [], []
    prepared = in_advance(lambda picture: (picture, encoder.prepare(picture.read())), pictures, _AHEAD, _THREADS)
    for chunk in _in_batches(prepared, batch):
        for picture, _ in chunk:
            if picture.key in keys:
                raise InvalidInput(f"{picture.where} comes twice ({picture.key!r}); keys of images must differ")
            keys[picture.key] = None
        units, norms = _units([picture.where for picture, _ in chunk], encoder.images(np.stack([x for _, x in chunk])))
        rows.append(units)
        lengths.append(norms)
        tell(len(keys))
    if not rows:
        raise InvalidInput("there are no images to encode")
    of_texts = [
        _units([repr(text) for text in chunk], encoder.texts(chunk))[0]
        for chunk in _in_batches(iter(texts.values()), batch)
    ]
    return Embeddings(
        output,
        tuple(keys),
        np.concatenate(rows),
        tuple(texts),
        np.concatenate(of_texts) if of_texts else None,
        np.concatenate(lengths),
        _about(encoder, batch),
    )


def _about(encoder: Encoder, batch: int) -> dict[str, Any]:
    return {**encoder.about(), "batch": batch}


def _in_batches(values: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(values, size)):
        yield chunk


def _units(names: Sequence[str], features: Array) -> tuple[Array, Floats]:
    """`(n, d)` unit rows and `(n,)` their lengths before."""
    norms = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))  # (n,)
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        raise InvalidInput(
            f"the model gives {names[bad[0]]} features of length {norms[bad[0]]:g}, which have no direction"
            + (f", and {len(bad) - 1} others" if len(bad) > 1 else "")
            + "; its weights or its precision are at fault"
        )
    return (features / norms[:, None]).astype(np.float32), norms.astype(np.float32)
