"""Test set, holdout and pool: drawn uniformly, or as the data say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Splits
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Ints
    from biasloop.contract.randomness import Streams


@dataclass(frozen=True)
class Given:
    """A test set that the data bring along, and perhaps a holdout.

    Attributes:
        test: `(n,)` ids with a label.
        key: the setting that asks for them, for messages.
        mend: what to do if they leave nothing to train on, as part of a sentence.
        holdout: `(n,)` ids with a label; None where the holdout is drawn.
    """

    test: Ints
    key: str
    mend: str
    holdout: Ints | None = None


def draw(
    labelled: Ints, streams: Streams, test: int | Given, holdout: int = 0, *, unlabelled: Ints | None = None, has: str
) -> Splits:
    """Test set, holdout and pool; each with ascending ids.

    Ids stand in a random order that depends on (stream, id): the first are the test set unless it is given, the first
    of the others are the holdout. So two runs that differ in the ids that are used share all the test ids they can.

    Args:
        labelled: `(n,)` ids that have a label.
        streams: where the order comes from.
        test: how many ids the test set has, or which.
        holdout: how many the holdout has, unless it is given too.
        unlabelled: `(m,)` ids without a label, which are in the pool whatever is drawn; None for none.
        has: what there is, for messages: `"cifar10 has 60000 images"`.

    Raises:
        InvalidInput: if nothing with a label is left to train on.
    """
    order = streams.order(labelled)
    if isinstance(test, Given):
        first, others = test.test, order[~np.isin(order, test.test)]
    else:
        first, others = order[:test], order[test:]
    if isinstance(test, Given) and test.holdout is not None:
        second, rest = test.holdout, others[~np.isin(others, test.holdout)]
    else:
        second, rest = others[:holdout], others[holdout:]
    if not len(rest):
        raise InvalidInput(_nothing_left(test, holdout, has, len(labelled)))
    without = np.zeros(0, np.int64) if unlabelled is None else np.sort(unlabelled)
    pool = np.union1d(rest, without)
    return Splits(test=np.sort(first), holdout=np.sort(second), pool=pool, unlabelled=without)


def _nothing_left(test: int | Given, holdout: int, has: str, count: int) -> str:
    key, mend = f"domain.test {test}", f"set {'them together' if holdout else 'it'} below {count}"
    if isinstance(test, Given):
        key, mend = test.key, test.mend
    keys = f"{key} and domain.holdout {holdout} leave" if holdout else f"{key} leaves"
    return f"{keys} nothing to train on: {has}; {mend}"
