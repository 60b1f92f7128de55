"""The bound of a loop over the rounds that were measured."""

import math

import numpy as np

from biasloop.contract.data import Floats
from biasloop.feedback.rule import LoopBound


def bound_over_rounds(bound: LoopBound, delta: float, last: int) -> Floats:
    """`(last + 1,)` of rounds 0 to `last`; NaN throughout where round 0 measured nothing (`delta` is NaN)."""
    if not math.isfinite(delta):
        return np.full(last + 1, math.nan)
    return bound.over_rounds(delta, last)


def per_round_bound(bound: LoopBound, deltas: Floats) -> Floats | None:
    """`(rounds,)` from the calibration error of every round; None where one was not measured."""
    return bound.per_round(deltas) if np.isfinite(deltas).all() else None
