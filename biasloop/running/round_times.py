"""How long a round takes by the work in it: a part that every round has, and one that grows with the work."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RoundTime:
    """Seconds of a round: `fixed + rate * units`.

    Attributes:
        fixed: seconds that every round takes, as for the evaluation of a test set.
        rate: seconds for each unit of work of the rule (`RuleSettings.trained`).
    """

    fixed: float
    rate: float

    def of(self, units: float) -> float:
        """Seconds of a round with so much work."""
        return self.fixed + self.rate * units


def fitted(rounds: Sequence[tuple[float, float]]) -> RoundTime:
    """The line through measured rounds that a few odd ones do not move (Theil 1950, Sen 1968); no part is below 0.

    Args:
        rounds: units of work, above 0, and seconds of each; at least one. Of rounds that all have the same work,
            everything is taken to grow with it.

    Example:
        >>> fitted([(1000, 6.0), (2000, 7.0), (3000, 8.0), (4000, 90.0)])
        RoundTime(fixed=5.0, rate=0.001)
        >>> fitted([(1000, 6.0)])
        RoundTime(fixed=0.0, rate=0.006)
    """
    pairs = itertools.combinations(rounds, 2)
    slopes = [(later - earlier) / (more - less) for (less, earlier), (more, later) in pairs if more != less]
    if not slopes:
        return RoundTime(0.0, statistics.median(seconds / units for units, seconds in rounds))
    rate = statistics.median(slopes)
    if rate <= 0:
        return RoundTime(statistics.median(seconds for _, seconds in rounds), 0.0)
    fixed = statistics.median(seconds - rate * units for units, seconds in rounds)
    if fixed < 0:
        return RoundTime(0.0, statistics.median(seconds / units for units, seconds in rounds))
    return RoundTime(fixed, rate)
