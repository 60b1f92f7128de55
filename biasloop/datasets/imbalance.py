"""Class imbalance: which samples of a data set are used, so that one class is more frequent."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from biasloop.contract.data import Ints
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np


def class_id(name: str, classes: Sequence[str], dataset: str, key: str = "domain.imbalance.class") -> int:
    """The label of a class, by its name; by its number, from 0, where none is called so.

    Args:
        name: what the person typed.
        classes: names.
        dataset: the data's name, for messages.
        key: the setting that names it, for messages.

    Raises:
        InvalidInput: if no class has that name; says the nearest.
    """
    if name in classes:
        return classes.index(name)
    if name in map(str, range(len(classes))):
        return int(name)
    near = difflib.get_close_matches(name, classes, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(classes[:10])}"
    raise InvalidInput(f"{key} is {name!r}, which {dataset} does not have{hint}")


def resample(
    labels: Ints, classes: Sequence[str], chosen: int, factor: int, streams: Streams, *, sample: str = "image"
) -> Ints:
    """Samples kept so that the chosen class is `factor` times as frequent as each other class.

    With f the number of samples of the chosen class: factor 1 cuts every class to the smallest; a larger one
    keeps f - f mod factor of the chosen class, and floor(f / factor) of each other class, or the whole class
    where it has fewer (Taori & Hashimoto 2022, released code). Which ones: the first in a random order that
    depends on (stream, id), so two factors share all the samples they can.

    Args:
        labels: `(N,)` class of each sample of the data set; -1 for those without one, of which none is kept.
        classes: names.
        chosen: the class that is to be more frequent.
        factor: >= 1.
        streams: where the order comes from.
        sample: what one is called in messages.

    Returns:
        `(n,)` ascending positions in `labels`.

    Raises:
        InvalidInput: if a class has no sample, or the factor leaves none of the other classes.
    """
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    if not counts.all():
        missing = classes[int(np.flatnonzero(counts == 0)[0])]
        raise InvalidInput(
            f"class {missing!r} has no {sample} in the data, and domain.imbalance needs some of each of the "
            f"{len(classes)} classes; leave out domain.imbalance or use other data"
        )
    of_chosen = int(counts[chosen])
    if factor > of_chosen:
        raise InvalidInput(
            f"domain.imbalance.factor {factor} leaves no {sample} of the other classes, because "
            f"{classes[chosen]!r} has only {of_chosen}; set a factor of at most {of_chosen}"
        )
    keep = np.full(len(classes), of_chosen // factor)
    keep[chosen] = of_chosen - of_chosen % factor
    if factor == 1:
        keep[:] = counts.min()
    positions = [streams.order(np.flatnonzero(labels == label))[:number] for label, number in enumerate(keep)]
    return np.sort(np.concatenate(positions))
