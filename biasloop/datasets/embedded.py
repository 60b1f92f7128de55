"""Data sets that come with biasloop, as `.npz` files with `images` and `labels`."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from biasloop.datasets.images import ImageDataset, Part


def read(dataset: ImageDataset, directory: Path) -> Iterator[Part]:
    """One part: the file; grey images have no channel axis there."""
    assert dataset.shipped is not None
    file = directory / dataset.shipped.name
    try:
        with np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        images = images.reshape(len(images), *dataset.shape)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, AttributeError) as error:
        raise dataset.damaged(file, f"it does not read ({error})") from error
    yield Part(file, 0, images, labels)
