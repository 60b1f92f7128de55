"""Test set, holdout and pool of the images that are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from biasloop.contract.data import Ints, Splits
from biasloop.contract.randomness import Streams
from biasloop.datasets import splitting
from biasloop.datasets.imbalance import class_id, resample
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.stream import Stream, quotas

if TYPE_CHECKING:
    from biasloop_images.config import Config
    from biasloop_images.sources import Source

VALIDATION = ("valid", "val", "validation")
"""What published validation splits are called."""


def used(config: Config, labels: Ints, classes: Sequence[str], chosen: int | None, streams: Streams) -> Ints:
    """`(n,)` ascending ids of the labelled images that are used, of which `domain.imbalance` may leave some out.

    Args:
        config: the domain's settings.
        labels: `(N,)` class of each image; -1 for none.
        classes: names.
        chosen: the class that is more frequent.
        streams: of the run's data.

    Raises:
        InvalidInput: as `resample`.
    """
    if chosen is None or config.imbalance is None:
        return np.flatnonzero(labels >= 0)
    return resample(labels, classes, chosen, config.imbalance.factor, streams.at("imbalance"))


@dataclass(frozen=True)
class Splitting:
    """What splits are drawn of.

    Attributes:
        config: sizes, and how they are drawn.
        source: of the images.
        labels: `(N,)` class of each image; -1 for none.
        used: `(n,)` ascending ids of the labelled images that are used.
        stream: what fits draw their batches from; None for what they are given.
    """

    config: Config
    source: Source
    labels: Ints
    used: Ints
    stream: Stream | None

    @property
    def name(self) -> str:
        """The data's, for messages."""
        return self.config.path or self.config.data

    def draw(self, streams: Streams) -> Splits:
        """Test set, holdout and pool; each with ascending ids.

        The test set is drawn uniformly, or is the published one, or has equally many of each class; the holdout is
        drawn from the others, or is a published or even half of them. What is cut off a published test set or such a
        half, to have equally many of each class, is in no split.

        Images without a label are all in the pool.

        Args:
            streams: where the order comes from.

        Raises:
            InvalidInput: if test set and holdout leave nothing, or there are no such published splits, or a class has
                too few images.
        """
        config, balanced, unlabelled = self.config, self.config.balanced or (), np.flatnonzero(self.labels < 0)
        left = " left once domain.imbalance has made one class more frequent" if config.imbalance else ""
        has = f"{self.name} has {len(self.used)} images{left}"
        order = streams.order(self.used)
        test = self._test(order)
        if config.test == "published" and isinstance(test, splitting.Given) and "test" in balanced:
            cut = self._cut(order[np.isin(order, test.test)], "test")
            order, test = order[~np.isin(order, np.setdiff1d(test.test, cut))], replace(test, test=cut)
        if config.split is not None or config.holdout_like is not None or "holdout" in balanced:
            if not isinstance(test, splitting.Given):
                test = splitting.Given(order[:test], f"domain.test {test}", "lower it")
            holdout = self._holdout(order[~np.isin(order, test.test)])
            if config.split is not None and "holdout" in balanced:
                cut = self._cut(holdout, "holdout")
                order, holdout = order[~np.isin(order, np.setdiff1d(holdout, cut))], cut
            test = splitting.Given(test.test, f"{test.key} and {self._reason}", test.mend, holdout)
        splits = splitting.draw(np.sort(order), streams, test, config.holdout, unlabelled=unlabelled, has=has)
        if "pool" in balanced:
            labelled = order[np.isin(order, splits.pool)]
            splits = replace(splits, pool=np.union1d(self._cut(labelled, "pool"), unlabelled))
        if config.relevant is None:
            return splits
        test_set, holdout = self._relevant(splits.test, "test set"), self._relevant(splits.holdout, "holdout")
        return replace(splits, test=test_set, holdout=holdout)

    @property
    def _reason(self) -> str:
        """What asks for the holdout."""
        split = self.config.split
        return f"domain.holdout {self.config.holdout}" if split is None else f'domain.split "{split}"'

    def _test(self, order: Ints) -> int | splitting.Given:
        """The published test set, or one with equally many of each class, or how many are to be drawn."""
        test, balanced = self.config.test, "test" in (self.config.balanced or ())
        if test == "published":
            inside = self._published(("test",), 'domain.test is "published"', "set domain.test to a number of images")
            return splitting.Given(inside, 'domain.test "published"', "set domain.test to a number of images")
        if not balanced:
            return test
        return splitting.Given(self._equal(order, test, "domain.test"), f"domain.test {test}", "lower it")

    def _holdout(self, order: Ints) -> Ints:
        """The holdout, of what the test set has left."""
        config = self.config
        if config.split == "even-odd":
            return order[np.flatnonzero(order % 2)]
        if config.split == "published":
            rows = self._published(VALIDATION, 'domain.split is "published"', 'set domain.split to "even-odd"')
            return order[np.isin(order, rows)]
        if config.holdout_like is None:
            return self._equal(order, config.holdout, "domain.holdout")
        assert self.stream is not None
        sizes = quotas(config.holdout, self.stream.shares, self.source.classes, "domain.holdout")
        return self._first(order, sizes, "domain.holdout")

    def _published(self, splits: tuple[str, ...], asked: str, mend: str) -> Ints:
        """Those of the images that are of a published split, ascending."""
        published = self.source.published
        split = next((split for split in splits if split in published), None)
        if split is None:
            known = f"its splits are {', '.join(published)}" if published else "it is not a published one"
            kind = "test" if splits == ("test",) else "validation"
            raise InvalidInput(f"{asked}, and {self.name} has no published {kind} split ({known}); {mend}")
        rows = published[split]
        inside: Ints = self.used[(self.used >= rows.start) & (self.used < rows.stop)]
        return inside

    def _equal(self, order: Ints, count: int, key: str) -> Ints:
        """The first of each class, equally many."""
        classes = len(self.source.classes)
        if count % classes or not count:
            lower = count - count % classes
            numbers = f"{lower} or {lower + classes}" if lower else str(classes)
            raise InvalidInput(
                f"{key} is {count}, and domain.balanced asks for equally many images of {classes} classes; set {key} "
                f"to {numbers}"
            )
        return self._first(order, np.full(classes, count // classes), key)

    def _first(self, order: Ints, sizes: Ints, key: str) -> Ints:
        """The first of each class, so many."""
        classes = self.source.classes
        counts = np.bincount(self.labels[order], minlength=len(classes))  # (classes,)
        if (counts < sizes).any():
            short = int(np.flatnonzero(counts < sizes)[0])
            raise InvalidInput(
                f"{key} needs {sizes[short]:,} images of {classes[short]!r}, and {self.name} has {counts[short]:,} "
                f"left; lower {key}"
            )
        parts = [order[self.labels[order] == label][:size] for label, size in enumerate(sizes)]
        return np.sort(np.concatenate(parts))

    def _cut(self, order: Ints, split: str) -> Ints:
        """As many of each class as of the smallest."""
        counts = np.bincount(self.labels[order], minlength=len(self.source.classes))
        if not counts.min():
            without = self.source.classes[int(counts.argmin())]
            raise InvalidInput(
                f"the {split} has no image of {without!r}, and domain.balanced asks for equally many of each class; "
                f'take "{split}" out of it, or lower domain.test and domain.holdout'
            )
        return self._first(order, np.full(len(counts), counts.min()), f"the {split}")

    def _relevant(self, ids: Ints, split: str) -> Ints:
        """Those of the classes that are asked about."""
        names = self.config.relevant or []
        classes = [class_id(name, self.source.classes, self.name, "domain.relevant") for name in names]
        inside = ids[np.isin(self.labels[ids], classes)]
        if len(ids) and not len(inside):
            raise InvalidInput(f"the {split} has no image of {', '.join(names)}, which domain.relevant asks for")
        return inside
