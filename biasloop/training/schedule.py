"""Learning rates by update: how they rise and fall; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from biasloop.training.recipe import Recipe


def rate(recipe: Recipe, update: int, planned: int) -> float:
    """Learning rate of an update.

    After the warm-up "constant" stays; "linear" falls on the line from the first update to 0 behind the last, which
    the warm-up rises to; "triangle" falls linearly to `last`; "cosine" falls along half a cosine, "late-cosine" so an
    update later, as in open_clip; "plateau" stays for three fifths of all updates, then falls linearly to a tenth at
    four fifths and on to a hundredth at the end; "steps" is `changes`.

    Args:
        recipe: schedule, warm-up and highest rate.
        update: 1 .. planned; of "linear" the rate is 0 after those that were planned.
        planned: updates in all.
    """
    highest, kind = recipe.learning_rate, recipe.schedule
    if kind == "linear":
        risen = min(1.0, update / (recipe.warm_up * planned)) if recipe.warm_up else 1.0
        return highest * risen * max(0.0, 1 - (update - 1) / planned)
    rising = _rising(recipe, planned)
    if update < rising:
        return highest * update / rising
    if kind == "triangle":
        return piecewise_linear(update, (rising, planned), (highest, highest * recipe.last))
    if kind == "plateau":
        knots = (3 * planned / 5, 4 * planned / 5, planned)
        return highest * piecewise_linear(update, knots, (1.0, 0.1, 0.01))
    if kind == "steps":
        return highest * next(share for end, share in _changes(recipe, planned) if update <= end)
    if kind == "late-cosine":
        return highest * cosine(max(update - 1 - rising, 0), max(planned - rising, 1))
    if kind == "cosine":
        return highest * cosine(update - max(rising, 1), planned - max(rising, 1) + 1)
    return highest


def _changes(recipe: Recipe, planned: int) -> list[tuple[float, float]]:
    """Last update of each piece of "steps", and its share of the learning rate."""
    if not recipe.whole_epochs:
        return [(end * planned, share) for end, share in recipe.changes]
    length = recipe.epochs if recipe.unrounded is None else recipe.unrounded
    ends = [(round(end * length) * (planned // recipe.epochs), share) for end, share in recipe.changes[:-1]]
    return [*ends, (planned, recipe.changes[-1][1])]


def _rising(recipe: Recipe, planned: int) -> int:
    """Updates in which the learning rate rises."""
    if recipe.whole_epochs:
        # Rounding must not cost an epoch: 0.29 * 100 is 28.999999999999996.
        return math.floor(recipe.warm_up * recipe.epochs + 1e-9) * (planned // recipe.epochs)
    return round(recipe.warm_up * planned)


def piecewise_linear(step: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """The value at `step` on the lines through (knot, value); constant outside the knots.

    Args:
        step: where.
        knots: strictly increasing.
        values: as many as knots.
    """
    if step <= knots[0]:
        return values[0]
    for left, right, low, high in zip(knots, knots[1:], values, values[1:], strict=False):
        if step <= right:
            return low + (high - low) * (step - left) / (right - left)
    return values[-1]


def cosine(done: float, total: float) -> float:
    """Half a cosine from 1 at `done` = 0 to 0 at `total` (Loshchilov & Hutter 2017, eq. 5, no restart)."""
    return 0.5 * (1 + math.cos(math.pi * done / total))
