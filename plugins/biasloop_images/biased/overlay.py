"""Images with an image of another class blended in, which makes their group.

Source: Hall et al. (2022), released code.
"""

from __future__ import annotations

from collections.abc import Sequence

from biasloop.contract.data import Array, Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.biased import group_draws

_AT_A_TIME = 4096  # images


def paired(tasks: Ints, images: Sequence[Ints], share: Floats, seed: int) -> tuple[Ints, Ints]:
    """A group for each image, and an image of that group for each, none twice.

    Args:
        tasks: `(n,)` task of each image, in the order of ids.
        images: for each group the ids of its images, ascending.
        share: `(tasks, groups)` shares of the groups in each task.
        seed: of the order of group images; the draws of the groups have the next seed.

    Returns:
        Groups and ids of group images, each `(n,)`.

    Raises:
        InvalidInput: if a group has too few images.
    """
    generator = np.random.RandomState(seed)
    orders = [ids.copy() for ids in images]
    for ids in orders:
        generator.shuffle(ids)
    groups = np.empty(len(tasks), np.int64)
    for task, parts in enumerate(share):
        inside = np.flatnonzero(tasks == task)  # (images of the task,)
        stops = group_draws.nearest_count(len(inside), np.cumsum(parts)[:-1])  # (groups - 1,)
        drawn = np.repeat(np.arange(len(parts)), np.diff(stops, prepend=0, append=len(inside)))  # as `inside`
        np.random.RandomState(seed + 1).shuffle(drawn)
        groups[inside] = drawn
    walk = np.argsort(tasks, kind="stable")  # (n,) images of the first task take theirs first
    partners = np.empty(len(tasks), np.int64)
    for group, ids in enumerate(orders):
        takers = walk[groups[walk] == group]  # (images in the group,)
        if len(takers) > len(ids):
            raise InvalidInput(
                f"an overlay needs {len(takers)} images of group {group} (from 0) and there are {len(ids)}; use each "
                "group about equally often in domain.bias.probabilities, or name more of its classes in "
                "domain.bias.groups"
            )
        partners[takers] = ids[: len(takers)]
    return groups, partners


def common_size(sizes: Sequence[int]) -> int:
    """Images of each task such that tasks are equal, and likewise used groups can serve them: an even number."""
    return min(sizes) // 2 * 2


def blend(images: Array, others: Array, eta: float) -> Array:
    """Images with others blended in, as Pillow's `Image.blend` rounds: float32, cut off towards 0.

    Args:
        images: `(n, H, W, C)` uint8.
        others: `(n, H, W, C)` uint8.
        eta: percent of the others, 0 to 100.
    """
    weight = np.float32(eta / 100)
    blended = np.empty_like(images)
    for start in range(0, len(images), _AT_A_TIME):
        rows = slice(start, start + _AT_A_TIME)
        below = images[rows].astype(np.float32)  # (rows, H, W, C)
        blended[rows] = (below + weight * (others[rows].astype(np.float32) - below)).astype(np.uint8)
    return blended
