"""What the published code does otherwise (Chen et al. 2024): its mixer draws shard by shard from one stream."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from biasloop.contract.data import Bools


def released_masks(sizes: Sequence[int], share: float, seed: int = 123) -> list[Bools]:
    """Which samples of each shard are to be replaced, as the published mixer draws it.

    One legacy generator runs through all shards in the order of their names, so a mask depends on all shards before.
    Masks of one seed are nested: `choice` compares uniforms with 1 - share.

    Args:
        sizes: samples of each shard, those without a generated picture, too.
        share: from 0 to 1.
        seed: of the stream.

    Returns:
        `(samples,)` of each shard.
    """
    generator = np.random.RandomState(seed)
    return [generator.choice(2, size=size, p=[1 - share, share]).astype(bool) for size in sizes]


def released_replaced(keys: Sequence[int], mask: Bools, without: Collection[int], *, shifted: bool = True) -> list[int]:
    """Keys of a shard whose picture the published mixer replaces.

    It looks a mask up at the place of the sample that it processed before: the first sample has the last entry, and
    after a sample that was dropped (one without a generated picture) the place stays behind.

    Args:
        keys: of a shard's samples, in the order of their names.
        mask: `(samples,)` as `released_masks` draws it.
        without: keys that have no generated picture.
        shifted: as released; False takes each sample's own entry.
    """
    replaced, before = [], -1
    for position, key in enumerate(keys):
        if key in without:
            continue
        if mask[before if shifted else position]:
            replaced.append(key)
        before = position
    return replaced


def released_folder(share: float) -> str:
    """What the published mixer puts behind the name of its output: per cent, cut off (.29 gives 028)."""
    return f"{int(100 * share):03d}"
