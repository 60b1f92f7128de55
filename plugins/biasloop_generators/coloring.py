"""Labels, groups and pixels of coloured images: grey ones, made red or green in a way that goes with the label.

Source: Wyllie, Shumailov, Papernot (2024), ColoredMNIST and ColoredSVHN as in the released code. Group 0 is green and
the majority of label 1, group 1 is red.
"""

from __future__ import annotations

from dataclasses import dataclass

from biasloop.contract.data import Array, Floats, Ints
from biasloop.lazy import numpy as np

RED, GREEN = 0, 1  # channels; group 1 is red, group 0 green
EVEN = (0.5, 0.5)  # green with the same probability whatever the label
_AT_A_TIME = 4096  # images


@dataclass(frozen=True)
class Coloring:
    """How classes become a label with noise, and labels a colour.

    Attributes:
        threshold: classes from it on have label 1, those below label 0.
        reverse: the other way round, as in ColoredSVHN.
        noise: probability that a label is wrong, 0 .. 1; wrong labels decide the colour like right ones.
        green: probability of green (group 0), given label 0 and label 1.
    """

    threshold: int = 5
    reverse: bool = False
    noise: float = 0.05
    green: tuple[float, float] = (0.3, 0.7)

    def labels(self, classes: Ints, uniforms: Floats) -> Ints:
        """Labels 0 and 1, with noise.

        Args:
            classes: `(n,)`, digits for instance.
            uniforms: `(n,)` in [0, 1); below `noise`, the label is wrong.
        """
        clean = (classes >= self.threshold) != self.reverse  # (n,) bool
        return np.asarray(clean != (uniforms < self.noise), np.int64)

    def groups(self, labels: Ints, uniforms: Floats) -> Ints:
        """Groups, 0 (green) or 1 (red).

        Args:
            labels: `(n,)` with noise.
            uniforms: `(n,)` in [0, 1); below the probability of green, the image is green.
        """
        return np.asarray(uniforms >= np.array(self.green)[labels], np.int64)


def draws(seed: int, count: int) -> Floats:
    """`(count, 2)` uniforms of NumPy's legacy generator: of each image in turn, of its label and of its colour.

    Args:
        seed: 0 .. 2**32 - 1.
        count: of images.
    """
    return np.random.RandomState(seed).random_sample((count, 2))


def colored(grey: Array, groups: Ints) -> Array:
    """Grey images in the red channel (group 1) or in the green one (group 0); the other channels are zero.

    Args:
        grey: `(n, H, W)` uint8.
        groups: `(n,)` 0 or 1.

    Returns:
        `(n, H, W, 3)` uint8.
    """
    images = np.zeros((*grey.shape, 3), np.uint8)  # (n, H, W, 3)
    for group, channel in ((0, GREEN), (1, RED)):
        rows = groups == group  # (n,) bool
        images[rows, ..., channel] = grey[rows]
    return images


def luminance(images: Array) -> Array:
    """Grey images as Pillow makes them: 0.299 R + 0.587 G + 0.114 B in 16 bits of fraction, rounded (ITU-R 601-2).

    Args:
        images: `(n, H, W, 3)` uint8, red, green, blue; or `(n, H, W, 1)`, which are grey.

    Returns:
        `(n, H, W)` uint8.
    """
    if images.shape[-1] == 1:
        return images[..., 0]
    grey = np.empty(images.shape[:-1], np.uint8)  # (n, H, W)
    for start in range(0, len(images), _AT_A_TIME):
        part = images[start : start + _AT_A_TIME].astype(np.uint32)  # (images, H, W, 3)
        grey[start : start + _AT_A_TIME] = (
            part[..., 0] * 19_595 + part[..., 1] * 38_470 + part[..., 2] * 7_471 + 32_768
        ) >> 16
    return grey
