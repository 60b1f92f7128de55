"""Labelled images that were decoded once and are mapped into memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from biasloop.contract.data import Column
from biasloop.datasets.decoded import readable
from biasloop.datasets.images import digest_of_blocks

if TYPE_CHECKING:
    from biasloop.contract.data import Ints
    from biasloop.datasets.decoded import Decoded, Writer
    from biasloop.datasets.images import Pixels


@dataclass(frozen=True)
class MappedImages:
    """Images in a file (`biasloop.datasets.Images`).

    Attributes:
        pixels: `(N, H, W, C)` uint8, read where they lie.
        labels: `(N,)` int64; -1 for an image that nobody labelled.
        classes: names.
        known: a digest of all images and labels, which was taken when they were decoded.
    """

    pixels: Pixels
    labels: Ints
    classes: tuple[str, ...]
    known: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, ids: Ints) -> Pixels:
        """The images of ascending ids; all of them stay where they lie."""
        return self.pixels if len(ids) == len(self) else self.pixels[ids]

    def digest(self, pixels: Pixels) -> str:
        """Of all images and labels, whichever are kept."""
        return self.known


def write(
    writer: Writer, shape: tuple[int, int, int, int], images: Iterable[Pixels], labels: Ints, classes: Sequence[str]
) -> None:
    """Keep images that are decoded one after the other, and a digest of them.

    Args:
        writer: of decoded data.
        shape: (N, H, W, C).
        images: `N` of `(H, W, C)` uint8.
        labels: `(N,)` int64; -1 for an image without one.
        classes: names.
    """

    def kept() -> Iterator[Pixels]:
        for image in images:
            writer.append("images", Column(image[None]))
            yield image

    named = json.dumps(list(classes))
    writer.append("labels", Column(labels.astype(np.int64)))
    writer.facts |= {"classes": named, "digest": digest_of_blocks(shape, kept(), labels, named)}


def read(decoded: Decoded) -> MappedImages:
    """The images that `write` kept.

    Raises:
        DownloadError: if they are none.
    """
    with readable(decoded.directory):
        images, labels = decoded.frame["images"], decoded.frame["labels"]
        if images.dtype != np.uint8 or images.ndim != 4 or labels.dtype != np.int64 or labels.ndim != 1:
            raise ValueError(f"{images.dtype} {images.shape} images and {labels.dtype} {labels.shape} labels")
        classes = tuple(str(name) for name in json.loads(decoded.facts["classes"]))
        return MappedImages(images, np.array(labels), classes, decoded.facts["digest"])
