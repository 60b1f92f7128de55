"""Test set, holdout and pool of the images that are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.contract.data import Bools, Ints, Splits
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop_images.config import Config
    from biasloop_images.sources import Source


def draw(config: Config, source: Source, name: str, used: Ints, streams: Streams) -> Splits:
    """Test set, holdout and pool; each with ascending ids.

    The test set is drawn uniformly, or is the published one; the holdout is drawn from the others.

    Args:
        config: sizes.
        source: of the images.
        name: the data's, for messages.
        used: `(n,)` ascending ids of the labelled images that are used.
        streams: where the order comes from.

    Raises:
        InvalidInput: if test set and holdout leave nothing, or there is no published test set.
    """
    test, holdout = config.test, config.holdout
    shown = f'"{test}"' if test == "published" else test
    given = f"domain.test {shown}" + (f" and domain.holdout {holdout}" if holdout else "")
    if test == "published":
        inside = _published(source, name, used)
        first, others = used[inside], streams.order(used[~inside])
        mend = "set domain.test to a number of images"
    else:
        order = streams.order(used)
        first, others = order[:test], order[test:]
        mend = f"set {'them together' if holdout else 'it'} below {len(used)}"
    if holdout >= len(others):
        left = " left once domain.imbalance has made one class more frequent" if config.imbalance else ""
        raise InvalidInput(f"{given} leave nothing to train on: {name} has {len(used)} images{left}; {mend}")
    return Splits(test=np.sort(first), holdout=np.sort(others[:holdout]), pool=np.sort(others[holdout:]))


def _published(source: Source, name: str, used: Ints) -> Bools:
    """Which of the images are of the published test set."""
    if "test" not in source.published:
        known = f"its splits are {', '.join(source.published)}" if source.published else "it is not a published one"
        raise InvalidInput(
            f'domain.test is "published", and {name} has no published test split ({known}); '
            "set domain.test to a number of images"
        )
    rows = source.published["test"]
    return np.asarray((used >= rows.start) & (used < rows.stop))
