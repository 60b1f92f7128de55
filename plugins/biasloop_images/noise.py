"""Human labels that are wrong: those that models are told, of images whose right ones are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from biasloop.contract.data import Ints, Splits
from biasloop.contract.randomness import Streams
from biasloop.datasets.imbalance import class_id
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop_images.config import Config


def told(config: Config, targets: Ints, splits: Splits, classes: Sequence[str], streams: Streams) -> Ints:
    """Labels as humans give them; those of images outside the pool are right.

    Which images, and what uniform noise labels them as, depends on (stream, id): a larger share has the wrong labels
    of a smaller one and more.

    Args:
        config: the domain's settings, of which `noise` says how many are wrong, and how.
        targets: `(N,)` right class by id.
        splits: of the run.
        classes: names.
        streams: of the draws.

    Returns:
        `(N,)` int64, another array.

    Raises:
        InvalidInput: a class of a pair is none, or labelled as itself.
    """
    noise, name = config.noise, config.path or config.data
    assert noise is not None
    labels, pool = targets.copy(), np.setdiff1d(splits.pool, splits.unlabelled)
    if noise.pairs is None:
        draws = streams.uniform(pool, 2)  # (n, 2): whether it is drawn anew, and as what
        drawn = draws[:, 0] < noise.share
        labels[pool[drawn]] = (draws[drawn, 1] * len(classes)).astype(np.int64)
        return labels
    for pair in noise.pairs:
        right, wrong = (class_id(each, classes, name, "domain.noise.pairs") for each in pair)
        if right == wrong:
            raise InvalidInput(
                f"domain.noise.pairs has {pair}: {classes[right]!r} labelled as itself; name two classes"
            )
        ids = np.sort(pool[targets[pool] == right])
        labels[ids[: int(noise.share * len(ids) + 1e-9)]] = wrong
    return labels
