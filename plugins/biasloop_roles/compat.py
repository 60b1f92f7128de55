"""What the published code does otherwise (Taori & Hashimoto 2022), where results of it are to be met.

It counts agents of references by the rule "any" (`biasloop_roles.gender`), has no fewest number of agents, and means
scores over images, whatever their verbs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from biasloop.contract.data import Metric
from biasloop.metrics.shares import binomial

if TYPE_CHECKING:
    from biasloop.contract.data import Floats, Ints
    from biasloop_roles.gender import Genders

_EPSILON = 2.220446049250313e-16


def ratios(genders: Genders, verb: Ints, gender: Ints) -> dict[str, Metric]:
    """As `Genders.ratios`, of any number of agents: women / (agents + epsilon), so that none give 0.

    Args:
        genders: lists in a vocabulary.
        verb: `(n,)` verb ids.
        gender: `(n,)` as `Genders.of` gives them.
    """
    counts = genders.counts(verb, gender)
    return {f"{name}_ratio": ratio(women, agents) for name, (women, agents) in counts.items()}


def ratio(women: int, agents: int) -> Metric:
    """The share of women among agents, as published.

    Example:
        >>> ratio(1, 1).value, ratio(0, 0).value
        (0.9999999999999998, 0.0)
    """
    return Metric(women / (agents + _EPSILON), agents, binomial(women, agents).error)


def mean_over_images(scores: Mapping[str, Floats]) -> dict[str, Metric]:
    """The mean of each score over images, with the standard error of a mean.

    Args:
        scores: `(n,)` by name.
    """
    return {name: _mean(of_images) for name, of_images in scores.items()}


def _mean(values: Floats) -> Metric:
    n = len(values)
    return Metric(float(values.mean()), n, float(values.std() / math.sqrt(n))) if n else Metric(math.nan, 0)
