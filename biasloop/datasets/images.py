"""What a data set of labelled images is, before and after it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from biasloop.datasets.assets import Asset, Copy, Stamp
from biasloop.errors import DownloadError

if TYPE_CHECKING:  # this module is imported by commands that must answer before NumPy is loaded
    import numpy as np
    import numpy.typing as npt

    from biasloop.contract.data import Ints

    Pixels = npt.NDArray[np.uint8]

__all__ = ["Copy", "ImageDataset", "Images", "LabelledImages", "Part", "Reader"]


class Images(Protocol):
    """Images with stable ids 0 .. N - 1, of which a run uses some.

    Attributes:
        labels: `(N,)` int64, positions in `classes`; -1 for an image that nobody labelled.
        classes: names.
    """

    @property
    def labels(self) -> Ints:
        """As above."""

    @property
    def classes(self) -> tuple[str, ...]:
        """As above."""

    def take(self, ids: Ints) -> Pixels:
        """`(n, H, W, C)` uint8, the images of ascending ids; not to be written to.

        Raises:
            BiasloopError: if a file is not as it was when it was opened.
        """

    def digest(self, pixels: Pixels) -> str:
        """Tells these images and labels from any others; `pixels` are those that the run uses."""


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

    def take(self, ids: Ints) -> Pixels:
        """The images of ascending ids; all of them are not copied."""
        return self.images if len(ids) == len(self) else self.images[ids]

    def digest(self, pixels: Pixels) -> str:
        """Of all images and labels, whichever are kept."""
        return digest_of(self.images, self.labels)


def digest_of(*arrays: npt.NDArray[np.generic]) -> str:
    """A digest of arrays with their shapes and types."""
    import numpy as np

    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def digest_of_blocks(shape: tuple[int, ...], blocks: Iterable[Pixels], labels: Ints, classes: str) -> str:
    """A digest of images that come block by block.

    Args:
        shape: (N, H, W, C) of all.
        blocks: of consecutive images, uint8; however they are cut, the digest is the same.
        labels: `(N,)`.
        classes: their names, as JSON.
    """
    import numpy as np

    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(shape).encode())
    for block in blocks:
        digest.update(np.ascontiguousarray(block).data)
    digest.update(np.asarray(labels, "<i8").tobytes())
    digest.update(classes.encode())
    return digest.hexdigest()


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
        stream: instead, what opens files too large to be read whole: `(dataset, directory)` to images.
        mean: published mean of each channel of pixels scaled to 0 .. 1; None where none is used.
        std: their published standard deviation.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    counts: Mapping[str, int] = field(hash=False)
    read: Reader | None = None
    stream: Opener | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

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

    def open(self, data: Path) -> Images:
        """The data set with its labels in memory; its images too, unless they are streamed from files.

        Args:
            data: the data directory.

        Raises:
            SomethingToFetch: if a file is not there.
            DownloadError: if one is damaged.
        """
        if self.stream is None:
            return _loaded(self, data, self.stamp(data))  # the runs of a study read it once
        directory = self.require(data)
        with _readable(directory):
            return self.stream(self, directory)

    def load(self, data: Path) -> LabelledImages:
        """Read all splits into memory.

        Args:
            data: the data directory.

        Raises:
            SomethingToFetch: if a file is not there.
            DownloadError: if one is damaged.
        """
        import numpy as np

        directory = self.require(data)
        if self.read is None:
            opened = self.open(data)
            return LabelledImages(opened.take(np.arange(self.count)), opened.labels, self.classes, self.splits)
        images = np.empty((self.count, *self.shape), np.uint8)
        labels = np.full(self.count, -1, np.int64)
        with _readable(directory):
            for part in self.read(self, directory):
                self._check(part)
                rows = slice(part.start, part.start + len(part.labels))
                images[rows], labels[rows] = part.images, part.labels
        if (labels < 0).any():
            missing = int((labels < 0).sum())
            raise self.damaged(self.shipped or directory, f"{missing:,} of {self.count:,} images are missing")
        return LabelledImages(images, labels, self.classes, self.splits)

    def _check(self, part: Part) -> None:
        if part.images.dtype != "uint8" or part.images.shape[1:] != self.shape:
            form = f"{part.images.dtype} {part.images.shape[1:]}"
            raise self.damaged(part.file, f"its images are {form}, expected uint8 {self.shape}")
        if part.labels.shape != part.images.shape[:1]:
            counts = f"{len(part.images):,} images and labels of shape {part.labels.shape}"
            raise self.damaged(part.file, f"it has {counts}")
        if part.start + len(part.labels) > self.count:
            raise self.damaged(part.file, f"it has more images than the {self.count:,} expected")
        self.check_labels(part.file, part.labels)

    def check_labels(self, file: Path, labels: npt.NDArray[np.generic]) -> None:
        """Refuse labels that are not positions in `classes`.

        Raises:
            DownloadError: naming the first.
        """
        wrong = (labels < 0) | (labels >= len(self.classes))  # type: ignore[operator]
        if labels.dtype.kind not in "iu" or wrong.any():
            row = int(wrong.argmax())
            label = f"label {labels[row]} of image {row}"
            raise self.damaged(file, f"{label} is not a whole number from 0 to {len(self.classes) - 1}")


@lru_cache(maxsize=1)
def _loaded(dataset: ImageDataset, data: Path, stamp: Stamp) -> LabelledImages:
    return dataset.load(data)


@contextmanager
def _readable(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DownloadError(f"cannot read {error.filename or directory}: {error.strerror or error}") from error


Reader = Callable[[ImageDataset, Path], Iterator[Part]]
"""Reads the files in a directory."""

Opener = Callable[[ImageDataset, Path], Images]
"""Opens the files in a directory: their labels are read, their images when they are taken."""
