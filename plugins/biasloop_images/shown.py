"""What a person is shown of the data before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from biasloop.contract.data import Array, Ints, Page, Splits
from biasloop.contract.names import GROUP, TEST
from biasloop.contract.randomness import Streams
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop_images.biased.build import Biased
    from biasloop_images.stream import Stream


def page(
    name: str,
    count: int,
    splits: Splits,
    data: tuple[Callable[[Ints], Array], Biased | None],
    labels: tuple[Ints, Sequence[str]],
    streams: Streams,
    stream: Stream | None = None,
) -> Page:
    """Images of the pool drawn at random, and how many of each class and group the labelled ones of every split are.

    Where fits draw their batches otherwise, also how many of each an epoch over the pool has.

    Args:
        name: the data's.
        count: of images.
        splits: of the run.
        data: what gives images of ascending ids, and how they are changed.
        labels: `(N,)` class by id, and names.
        streams: of the draw.
        stream: what fits draw their batches from; None for the training set as it is.
    """
    rows, biased = streams.order(splits.pool)[:count], data[1]
    strata = {"class": labels}
    if biased is not None:
        strata[GROUP] = (biased.attributes, biased.design.attributes)
    pool = np.setdiff1d(splits.pool, splits.unlabelled)
    parts = {"pool": pool, "holdout": splits.holdout, TEST: splits.test}
    if stream is not None:
        epoch = stream.of(pool, labels[0][pool]).order(streams.at("epoch").generator())
        parts = {"pool": pool, "an epoch as it is drawn": pool[epoch], **parts}
    values, names = zip(*strata.values(), strict=True)
    counts = {split: _counts([told[ids] for told in values], names) for split, ids in parts.items() if len(ids)}
    return Page(name, of(rows, *data), counts, tuple(strata), names)


def of(ids: Ints, take: Callable[[Ints], Array], biased: Biased | None) -> Array:
    """`(n, H, W, C)` images in the order of ids, changed as biased data are.

    Args:
        ids: `(n,)`.
        take: gives images of ascending ids.
        biased: how they are changed; None for not at all.
    """
    ascending = np.unique(ids)
    images = take(ascending)
    if biased is not None:
        images = biased.changed(images, ascending, take)
    return images[np.searchsorted(ascending, ids)]


def _counts(values: Sequence[Ints], names: Sequence[Sequence[str]]) -> Ints:
    """How often each combination of values occurs; an axis for each of `values`."""
    shape = tuple(map(len, names))
    return np.bincount(np.ravel_multi_index(tuple(values), shape), minlength=math.prod(shape)).reshape(shape)
