"""What every fit draws its batches from, where one class has a share of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Floats, Ints
from biasloop.contract.randomness import Streams
from biasloop.datasets.imbalance import class_id
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.training.sampling import Sampling as Drawing
    from biasloop_images.config import Config
    from biasloop_images.options import Sampling


@dataclass(frozen=True)
class Stream:
    """How samples are drawn.

    Attributes:
        settings: the table `[domain.sampling]`.
        chosen: number of its class.
        classes: how many there are.
        streams: of the run's data, so that all fits leave out the same images.
        released: whether shares are not divided among the samples of a class, as in the released code.
    """

    settings: Sampling
    chosen: int
    classes: int
    streams: Streams
    released: bool = False

    @classmethod
    def made(cls, config: Config, classes: Sequence[str], streams: Streams) -> Stream | None:
        """The stream that `domain.sampling` asks for; None for none.

        Raises:
            InvalidInput: if no class has the name.
        """
        settings = config.sampling
        if settings is None:
            return None
        chosen = class_id(settings.class_name, classes, config.path or config.data, "domain.sampling.class")
        return cls(settings, chosen, len(classes), streams.at("sampling"), config.compat == "released")

    @property
    def shares(self) -> Floats:
        """`(classes,)` of all that is drawn."""
        from biasloop.training.sampling import class_shares

        return class_shares(self.classes, self.chosen, self.settings.share)

    def of(self, ids: Ints, labels: Ints) -> Drawing:
        """What an epoch over a training set draws.

        Args:
            ids: `(n,)` of the samples.
            labels: `(n,)` classes that they are trained on.
        """
        from biasloop.training import sampling

        settings = self.settings
        if settings.by == "weights":
            divided = settings.balanced and not self.released
            return sampling.by_class(labels, self.shares, divided=divided)
        by_id = np.argsort(ids, kind="stable")
        ranked = by_id[np.searchsorted(ids[by_id], self.streams.order(ids))]  # positions, in an order by (stream, id)
        return sampling.dropped(ranked, labels, self.chosen, settings.share)


def quotas(count: int, shares: Floats, classes: tuple[str, ...], key: str) -> Ints:
    """How many of so many samples each class has, to the nearest whole numbers.

    Args:
        count: of all.
        shares: `(classes,)`.
        classes: names.
        key: the setting with the count, for messages.

    Raises:
        InvalidInput: if a class gets none.
    """
    exact = count * shares
    sizes = np.floor(exact + 1e-9).astype(np.int64)  # (classes,)
    largest = np.argsort(sizes - exact, kind="stable")  # of what was cut off
    sizes[largest[: count - int(sizes.sum())]] += 1
    if not sizes.all():
        without = int(np.flatnonzero(sizes == 0)[0])
        raise InvalidInput(
            f"{key} {count} has no image of {classes[without]!r} at a share of {shares[without]:.3g}; set {key} to "
            f"{int(np.ceil(1 / shares[without]))} or more"
        )
    return sizes
