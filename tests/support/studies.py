"""Studies of the toy, and a watcher that writes down what it is told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.running import study
from biasloop.running.engine import Event, Notice, Options
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended


def planned_toys(seeds: list[int], directory: Path, options: Options, **grid: list[Any]) -> list[Planned]:
    """Runs of the preset `toy`, which has to be in the working place; `loop__human=[5, 25]` makes two arms a seed."""
    preset = presets.read("toy").vary({key.replace("__", "."): values for key, values in grid.items()}, "--grid")
    return study.plan(arms_of(preset), seeds, directory, options)


@dataclass
class Recorder:
    """Writes down what it is told.

    Attributes:
        told: `("start", seed)`, `("event", seed)`, `("end", seed)`, in order; events of one run stand once in a row.
    """

    told: list[tuple[str, int]] = field(default_factory=list)
    events: list[tuple[Planned, Event]] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)

    def start(self, planned: Planned) -> None:
        """A run starts."""
        self.told.append(("start", planned.seed))

    def event(self, planned: Planned, event: Event) -> None:
        """Something happened in it."""
        if self.told[-1:] != [("event", planned.seed)]:
            self.told.append(("event", planned.seed))
        self.events.append((planned, event))

    def end(self, ended: Ended) -> None:
        """It is over."""
        self.told.append(("end", ended.planned.seed))
        self.ends.append(ended)

    @property
    def notices(self) -> list[str]:
        """What a person would read."""
        return [event.text for _, event in self.events if isinstance(event, Notice)]
