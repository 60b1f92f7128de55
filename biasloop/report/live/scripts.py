"""For scripts: an object a round on stdout."""

from typing import Any

from biasloop.report.live.view import Ends
from biasloop.report.output import emit, measurement, note
from biasloop.running.engine import Committed, Event, Notice
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended


class JsonView:
    """One object a round on stdout; it names its run, so that runs may go on side by side."""

    def __init__(self, runs: int = 1) -> None:
        self.ends = Ends(runs)

    def start(self, planned: Planned) -> None:
        """Its rounds say which run it is."""

    def event(self, planned: Planned, event: Event) -> None:
        """An object for a round; notices go to stderr."""
        if isinstance(event, Notice):
            note(event.text)
        elif isinstance(event, Committed):
            emit(round_object(planned, event))

    def end(self, ended: Ended) -> None:
        """A failed run is told on stderr."""
        text = self.ends.words(ended)
        if text:
            note(text)

    def close(self) -> None:
        """Nothing is open."""


def round_object(planned: Planned, event: Committed) -> dict[str, Any]:
    """What scripts are told of a round."""
    return {
        "run": str(planned.directory),
        "seed": planned.seed,
        "arm": planned.arm,
        "round": event.number,
        "metrics": {name: measurement(metric) for name, metric in event.metrics.items()},
        "sizes": dict(event.sizes),
        "seconds": event.seconds,
    }
