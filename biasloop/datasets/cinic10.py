"""CINIC-10: a tar of 270,000 PNG files, made into one HDF5 file when it is fetched.

Source: the CINIC-10 home page. Members are `{train,valid,test}/CLASS/NAME.png`, perhaps below a leading directory. Rows
are in the order in which an image folder loader reads them: train, valid, test; classes by the alphabet; names sorted.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biasloop.contract.data import Ints
from biasloop.datasets.decoding import opened
from biasloop.datasets.images import ImageDataset
from biasloop.datasets.stored import open_stored, storing
from biasloop.datasets.streaming import StreamedImages, Unreadable
from biasloop.downloads.tarheads import bounded

FOLDERS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_MEMBER = re.compile(rf"(?:\./)?(?:[^/]+/)?(train|valid|test)/({'|'.join(FOLDERS)})/([^/]+\.png)")
_LARGEST = 1 << 20  # bytes of a PNG file of 32x32 pixels, generously

if TYPE_CHECKING:
    from biasloop.datasets.images import Pixels

Key = tuple[int, int, str]
"""Split, class and name of a file; their order is that of rows."""


def open_made(dataset: ImageDataset, directory: Path) -> StreamedImages:
    """The file that was made; its labels are read."""
    assert dataset.made is not None
    path = directory / dataset.made.filename
    try:
        images = open_stored(path, dataset.mend)
    except Unreadable as error:
        raise dataset.damaged(path, str(error)) from error
    if (len(images), images.shape) != (dataset.count, dataset.shape):
        raise dataset.damaged(path, f"it has {len(images):,} images of shape {images.shape}")
    dataset.check_labels(path, images.labels)
    return images


def build(dataset: ImageDataset, directory: Path, path: Path) -> None:
    """Make the file from the archive, one image in memory at a time; the archive is read twice, names first.

    Raises:
        DownloadError: if the archive is damaged or lacks a file.
    """
    archive = directory / dataset.remotes[0].filename
    keys = sorted(key for key, _ in _members(dataset, archive, read=False))
    _check_counts(dataset, archive, keys)
    rows = {key: row for row, key in enumerate(keys)}
    labels: Ints = np.array([label for _, label, _ in keys], np.int64)
    with storing(path, (len(keys), *dataset.shape), labels, dataset.classes) as images:
        for key, content in _members(dataset, archive, read=True):
            images[rows[key]] = _pixels(dataset, archive, key, content)


def _members(dataset: ImageDataset, archive: Path, *, read: bool) -> Iterator[tuple[Key, bytes]]:
    """Keys of the image files, in the order of the archive, with their content if it is to be read."""
    splits = list(dataset.counts)
    try:
        with tarfile.open(archive, "r|gz", tarinfo=bounded(archive)) as tar:
            for member in tar:
                match = _MEMBER.fullmatch(member.name)
                if match is None:
                    continue
                if not member.isreg() or member.size > _LARGEST:
                    raise dataset.damaged(archive, f"{member.name} is no image file")
                stream = tar.extractfile(member) if read else None
                key = (splits.index(match[1]), FOLDERS.index(match[2]), match[3])
                yield key, stream.read() if stream else b""
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise dataset.damaged(archive, f"it does not unpack ({' '.join(str(error).split())})") from error


def _check_counts(dataset: ImageDataset, archive: Path, keys: list[Key]) -> None:
    """Every split has to have its images, each class equally many, each name once."""
    counts = Counter((split, label) for split, label, _ in set(keys))
    for position, (split, count) in enumerate(dataset.counts.items()):
        for label, folder in enumerate(FOLDERS):
            files, expected = counts[position, label], count // len(FOLDERS)
            if files != expected:
                raise dataset.damaged(archive, f"it has {files:,} files in {split}/{folder}, expected {expected:,}")
    if len(set(keys)) != len(keys):
        raise dataset.damaged(archive, "it has two files of one name")


def _pixels(dataset: ImageDataset, archive: Path, key: Key, content: bytes) -> Pixels:
    """RGB, also of the grey ones among them."""
    import io

    try:
        with opened(io.BytesIO(content), ["PNG"]) as image:
            pixels = np.asarray(image.convert("RGB"))
    except Unreadable as error:
        raise dataset.damaged(archive, f"{_name(dataset, key)} is no image ({error})") from error
    if pixels.shape != dataset.shape:
        height, width = pixels.shape[:2]
        raise dataset.damaged(archive, f"{_name(dataset, key)} has {height}x{width} pixels")
    return pixels


def _name(dataset: ImageDataset, key: Key) -> str:
    return f"{list(dataset.counts)[key[0]]}/{FOLDERS[key[1]]}/{key[2]}"
