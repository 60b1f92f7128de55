"""What a data set of labelled images is, before and after it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.datasets.assets import Asset, Copy
from biasloop.errors import DownloadError

if TYPE_CHECKING:  # this module is imported by commands that must answer before NumPy is loaded
    import numpy as np
    import numpy.typing as npt

    from biasloop.data import Ints

    Pixels = npt.NDArray[np.uint8]

__all__ = ["Copy", "ImageDataset", "LabelledImages", "Part", "Reader"]


@dataclass(frozen=True)
class LabelledImages:
    """Images and their labels, those of all published splits one after another in file order.

    Attributes:
        images: `(N, H, W, C)` uint8, C-contiguous; C is 1 (grey) or 3 (RGB).
        labels: `(N,)` int64, positions in `classes`.
        classes: names.
        splits: rows of each published split.
    """

    images: Pixels
    labels: Ints
    classes: tuple[str, ...]
    splits: Mapping[str, slice]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Part:
    """Some consecutive rows of a data set, as a reader finds them.

    Attributes:
        file: where they are from, for messages.
        start: row of the first, in the order of `LabelledImages`.
        images: `(n, H, W, C)` uint8, any memory order.
        labels: `(n,)` integers.
    """

    file: Path
    start: int
    images: Pixels
    labels: npt.NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class ImageDataset(Asset):
    """A published data set of labelled images of one shape.

    Attributes:
        classes: names, in the order of labels.
        shape: (height, width, channels) of an image.
        counts: images in each published split, in the order of rows.
        read: the reader of its format: `(dataset, directory)` to parts.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    counts: Mapping[str, int] = field(hash=False)
    read: Reader

    @property
    def count(self) -> int:
        """Images in all splits."""
        return sum(self.counts.values())

    @property
    def splits(self) -> dict[str, slice]:
        """Rows of each published split."""
        stops = accumulate(self.counts.values())
        rows = zip(self.counts.items(), stops, strict=True)
        return {name: slice(stop - count, stop) for (name, count), stop in rows}

    def load(self, data: Path) -> LabelledImages:
        """Read all splits.

        Args:
            data: the data directory.

        Raises:
            SomethingToFetch: if a file is not there.
            DownloadError: if one is damaged.
        """
        import numpy as np

        directory = self.require(data)
        images = np.empty((self.count, *self.shape), np.uint8)
        labels = np.full(self.count, -1, np.int64)
        try:
            for part in self.read(self, directory):
                self._check(part)
                rows = slice(part.start, part.start + len(part.labels))
                images[rows], labels[rows] = part.images, part.labels
        except OSError as error:
            raise DownloadError(f"cannot read {error.filename or directory}: {error.strerror or error}") from error
        if (labels < 0).any():
            missing = int((labels < 0).sum())
            raise self.damaged(self.shipped or directory, f"{missing:,} of {self.count:,} images are missing")
        return LabelledImages(images, labels, self.classes, self.splits)

    def _check(self, part: Part) -> None:
        if part.images.dtype != "uint8" or part.images.shape[1:] != self.shape:
            found = f"{part.images.dtype} {part.images.shape[1:]}"
            raise self.damaged(part.file, f"its images are {found}, expected uint8 {self.shape}")
        if part.labels.shape != part.images.shape[:1]:
            found = f"{len(part.images):,} images and labels of shape {part.labels.shape}"
            raise self.damaged(part.file, f"it has {found}")
        if part.start + len(part.labels) > self.count:
            raise self.damaged(part.file, f"it has more images than the {self.count:,} expected")
        wrong = (part.labels < 0) | (part.labels >= len(self.classes))
        if part.labels.dtype.kind not in "iu" or wrong.any():
            row = int(wrong.argmax())
            found = f"label {part.labels[row]} of image {row}"
            raise self.damaged(part.file, f"{found} is not a whole number from 0 to {len(self.classes) - 1}")


Reader = Callable[[ImageDataset, Path], Iterator[Part]]
"""Reads the files in a directory."""
