"""One run as a task: it travels as text to another process, its events travel back, and its end is told in words."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from biasloop.config.experiment import Experiment
from biasloop.contract.context import Memory
from biasloop.contract.data import Metric
from biasloop.errors import BiasloopError, Held, Interrupted
from biasloop.running import engine, finished
from biasloop.running.engine import Committed, Event, Notice, Options, Outcome, Step
from biasloop.running.sinks.choosing import Choice
from biasloop.running.sinks.telling import Sinks
from biasloop.running.study import Planned
from biasloop.system import memory

_TRAVELLING = ("device", "threads", "keep_models", "interval", "wait", "debug")
_KINDS: dict[str, type[Event]] = {"step": Step, "committed": Committed, "notice": Notice}


@dataclass(frozen=True)
class Task:
    """A run that is to be made, and how.

    Attributes:
        planned: the run.
        options: how to make it; what they call back does not travel.
    """

    planned: Planned
    options: Options

    def dumps(self) -> str:
        """As a line of JSON."""
        options = {name: getattr(self.options, name) for name in _TRAVELLING}
        options |= {"data": str(self.options.data), "sinks": [_choice(choice) for choice in self.options.sinks]}
        return json.dumps({"planned": _planned(self.planned), "options": options})

    @staticmethod
    def loads(text: str) -> "Task":
        """The task that `dumps` wrote; its experiment has the same identity."""
        told = json.loads(text)
        return Task(_planned_from(told["planned"]), _options_from(told["options"]))


@dataclass(frozen=True)
class Ended:
    """How a task ended: with an outcome, an error, or since another process makes the run.

    Attributes:
        planned: the run.
        outcome: how far it came; its reason is empty if it was stopped. None if there was an error, or it is held.
        error: a sentence; empty without an error.
        held: who makes the run instead, a sentence; empty if nobody does.
        code: exit code of the program if this were its only run and it failed; 0 without an error.
        cause: the error itself, in the process that it was raised in.
    """

    planned: Planned
    outcome: Outcome | None
    error: str = ""
    held: str = ""
    code: int = 0
    cause: Exception | None = field(default=None, repr=False, compare=False)

    @property
    def stopped(self) -> bool:
        """Whether the run ended since it was asked to."""
        return self.outcome is not None and not self.outcome.reason

    def dumps(self) -> str:
        """As a line of JSON, without the run."""
        outcome = self.outcome and [str(self.outcome.directory), self.outcome.reason, self.outcome.rounds]
        return json.dumps({"outcome": outcome, "error": self.error, "held": self.held, "code": self.code})

    @staticmethod
    def loads(text: str, planned: Planned) -> "Ended":
        """What `dumps` wrote, of that run."""
        told = json.loads(text)
        if told["outcome"]:
            directory, reason, rounds = told["outcome"]
            return Ended(planned, Outcome(Path(directory), reason, rounds))
        return Ended(planned, None, told["error"], told["held"], told["code"])


def event_dumps(event: Event) -> str:
    """An event as a line of JSON."""
    kind = next(name for name, known in _KINDS.items() if isinstance(event, known))
    return json.dumps({kind: asdict(event)})


def event_loads(text: str) -> Event:
    """The event that `event_dumps` wrote."""
    ((kind, fields),) = json.loads(text).items()
    if kind == "committed":
        fields["metrics"] = {name: Metric(**metric) for name, metric in fields["metrics"].items()}
    return _KINDS[kind](**fields)


def _planned(planned: Planned) -> dict[str, Any]:
    return {
        "arm": planned.arm, "seed": planned.seed, "directory": str(planned.directory),
        "experiment": planned.experiment.nesting(), "rounds": planned.rounds, "done": planned.done,
    }  # fmt: skip


def _planned_from(told: dict[str, Any]) -> Planned:
    experiment = Experiment.model_validate(told["experiment"])
    return Planned(**{**told, "directory": Path(told["directory"]), "experiment": experiment})


def _options_from(told: dict[str, Any]) -> Options:
    sinks = tuple(Choice(name, directory and Path(directory)) for name, directory in told["sinks"])
    return Options(**{**told, "data": Path(told["data"]), "sinks": sinks})


def _choice(choice: Choice) -> tuple[str, str | None]:
    return choice.name, str(choice.directory) if choice.directory else None


class _Untold(BaseException):
    """Whoever is told of events cannot be (a closed pipe): that is no fault of the run, and no plugin swallows it."""


def perform(
    task: Task,
    on_event: Callable[[Event], None],
    stopping: Callable[[], bool],
    remembered: Memory | None = None,
) -> Ended:
    """Prepare and make a run, or what is left of it, in this process; an error is told, not raised.

    Args:
        task: the run.
        on_event: told what happens; what it raises ends the program, not the run.
        stopping: whether to stop after the current step.
        remembered: what earlier runs of this process have read.

    Raises:
        Exception: a defect, with `options.debug`.
    """

    def telling(event: Event) -> None:
        try:
            on_event(event)
        except Exception as error:
            raise _Untold from error

    def telling_all(event: Event) -> None:
        telling(event)
        sinks.event(event)

    sinks = Sinks(task.options.sinks, task.planned, lambda text: telling(Notice(text)))
    options = replace(task.options, on_event=telling_all, stopping=stopping)
    try:
        ended = _made(task.planned, options, remembered)
        sinks.ended(ended)
    except _Untold as untold:
        raise untold.__cause__ or untold from None
    except Exception as error:
        sinks.end("failed", told(error))
        raise
    return ended


def _made(planned: Planned, options: Options, remembered: Memory | None) -> Ended:
    """Prepare and make a run; an error is told, not raised."""
    try:
        there = finished.outcome(planned.experiment, planned.seed, planned.directory, options.on_event)
        if there is not None:
            return Ended(planned, there)
        prepared = engine.prepare(planned.experiment, planned.seed, options, remembered)
        return Ended(planned, engine.run(prepared, planned.directory, options))
    except Interrupted:  # while it waited for what another process prepares
        return Ended(planned, Outcome(planned.directory, "", planned.done))
    except Held as error:
        return Ended(planned, None, held=str(error))
    except BiasloopError as error:
        return Ended(planned, None, str(error), code=error.exit_code, cause=error)
    except Exception as error:
        if options.debug:
            raise
        return Ended(planned, None, told(error), code=1, cause=error)


def told(error: Exception) -> str:
    """An unexpected error as a sentence: memory has run out, the system refused something, or a defect."""
    if memory.lacking(error):
        return memory.sentence(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    text = f"{type(error).__name__}: {error}; this is a defect of biasloop or of a plugin"
    return f"{text}, `biasloop --debug ...` shows where"
