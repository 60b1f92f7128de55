"""The first three of the six parts of CIFAR-5m: `part0.npz` to `part2.npz`, as the published experiments use them.

Source: the CIFAR-5m home page. `X` is `(1000448, 32, 32, 3)` uint8, `Y` has their classes in the order of CIFAR-10. No
checksum is published, so a fetched part is held against the CRC-32s that the zip archive itself has, and its arrays
have to be of the published kind and shape.
"""

from pathlib import Path

import numpy as np

from biasloop.datasets.images import ImageDataset
from biasloop.datasets.npz import Member, crc_errors, members
from biasloop.datasets.streaming import StreamedImages, Unreadable


def open_parts(dataset: ImageDataset, directory: Path) -> StreamedImages:
    """The parts one after another; their labels are read."""
    images, labels = [], []
    for count, remote in zip(dataset.counts.values(), dataset.remotes, strict=True):
        file = directory / remote.filename
        try:
            x, y = _arrays(file, (count, *dataset.shape))
            part_labels = y.read()
        except Unreadable as error:
            raise dataset.damaged(file, str(error)) from error
        dataset.check_labels(file, part_labels)
        images.append(x)
        labels.append(part_labels.astype(np.int64))
    return StreamedImages(images, np.concatenate(labels), dataset.classes, dataset.mend)


def examine(path: Path, shape: tuple[int, ...]) -> str | None:
    """Why a file is not a whole part with images of that shape, or None; reads it all."""
    try:
        _arrays(path, shape)
    except Unreadable as error:
        return str(error)
    return crc_errors(path)


def _arrays(path: Path, shape: tuple[int, ...]) -> tuple[Member, Member]:
    arrays = members(path)
    if not {"X", "Y"} <= arrays.keys():
        raise Unreadable(f"it has the arrays {', '.join(arrays) or '(none)'}, expected X and Y")
    x, y = arrays["X"], arrays["Y"]
    if x.dtype != np.uint8 or x.shape != shape:
        raise Unreadable(f"its array X is {x.dtype} {x.shape}, expected uint8 {shape}")
    if y.dtype.kind not in "iu" or y.shape != shape[:1]:
        raise Unreadable(f"its array Y is {y.dtype} {y.shape}, expected whole numbers {shape[:1]}")
    return x, y
