"""With `--quiet`: nothing while runs are made; how they end is told after the last one."""

from biasloop.running.engine import Event
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended


class SilentView:
    """Shows nothing."""

    def start(self, planned: Planned) -> None:
        """No heading."""

    def event(self, planned: Planned, event: Event) -> None:
        """No line a round."""

    def end(self, ended: Ended) -> None:
        """Which runs failed is said with their reasons at the end of the study."""

    def close(self) -> None:
        """Nothing is open."""
