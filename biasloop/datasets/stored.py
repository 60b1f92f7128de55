"""Images of a fetched archive in one HDF5 file: `images`, `labels`, the names of classes and a digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from biasloop import hdf5
from biasloop.datasets.images import digest_of_blocks
from biasloop.datasets.streaming import StreamedImages, Unreadable, spans

if TYPE_CHECKING:
    from biasloop.contract.data import Ints
    from biasloop.datasets.images import Pixels
    from biasloop.hdf5 import Group

_CHUNK = 768 * 1024  # bytes
_CACHE = 96 << 20  # bytes: images of a folder may come in any order, and its chunks are written once


@dataclass(frozen=True)
class StoredBlocks:
    """The images of a file (`biasloop.datasets.streaming.Blocks`)."""

    path: Path
    shape: tuple[int, ...]

    def blocks(self, wanted: Ints) -> Iterator[tuple[int, Pixels]]:
        """Blocks of rows."""
        row = int(np.prod(self.shape[1:]))
        with _opened(self.path) as file:
            images = file.dataset("images")
            if images.shape != self.shape:
                raise Unreadable(f"it has images of shape {images.shape}, and had {self.shape}")
            for start, stop in spans(self.shape[0], row, wanted):
                yield start, images.rows(start, stop)


def open_stored(path: Path, mend: str) -> StreamedImages:
    """The images of a file; their labels are read.

    Args:
        path: the file.
        mend: what to do should it be damaged, as part of a sentence.

    Raises:
        Unreadable: if it is not such a file.
    """
    with _opened(path) as file:
        images, labels = file.dataset("images"), file.dataset("labels")
        if images.dtype != np.uint8 or len(images.shape) != 4 or labels.shape != images.shape[:1]:
            raise Unreadable(f"it has {images.dtype} {images.shape} images and labels of shape {labels.shape}")
        if labels.dtype.kind not in "iu":
            raise Unreadable(f"it has {labels.dtype} labels")
        classes = tuple(str(name) for name in json.loads(str(file.attributes["classes"])))
        digest = str(file.attributes["digest"])
        return StreamedImages([StoredBlocks(path, images.shape)], labels.read(), classes, mend, digest)


def why_damaged(path: Path) -> str | None:
    """Why a file does not read to its end with its checksums and its digest, or None."""
    try:
        with _opened(path) as file:
            images, labels = file.dataset("images"), file.dataset("labels").read()
            blocks = _all(images.shape, images.rows)
            digest = digest_of_blocks(images.shape, blocks, labels, str(file.attributes["classes"]))
            return None if digest == file.attributes["digest"] else "its digest is not that of its content"
    except Unreadable as error:
        return str(error)


@contextmanager
def storing(path: Path, shape: tuple[int, ...], labels: Ints, classes: Sequence[str]) -> Iterator[h5py.Dataset]:
    """Make a file; the images, `(N, H, W, C)` uint8, are to be filled inside. The caller places it whole.

    Args:
        path: a temporary name; nothing may be there.
        shape: (N, H, W, C).
        labels: `(N,)`.
        classes: names.
    """
    rows = max(1, min(shape[0], _CHUNK // int(np.prod(shape[1:]))))
    with h5py.File(path, "x", libver=("v108", "v108"), rdcc_nbytes=_CACHE, rdcc_nslots=10_007) as file:
        file.attrs["classes"] = json.dumps(list(classes))
        file.create_dataset("labels", data=labels.astype(np.int64), fletcher32=True, track_times=False)
        images = file.create_dataset(
            "images", shape, np.uint8, chunks=(rows, *shape[1:]), fletcher32=True, track_times=False
        )
        yield images
        file.flush()
        blocks = _all(images.shape, lambda start, stop: images[start:stop])
        file.attrs["digest"] = digest_of_blocks(images.shape, blocks, labels, str(file.attrs["classes"]))


def _all(shape: tuple[int, ...], rows: Callable[[int, int], Pixels]) -> Iterator[Pixels]:
    """Images block by block; `rows` gives those from one position to before another."""
    for start, stop in spans(shape[0], int(np.prod(shape[1:])), np.arange(shape[0])):
        yield rows(start, stop)


@contextmanager
def _opened(path: Path) -> Iterator[Group]:
    try:
        with hdf5.opened(path, strings=True) as file:
            yield file
    except (hdf5.Malformed, OSError, KeyError, ValueError, TypeError) as error:
        raise Unreadable((str(error).strip() or type(error).__name__).splitlines()[0]) from error
