"""What a domain is given: the context that it is built with, and the handle of one call into it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:  # finding plugins loads no NumPy
    from biasloop.contract.data import Array, Arrays
    from biasloop.contract.randomness import Streams

T = TypeVar("T")
Memory = dict[str, tuple[Hashable, Any]]
"""What was made of which, by name."""


@dataclass(frozen=True)
class Requirement:
    """Something a domain needs on disk: a data set or weights, its size, whether it is there."""

    name: str
    kind: Literal["data", "weights"]
    bytes: int
    present: bool

    @property
    def told(self) -> str:
        """Name and size, or that its publisher hands it out on request, which `fetch` says how to ask for."""
        return f"{self.name} ({self.bytes / 1e6:,.1f} MB)" if self.bytes else f"{self.name} (on request)"

    @property
    def command(self) -> str:
        """What to type to get it."""
        return f"biasloop fetch {self.name}"


@dataclass(frozen=True)
class Context:
    """What a domain is built with; constant over a run.

    Attributes:
        data: the directory that fetched data sets live in.
        streams: randomness of the data (splits, resampling).
        device: torch's name of the device to compute on ("cpu", "cuda:0", ...).
        threads: CPU threads to compute with; 0 leaves the library's choice.
        on_note: told what a person should know of the data.
        memory: what domains of one process have read, where they share it; a plan of many runs does, and a study.
    """

    data: Path
    streams: Streams
    device: str = "cpu"
    threads: int = 0
    on_note: Callable[[str], None] = lambda text: None
    memory: Memory = field(default_factory=dict, repr=False, compare=False)

    def once(self, name: str, made_from: Hashable, build: Callable[[], T]) -> T:
        """What was built from the same before, by this domain or another that shares `memory`; else what is built.

        So a plan of runs that differ in settings of training reads their data once. Of each name the newest alone is
        remembered: a plan holds the data of one run at a time.

        Args:
            name: what it is; of equal names all are of one type.
            made_from: all that it depends on, apart from `data`.
            build: makes it; what it gives is never changed.
        """
        key = (self.data, made_from)
        if name not in self.memory or self.memory[name][0] != key:
            self.memory.pop(
                name, None
            )  # before the new ones are read: two at a time may be more than there is room for
            self.memory[name] = (key, build())
        remembered: T = self.memory[name][1]
        return remembered

    def prepared(self, name: str, build: Callable[[Path], None]) -> Path:
        """A directory of prepared data, built once and shared by all runs; a damaged one is built anew.

        Args:
            name: says what is in it and what it was made from; a changed input needs another name.
            build: fills an empty directory; what it leaves there appears whole or not at all.

        Raises:
            DownloadError: a damaged one cannot be removed.
        """
        from biasloop.prepared import take

        return take(self._prepared(name), build, self.on_note)

    def is_prepared(self, name: str) -> bool:
        """Whether such a directory is there; whether it is as it was made is seen when it is taken."""
        from biasloop.prepared import is_sealed

        return is_sealed(self._prepared(name))

    def _prepared(self, name: str) -> Path:
        return self.data / "prepared" / name


class Work:
    """The handle of one call into a domain.

    This base class only gives streams, so a domain's tests, `generate` and `evaluate` need no engine; during a run
    the engine's own kind adds progress, checkpoints and curves.
    """

    def __init__(self, streams: Streams) -> None:
        self.streams = streams

    def at(self, name: str) -> Work:
        """A named inner call, with streams of its own."""
        return Work(self.streams.at(name))

    def tick(
        self, done: int, total: int, state: Callable[[], Arrays] | None = None, epoch: tuple[int, Any] | None = None
    ) -> None:
        """To be called after every step.

        Args:
            done: steps done.
            total: steps in all.
            state: where the call can be resumed from, or None if not here; called only when a checkpoint is due.
            epoch: at the end of one its number, from 1, and the model as it is, for `predict`; else None.

        Raises:
            biasloop.errors.Interrupted: if the person asked to stop.
        """

    def resume(self) -> Arrays | None:
        """The last kept `state` of this very call, or None: then start from the beginning."""
        return None

    def log(self, table: str, **values: float) -> None:
        """Add a row to a curve; kept with the round."""

    def log_many(self, table: str, **columns: Array) -> None:
        """Add many rows at once, `(n,)` values a column; they keep their type, and a table may have both kinds."""

    def note(self, text: str) -> None:
        """Tell the person something that takes long or is unusual, in a sentence."""
