"""Images that stay in their files: the few that a run uses are read block by block into one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from biasloop.datasets.images import digest_of
from biasloop.errors import DownloadError

if TYPE_CHECKING:
    from biasloop.contract.data import Ints
    from biasloop.datasets.images import Pixels

BLOCK_BYTES = 4 << 20
"""About how much is read at a time."""


class Unreadable(Exception):
    """Why a file is not what it should be; the message is part of a sentence about the file."""


class Blocks(Protocol):
    """Consecutive images in a file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, H, W, C)` or `(n, H, W)`."""

    def blocks(self, wanted: Ints) -> Iterator[tuple[int, Pixels]]:
        """Consecutive images around the wanted ones, as (position of the first, images), in ascending order.

        An array is only good until the next one is asked for. Blocks without a wanted image need not come.

        Raises:
            Unreadable: if the file is not as it was.
        """


@dataclass(frozen=True)
class StreamedImages:
    """Images in files, one after another (`biasloop.datasets.Images`).

    Attributes:
        parts: the files.
        labels: `(N,)` int64; -1 for an image that nobody labelled.
        classes: names.
        mend: what to do should a file be damaged, as part of a sentence.
        known: a digest of all images and labels, if one was taken when the file was made.
    """

    parts: Sequence[Blocks]
    labels: Ints
    classes: tuple[str, ...]
    mend: str
    known: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        height, width, *channels = self.parts[0].shape[1:]
        return height, width, channels[0] if channels else 1

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, ids: Ints) -> Pixels:
        """The images of ascending ids, in an array that is filled in place: no more than a block is held beside it.

        Raises:
            DownloadError: if a file is not as it was when it was opened.
        """
        images = np.empty((len(ids), *self.shape), np.uint8)
        first = 0
        for part in self.parts:
            count = part.shape[0]
            inside = slice(*np.searchsorted(ids, (first, first + count)).tolist())
            try:
                _fill(images[inside], ids[inside] - first, part)
            except (Unreadable, OSError) as error:
                raise DownloadError(f"{part.path} is damaged: {error}; {self.mend}") from error
            first += count
        return images

    def digest(self, pixels: Pixels) -> str:
        """Of all labels and the kept images, unless one of everything is known: all files are too much to read."""
        return self.known or digest_of(pixels, self.labels)


def _fill(images: Pixels, ids: Ints, part: Blocks) -> None:
    for start, block in part.blocks(ids):
        rows = slice(*np.searchsorted(ids, (start, start + len(block))).tolist())
        shaped = block.reshape(-1, *images.shape[1:])
        np.take(shaped, ids[rows] - start, axis=0, out=images[rows], mode="clip")  # "raise" would buffer


def spans(count: int, image_bytes: int, wanted: Ints) -> Iterator[tuple[int, int]]:
    """First position, and the one after the last, of each block of `count` images that has a wanted one."""
    size = max(1, BLOCK_BYTES // max(1, image_bytes))
    for number in np.unique(wanted // size).tolist():
        yield number * size, min(count, (number + 1) * size)
