"""Test set and pool: as many images of each verb are tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop.contract.data import Splits
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biasloop.contract.data import Ints
    from biasloop.contract.randomness import Streams

_NAMED = 5  # verbs


def draw(
    verb: Ints, verbs: Sequence[str], streams: Streams, test_per_verb: int = 50, used: Ints | None = None
) -> Splits:
    """The last images of each verb, in a random order, are tested; all others are the pool.

    The order depends on (stream, id), so that two runs that differ in the images that are used share what they can.

    Args:
        verb: `(N,)` verb of each image, by id, as annotations state it.
        verbs: names.
        streams: where the order comes from.
        test_per_verb: how many images of each verb are tested.
        used: `(n,)` ascending ids; None for all.

    Returns:
        Test set and pool, ids ascending.

    Raises:
        InvalidInput: a verb has no more images than are tested; names them.
    """
    ids = np.arange(len(verb)) if used is None else used
    counts = np.bincount(verb[ids], minlength=len(verbs))  # (verbs,)
    few = np.flatnonzero(counts <= test_per_verb)
    if test_per_verb and len(few):
        raise InvalidInput(_too_few(few, counts, verbs, test_per_verb))
    order = streams.order(ids)
    grouped = order[np.argsort(verb[order], kind="stable")]  # (n,) verb after verb, each in the random order
    left = np.repeat(counts.cumsum(), counts) - np.arange(len(ids))  # images of the verb from here on
    tested = left <= test_per_verb
    return Splits(test=np.sort(grouped[tested]), pool=np.sort(grouped[~tested]))


def held_out(drawn: Splits, streams: Streams, count: int) -> Splits:
    """Some of the pool held out of training, whichever those of the lowest places in a random order are.

    Raises:
        InvalidInput: nothing would be left to train on.
    """
    if count >= len(drawn.pool):
        raise InvalidInput(
            f"domain.holdout is {count}, and {len(drawn.pool)} images are not in the test set, which leaves nothing to "
            "train on; set it lower"
        )
    order = streams.order(drawn.pool)
    return Splits(test=drawn.test, holdout=np.sort(order[:count]), pool=np.sort(order[count:]))


def _too_few(few: Ints, counts: Ints, verbs: Sequence[str], test_per_verb: int) -> str:
    named = ", ".join(f"{verbs[number]!r} ({counts[number]})" for number in few[:_NAMED].tolist())
    more = f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
    has, it = ("has", "it") if len(few) == 1 else ("have", "them")
    lowest = int(counts[few].min())
    advice = f"set it below {lowest}" if lowest > 1 else "give more images"
    return (
        f"domain.test_per_verb is {test_per_verb}, and {named}{more} {has} no more images than that, which leaves none "
        f"of {it} to train on; {advice}, or leave {it} out"
    )
