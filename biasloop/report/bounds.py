"""The bound of a loop over the rounds that were measured."""

import math

import numpy as np

from biasloop.contract.data import Floats
from biasloop.feedback.rule import LoopBound


def bound_over_rounds(bound: LoopBound, delta: float, last: int, lag: int = 0) -> Floats:
    """`(last + 1,)` of rounds 0 to `last`; NaN throughout where nothing was measured first (`delta` is NaN).

    Args:
        bound: of the loop.
        delta: calibration error of the model of round 0.
        last: the last round.
        lag: how many rounds after a model's own it is measured; the rounds before are NaN.
    """
    if not math.isfinite(delta) or last < lag:
        return np.full(last + 1, math.nan)
    return np.append(np.full(lag, math.nan), bound.over_rounds(delta, last - lag))


def per_round_bound(bound: LoopBound, deltas: Floats, lag: int = 0) -> Floats | None:
    """`(rounds,)` from the calibration error of every round; None where one was not measured.

    Args:
        bound: of the loop.
        deltas: `(rounds - lag,)` of the models of rounds from 0 on.
        lag: as in `bound_over_rounds`.
    """
    return np.append(np.full(lag, math.nan), bound.per_round(deltas)) if np.isfinite(deltas).all() else None
