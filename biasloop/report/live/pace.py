"""How long the rest of a study may take, from the rounds that were measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from biasloop.running.engine import Committed
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended


@dataclass
class Counts:
    """How many runs ended how."""

    done: int = 0
    failed: int = 0


class Pace:
    """Weighs every round by the rows that it trains on; a setting whose rounds were not measured has the mean pace.

    Attributes:
        counts: of ended runs.
    """

    def __init__(self, planned: Sequence[Planned], at_once: int = 1) -> None:
        self.at_once = at_once
        self.counts = Counts()
        self._ahead = {item.directory: (item, _rows(item, item.done)) for item in planned}
        self._spent: dict[str, tuple[float, float]] = {}  # of an arm: rows, seconds

    def add(self, planned: Planned, event: Committed) -> None:
        """A round is on disk."""
        if event.number < 0:
            return
        if event.seconds is not None:
            rows, seconds = self._spent.get(planned.arm, (0.0, 0.0))
            trained = planned.experiment.loop.trained(event.number)
            self._spent[planned.arm] = rows + trained, seconds + event.seconds
        if event.number >= planned.done:
            self._ahead[planned.directory] = planned, _rows(planned, event.number + 1)

    def end(self, ended: Ended) -> None:
        """A run has ended; one that another process makes is left to that."""
        self._ahead[ended.planned.directory] = ended.planned, 0.0
        self.counts.done += bool(ended.outcome and ended.outcome.reason)
        self.counts.failed += bool(ended.error)

    def left(self) -> float | None:
        """Seconds; None before the first measured round."""
        rows, seconds = (sum(column) for column in zip(*self._spent.values(), strict=True)) if self._spent else (0, 0)
        if not rows:
            return None
        each = [self._seconds_a_row(item, seconds / rows) * ahead for item, ahead in self._ahead.values() if ahead]
        return max(max(each, default=0.0), sum(each) / max(1, min(self.at_once, len(each))))

    def _seconds_a_row(self, planned: Planned, mean: float) -> float:
        rows, seconds = self._spent.get(planned.arm, (0.0, 0.0))
        return seconds / rows if rows else mean


def _rows(planned: Planned, first: int) -> float:
    """Rows that the rounds from `first` on train on."""
    return float(sum(planned.experiment.loop.trained(number) for number in range(first, planned.rounds)))
