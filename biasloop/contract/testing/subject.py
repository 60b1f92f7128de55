"""A domain under test, and the handles that its calls are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Array, Arrays
from biasloop.contract.randomness import Streams
from biasloop.errors import Interrupted
from biasloop.lazy import numpy as np

NOWHERE = Path("nowhere")


class Broken(AssertionError):
    """A domain does not keep its contract."""


def demand(met: bool, sentence: str) -> None:  # noqa: FBT001 # as of `assert`
    """Raise `Broken` with a sentence unless it is met."""
    if not met:
        raise Broken(sentence)


@dataclass(frozen=True)
class Subject:
    """A domain to be tested.

    Attributes:
        kind: the class.
        config: its settings.
        context: what it is built with.
    """

    kind: type
    config: Any
    context: Context

    @property
    def name(self) -> str:
        """Of the class, for messages."""
        return self.kind.__name__

    def built(self) -> Any:
        """A new domain."""
        return self.kind(self.config, replace(self.context, memory={}))

    def without_data(self) -> Any:
        """A new domain that finds no data, fetched or named by settings, and is asked for none."""
        asked = ("splits", "human_labels", "truth", "groups")

        def refusing(name: str) -> Callable[..., Any]:
            def refuse(self: object, *arguments: object, **named: object) -> Any:
                raise Broken(f"measure calls {name}: it is to be a function of settings and of what is stored")

            return refuse

        blind = type(self.kind.__name__, (self.kind,), {n: refusing(n) for n in asked if hasattr(self.kind, n)})
        return blind(self._elsewhere(), replace(self.context, data=NOWHERE, memory={}))

    def _elsewhere(self) -> Any:
        """The settings where none of the files are that they name."""
        config = self.config
        for name, value in self.config.model_dump().items():
            if not isinstance(value, str | Path) or not str(value) or not Path(value).exists():
                continue
            try:
                config = type(config).model_validate(
                    {**config.model_dump(), name: type(value)(NOWHERE / Path(value).name)}
                )
            except ValidationError:
                continue  # a name that happens to be that of a file
        return config

    def varied(self, **settings: Any) -> Any:
        """A new domain with some settings changed."""
        values = {**self.config.model_dump(), **settings}
        return self.kind(type(self.config).model_validate(values), replace(self.context, memory={}))


@dataclass
class Checkpoint:
    """A checkpoint: the state as it is stored, and what was logged before."""

    state: Arrays
    logs: dict[str, list[Mapping[str, Array]]]


@dataclass
class Notes:
    """What a call, and calls inside it, have told.

    Attributes:
        states: names of calls that could have been resumed from, one an offer.
        epochs: numbers of the epochs that ended, by call.
        logs: rows, by call and table.
    """

    states: list[str] = field(default_factory=list)
    epochs: dict[str, list[int]] = field(default_factory=dict)
    logs: dict[str, list[Mapping[str, Array]]] = field(default_factory=dict)


class Recorder(Work):
    """A `Work` that notes what it is told, stops at a step, and resumes what was stopped.

    Args:
        streams: of the call.
        notes: shared with inner calls.
        stop_at: number of the offered state after which the call is interrupted; None for never.
        checkpoints: by call, to resume from and to fill.
        watch: called with the model at the end of each epoch.
        call: its name.
    """

    def __init__(
        self,
        streams: Streams,
        notes: Notes | None = None,
        stop_at: int | None = None,
        checkpoints: dict[str, Checkpoint] | None = None,
        call: str = "",
        watch: Callable[[Any], object] | None = None,
    ) -> None:
        super().__init__(streams)
        self.notes = Notes() if notes is None else notes
        self.stop_at = stop_at
        self.checkpoints = {} if checkpoints is None else checkpoints
        self.call = call
        self.watch = watch

    def at(self, name: str) -> Recorder:
        """A named inner call."""
        return Recorder(
            self.streams.at(name), self.notes, self.stop_at, self.checkpoints, f"{self.call}/{name}", self.watch
        )

    def tick(
        self, done: int, total: int, state: Callable[[], Arrays] | None = None, epoch: tuple[int, Any] | None = None
    ) -> None:
        """Note a step."""
        if epoch is not None:
            self.notes.epochs.setdefault(self.call, []).append(epoch[0])
            if self.watch is not None:
                self.watch(epoch[1])
        if state is None:
            return
        self.notes.states.append(self.call)
        if self.stop_at is not None and len(self.notes.states) > self.stop_at:
            arrays = {name: np.array(values) for name, values in state().items()}
            check_numbers("the state that tick is given", arrays)
            self.checkpoints[self.call] = Checkpoint(arrays, {key: [*rows] for key, rows in self.notes.logs.items()})
            raise Interrupted

    def resume(self) -> Arrays | None:
        """The state that this very call was stopped in."""
        checkpoint = self.checkpoints.pop(self.call, None)
        if checkpoint is None:
            return None
        self.notes.logs |= {key: [*rows] for key, rows in checkpoint.logs.items()}
        return checkpoint.state

    def log(self, table: str, **values: float) -> None:
        """Note a row."""
        self.log_many(table, **{name: np.array([value], np.float64) for name, value in values.items()})

    def log_many(self, table: str, **columns: Array) -> None:
        """Note rows."""
        self.notes.logs.setdefault(f"{self.call}.{table}", []).append({n: np.array(v) for n, v in columns.items()})


def work(name: str) -> Recorder:
    """A fresh handle of a call; calls of equal names have equal streams."""
    return Recorder(Streams((0, "testing", name)))


def check_numbers(where: str, arrays: Arrays) -> None:
    """Hold named arrays to what can be stored without pickle."""
    for name, values in arrays.items():
        demand(
            isinstance(values, np.ndarray) and values.dtype.kind in "biufc",
            f"{where}: {name} is {getattr(values, 'dtype', type(values).__name__)}, expected an array of numbers",
        )


def shuffled(count: int) -> Sequence[int]:
    """Positions in a random order that is always the same."""
    order: list[int] = np.random.default_rng(0).permutation(count).tolist()
    return order
