"""Tells the sinks of a run what happens in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from biasloop.config.flatten import flatten
from biasloop.contract import names
from biasloop.contract.sinks import CurveSink, RunDescription, Sink, State
from biasloop.errors import BiasloopError
from biasloop.running.engine import Committed, Event, Step
from biasloop.running.sinks import guarding
from biasloop.running.sinks.choosing import Choice
from biasloop.running.sinks.guarding import Guard
from biasloop.running.study import Planned
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run

if TYPE_CHECKING:
    from biasloop.running.tasks import Ended


@dataclass
class Sinks:
    """All sinks of one run.

    They are made with the first thing that happens in it, so that a run that another process makes has none here.

    Attributes:
        choices: which.
        planned: the run.
        on_notice: told once of each that fails.
    """

    choices: Sequence[Choice]
    planned: Planned
    on_notice: Callable[[str], None]
    _guarded: "list[_Guarded] | None" = None

    def event(self, event: Event) -> None:
        """Something happened: its steps show that the run is made here, its rounds are told."""
        if not self.choices or not isinstance(event, Step | Committed):
            return
        if self._guarded is None:
            self._guarded = [_Guarded.started(choice, self.planned, self.on_notice) for choice in self.choices]
        if not isinstance(event, Committed):
            return
        if any(guarded.wants_curves for guarded in self._guarded):
            for fit, columns in _curves(self.planned, event.number):
                for guarded in self._guarded:
                    guarded.curve(event.number, fit, columns)
        for guarded in self._guarded:
            guarded.round(event)

    def end(self, state: State, reason: str) -> None:
        """The run has ended; told once."""
        for guarded in self._guarded or ():
            guarded.end(state, reason)
        self._guarded = None

    def ended(self, ended: "Ended") -> None:
        """The same, of a task."""
        if ended.held:
            self.end("elsewhere", ended.held)
        elif ended.outcome is None:
            self.end("failed", ended.error)
        else:
            self.end("stopped" if ended.stopped else "finished", ended.outcome.reason)


@dataclass
class _Guarded:
    """A sink and its guard."""

    guard: Guard
    sink: Sink | None = field(default=None)

    @classmethod
    def started(cls, choice: Choice, planned: Planned, on_notice: Callable[[str], None]) -> "_Guarded":
        guarded = cls(Guard(choice.name, on_notice, guarding.PATIENCE))

        def start() -> None:
            guarded.sink = choice.make()
            guarded.sink.start(_description(choice, planned))

        guarded.guard.call("start", start)
        return guarded

    @property
    def wants_curves(self) -> bool:
        return isinstance(self.sink, CurveSink) and not self.guard.failed

    def curve(self, number: int, fit: str, columns: Mapping[str, Sequence[float]]) -> None:
        if isinstance(self.sink, CurveSink):
            self.guard.call(f"the curve of round {number}", partial(self.sink.curve, number, fit, columns))

    def round(self, event: Committed) -> None:
        if self.sink is not None:
            told = partial(self.sink.round, event.number, event.metrics, event.sizes, event.seconds)
            self.guard.call(f"round {event.number}", told)

    def end(self, state: State, reason: str) -> None:
        if self.sink is not None:
            self.guard.call("end", partial(self.sink.end, state, reason))
        self.guard.close()


def _description(choice: Choice, planned: Planned) -> RunDescription:
    settings = {key: value for key, value in planned.experiment.identity(planned.seed).items() if key != "seed"}
    return RunDescription(
        planned.directory, choice.output(planned.directory), planned.experiment.name, planned.arm, planned.seed,
        planned.rounds, flatten(settings),
    )  # fmt: skip


def _curves(planned: Planned, number: int) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """What fits of a step have logged, as the store has it; nothing where it cannot be read now."""
    frames = {}
    with suppress(BiasloopError, OSError):
        frames = dict(Run.open(planned.directory).read(SETUP if number < 0 else round_name(number)).frames)
    ending = names.logged("", names.CURVE)
    for name, frame in frames.items():
        if name.endswith(ending):
            yield (
                name.removesuffix(ending),
                {
                    key: np.asarray(column.values, np.float64).tolist()
                    for key, column in frame.columns.items()
                    if column.offsets is None and column.values.ndim == 1
                },
            )
