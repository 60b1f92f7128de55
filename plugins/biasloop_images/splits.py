"""Test set, holdout and pool of the images that are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.contract.data import Ints, Splits
from biasloop.contract.randomness import Streams
from biasloop.datasets import splitting
from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from biasloop_images.config import Config
    from biasloop_images.sources import Source


def draw(config: Config, source: Source, name: str, used: Ints, unlabelled: Ints, streams: Streams) -> Splits:
    """Test set, holdout and pool; each with ascending ids.

    The test set is drawn uniformly, or is the published one; the holdout is drawn from the others.

    Args:
        config: sizes.
        source: of the images.
        name: the data's, for messages.
        used: `(n,)` ascending ids of the labelled images that are used.
        unlabelled: `(m,)` ascending ids of the others, which are all in the pool.
        streams: where the order comes from.

    Raises:
        InvalidInput: if test set and holdout leave nothing, or there is no published test set.
    """
    left = " left once domain.imbalance has made one class more frequent" if config.imbalance else ""
    test = _published(source, name, used) if config.test == "published" else config.test
    has = f"{name} has {len(used)} images{left}"
    return splitting.draw(used, streams, test, config.holdout, unlabelled=unlabelled, has=has)


def _published(source: Source, name: str, used: Ints) -> splitting.Given:
    """Those of the images that are of the published test set."""
    if "test" not in source.published:
        known = f"its splits are {', '.join(source.published)}" if source.published else "it is not a published one"
        raise InvalidInput(
            f'domain.test is "published", and {name} has no published test split ({known}); '
            "set domain.test to a number of images"
        )
    rows = source.published["test"]
    inside = used[(used >= rows.start) & (used < rows.stop)]
    return splitting.Given(inside, 'domain.test "published"', "set domain.test to a number of images")
