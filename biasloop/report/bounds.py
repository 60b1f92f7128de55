"""The bound of a loop of given settings."""

import math

import numpy as np

from biasloop import bound
from biasloop.config.experiment import AccumulateSettings
from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput


def bound_over_rounds(loop: AccumulateSettings, delta: float, last: int) -> Floats:
    """Theorem 1 for rounds 0 to `last`; NaN throughout where round 0 measured nothing (`delta` is NaN)."""
    if not math.isfinite(delta):
        return np.full(last + 1, math.nan)
    return bound.bound(_start(loop), loop.human, loop.model, delta, last, replace=loop.keep == "replace")


def per_round_bound(loop: AccumulateSettings, deltas: Floats) -> Floats | None:
    """The bound with the calibration error of every round; None where one was not measured."""
    if not np.isfinite(deltas).all():
        return None
    return bound.per_round_bound(_start(loop), loop.human, loop.model, deltas, replace=loop.keep == "replace")


def _start(loop: AccumulateSettings) -> int:
    if loop.start == "all":
        raise InvalidInput('the bound needs loop.start as a number, and it is "all"')
    return loop.start
