"""What a person is shown of the data before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from biasloop.contract.data import Array, Ints, Page, Splits
from biasloop.contract.names import GROUP, TEST
from biasloop.contract.randomness import Streams
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop_images.biased.build import Biased


def page(
    name: str, count: int, splits: Splits, labels: Mapping[str, tuple[Ints, Sequence[str]]],
    images: Callable[[Ints], Array], streams: Streams,
) -> Page:  # fmt: skip
    """Images of the pool drawn at random, and how many of each class the labelled ones of every split are.

    Args:
        name: the data's.
        count: of images.
        splits: of the run.
        labels: by name, `(N,)` values by id and what they index.
        images: gives those of ascending ids.
        streams: of the draw.
    """
    rows = streams.order(splits.pool)[:count]
    ascending = np.sort(rows)
    parts = {"pool": np.setdiff1d(splits.pool, splits.unlabelled), "holdout": splits.holdout, TEST: splits.test}
    values, names = zip(*labels.values(), strict=True)
    counts = {split: _counts([of[ids] for of in values], names) for split, ids in parts.items() if len(ids)}
    return Page(name, images(ascending)[np.searchsorted(ascending, rows)], counts, tuple(labels), names)


def labels_of(told: Ints, classes: Sequence[str], biased: Biased | None) -> dict[str, tuple[Ints, Sequence[str]]]:
    """The classes, and of biased data the groups, of all images."""
    labels: dict[str, tuple[Ints, Sequence[str]]] = {"class": (told, classes)}
    return labels if biased is None else labels | {GROUP: (biased.attributes, biased.design.attributes)}


def _counts(values: Sequence[Ints], names: Sequence[Sequence[str]]) -> Ints:
    """How often each combination of values occurs; an axis for each of `values`."""
    shape = tuple(map(len, names))
    return np.bincount(np.ravel_multi_index(tuple(values), shape), minlength=math.prod(shape)).reshape(shape)
