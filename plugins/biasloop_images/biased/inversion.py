"""Groups of images with inverted colours. Source: Hall et al. (2022), released code."""

from __future__ import annotations

from biasloop.contract.data import Array, Bools, Floats, Ints
from biasloop.lazy import numpy as np
from biasloop_images.biased import group_draws


def inverted(labels: Ints, tasks: Ints, share: Floats, seed: int) -> Array:
    """Which images of a split are inverted.

    Args:
        labels: `(n,)` class of each image, in the order of ids.
        tasks: `(classes,)` task of each class.
        share: `(tasks,)` share of a task's images that are inverted.
        seed: of the draw.

    Returns:
        `(n,)` uint8, 1 where inverted.
    """
    sizes = np.bincount(labels, minlength=len(tasks)).astype(np.int64)  # (classes,)
    marks = np.empty(len(labels), np.uint8)
    marks[group_draws.by_class(labels)] = group_draws.lists(sizes, group_draws.group_counts(sizes, tasks, share), seed)
    return marks


def subset(labels: Ints, tasks: Ints, share: Floats, fraction: float, seed: int) -> tuple[Ints, Array]:
    """A part of every class, and which of its images are inverted: the published training-size subsets.

    Args:
        labels: `(n,)` class of each image, in the order of ids.
        tasks: `(classes,)` task of each class.
        share: `(tasks,)` share of a task's images that are inverted.
        fraction: share of each class that is kept, in (0, 1].
        seed: of the choice; the draw of the inverted has the next seed.

    Returns:
        Positions that are kept, class after class in the order in which they were drawn; and for each 1 where it is
        inverted (uint8).
    """
    generator = np.random.RandomState(seed)
    chosen = []
    for label in range(len(tasks)):
        positions = np.flatnonzero(labels == label)  # (images of the class,)
        generator.shuffle(positions)
        chosen.append(positions[: int(group_draws.nearest_count(len(positions), fraction))])
    sizes = np.array([len(positions) for positions in chosen], np.int64)  # (classes,)
    inside = group_draws.group_counts(sizes, tasks, share)  # (classes,)
    return np.concatenate(chosen), group_draws.lists(sizes, inside, seed + 1)


def invert(images: Array, chosen: Bools) -> Array:
    """A copy in which the pixels of chosen images are 255 minus what they were.

    Args:
        images: `(n, H, W, C)` uint8.
        chosen: `(n,)`.
    """
    flips = np.where(chosen, 255, 0).astype(np.uint8)  # (n,)
    return np.bitwise_xor(images, flips[:, None, None, None])
