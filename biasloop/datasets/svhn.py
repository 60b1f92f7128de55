"""The cropped-digit files of SVHN (`*_32x32.mat`, MATLAB 5 format).

Source: the SVHN home page. `X` is `(32, 32, 3, n)` uint8, `y` is `(n, 1)` from 1 to 10; 10 is the digit 0.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from biasloop.datasets.images import ImageDataset, Part


def read(dataset: ImageDataset, directory: Path) -> Iterator[Part]:
    """Parts, one a split, of `SPLIT_32x32.mat`; labels are digits."""
    from scipy.io import loadmat

    for split, rows in dataset.splits.items():
        file = directory / f"{split}_32x32.mat"
        try:
            content = loadmat(file, variable_names=("X", "y"))
            images, labels = np.asarray(content["X"]), np.asarray(content["y"]).reshape(-1)
        except Exception as error:  # a damaged file makes the reader raise nearly anything
            raise dataset.damaged(file, f"it does not read ({type(error).__name__}: {error})") from error
        count = dataset.counts[split]
        if images.ndim != 4 or images.shape[-1] != count or labels.shape != (count,):
            shapes = f"X of shape {images.shape} and {len(labels):,} labels"
            raise dataset.damaged(file, f"it has {shapes}, expected {count:,} images and labels")
        if labels.dtype.kind not in "iu" or not ((labels >= 1) & (labels <= 10)).all():
            raise dataset.damaged(file, "its labels are not all whole numbers from 1 to 10")
        yield Part(file, rows.start, images.transpose(3, 0, 1, 2), labels % 10)
