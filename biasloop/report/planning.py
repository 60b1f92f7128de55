"""How many seeds a study's question needs, from an effect that somebody names or from what a study has measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from biasloop.metrics import power
from biasloop.metrics.power import Needed
from biasloop.report.comparison import Comparison
from biasloop.report.paired import Paired

EFFECTS = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Effects that are shown where nobody names one."""


@dataclass(frozen=True)
class Planned:
    """What a measured difference needs.

    Attributes:
        metric: its name.
        arm: the arm, less the reference.
        seeds: that the difference rests on.
        difference: mean over them.
        std: sample standard deviation of the paired differences; NaN of one seed.
        effect: difference / std; NaN where that is no number.
        interval: of the effect, 95 %.
        unpaired: the difference in standard deviations of one arm, pooled; NaN where that is no number.
        detectable: the smallest difference that so many seeds find in 80 % of studies, were std the true one.
        needed: seeds for that effect, with `unpaired` in place of it for arms that share no seeds; None where it is 0
            or no number.
    """

    metric: str
    arm: str
    seeds: int
    difference: float
    std: float
    effect: float
    interval: tuple[float, float]
    unpaired: float
    detectable: float
    needed: Needed | None


def of_comparison(comparison: Comparison) -> list[Planned]:
    """What each difference of a comparison needs."""
    of_reference = {row.metric: row for row in comparison.differences if row.arm == comparison.reference}
    return [
        _planned(row, of_reference[row.metric])
        for row in comparison.differences
        if row.arm != comparison.reference
    ]  # fmt: skip


def of_effects(effects: Sequence[float]) -> list[Needed]:
    """What effects need; of `EFFECTS` where none is given.

    Raises:
        InvalidInput: one is 0 or no number.
    """
    return [power.needed(effect) for effect in effects or EFFECTS]


def _planned(row: Paired, reference: Paired) -> Planned:
    mean, std, n = row.difference.mean, row.difference.std, len(row.seeds)
    effect = _ratio(mean, std)
    pooled = math.sqrt((row.value.std**2 + reference.value.std**2) / 2)
    unpaired = _ratio(mean, pooled)
    needed = None
    if math.isfinite(effect) and abs(effect) >= power.SMALLEST:
        needed = power.needed(effect, unpaired=unpaired if abs(unpaired) >= power.SMALLEST else math.nan)
    return Planned(
        row.metric, row.arm, n, mean, std, effect, power.effect_interval(effect, n), unpaired,
        power.detectable(n) * std, needed,
    )  # fmt: skip


def _ratio(mean: float, std: float) -> float:
    return mean / std if std > 1e-12 * abs(mean) else math.nan
