"""The handle of one call into a domain during a run: progress, checkpoints, curves, and stopping on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from biasloop.contract.context import Work
from biasloop.contract.data import Array, Arrays, Column, Frame
from biasloop.contract.names import logged
from biasloop.contract.randomness import Streams
from biasloop.errors import DamagedStore, Interrupted, Mismatch
from biasloop.lazy import numpy as np
from biasloop.records.record import Record

RARELY = 20  # times what the last checkpoint took, between two: so checkpoints cost a twentieth at most
_LOG = "log:"
T = TypeVar("T")


class Partials(Protocol):
    """Where the state of an unfinished step is kept (`biasloop.store.writer.RunWriter` is one)."""

    def put_partial(self, key: str, arrays: Arrays, logs: Record) -> None:
        """Keep arrays and what the call has emitted so far."""

    def get_partial(self, key: str) -> tuple[Arrays, Record] | None:
        """What was kept, or None.

        Raises:
            DamagedStore: it is not as it was written.
        """


class Shared(Protocol):
    """Where finished calls are kept that other runs make too (`biasloop.store.shared.SharedCalls` is one)."""

    def get(self, call: str) -> Record | None:
        """What was kept of a call, or None.

        Raises:
            DamagedStore: it is not as it was written.
        """

    def put(self, call: str, record: Record) -> None:
        """Keep a finished call."""

    def alone(
        self, call: str, notice: Callable[[str], None], stopping: Callable[[], bool]
    ) -> AbstractContextManager[None]:
        """Be the only process that makes a call; another one says so and waits, until it is asked to stop."""


@dataclass
class Log:
    """A table of what a call has logged.

    Attributes:
        pieces: rows that came together, in the order they came.
        rows: those since, that came one by one.
    """

    pieces: list[Frame] = field(default_factory=list)
    rows: list[Mapping[str, float]] = field(default_factory=list)

    def add(self, piece: Frame) -> None:
        """Rows that come together."""
        self._settle()
        self.pieces.append(piece)

    def frame(self) -> Frame:
        """All rows; a value that a row lacks is NaN."""
        self._settle()
        if len(self.pieces) > 1:
            self.pieces = [_joined(self.pieces)]
        return self.pieces[0] if self.pieces else Frame()

    def _settle(self) -> None:
        if self.rows:
            self.pieces.append(_frame(self.rows))
            self.rows = []


@dataclass
class Session:
    """What all calls of one run share.

    Attributes:
        partials: keeps checkpoints and finished calls; None keeps nothing.
        shared: keeps finished calls that other runs make too; None keeps nothing.
        on_step: told (call, steps done, steps in all) after every step.
        on_note: told what a domain wants a person to know.
        stopping: whether the person has asked to stop.
        interval: seconds between two checkpoints, at least; a call that took less is not kept.
        logs: rows that calls of the step under way have logged, by call and table.
        kept_at: when the last checkpoint was written, or the session began.
        writing: seconds that writing it took: the next comes not before `RARELY` times as many.
    """

    partials: Partials | None = None
    on_step: Callable[[str, int, int], None] = lambda call, done, total: None
    on_note: Callable[[str], None] = lambda text: None
    stopping: Callable[[], bool] = lambda: False
    interval: float = 30.0
    shared: Shared | None = None
    logs: dict[tuple[str, str], Log] = field(default_factory=dict)
    kept_at: float = field(default_factory=time.monotonic)
    writing: float = 0.0

    def is_due(self) -> bool:
        """Whether a checkpoint is due."""
        return time.monotonic() - self.kept_at >= max(self.interval, RARELY * self.writing)

    def wrote(self, seconds: float) -> None:
        """A checkpoint was written."""
        self.kept_at, self.writing = time.monotonic(), seconds

    def partial(self, key: str) -> tuple[Arrays, Record] | None:
        """What was kept under a key; a damaged one counts as absent, and the person is told."""
        return self._undamaged(self.partials.get_partial, key) if self.partials else None

    def common(self, call: str, *, again: bool = False) -> Record | None:
        """What another run has made of a call; a damaged one counts as absent, and the person is told.

        Args:
            call: its name.
            again: it was looked for before, and what is to be told was told.
        """
        return self._undamaged(self.shared.get, call, told=again) if self.shared else None

    def _undamaged(self, get: Callable[[str], T | None], name: str, *, told: bool = False) -> T | None:
        try:
            return get(name)
        except DamagedStore as error:
            if not told:
                self.on_note(f"{error}; it counts as absent and is computed anew")
            return None

    def take_logs(self) -> dict[str, Frame]:
        """The curves of the finished step, by table; the session forgets them."""
        frames = {logged(call.rsplit("/", 1)[-1], table): log.frame() for (call, table), log in self.logs.items()}
        self.logs = {}
        return frames


class RoundWork(Work):
    """A `Work` that keeps checkpoints and finished calls of an unfinished step.

    Attributes:
        session: what all calls of the run share.
        call: the name of this one.
        on_epoch: told, at the end of every epoch of a fit, its number, the model and this work; None for nobody.
    """

    def __init__(self, streams: Streams, session: Session, call: str, on_epoch: OnEpoch | None = None) -> None:
        super().__init__(streams)
        self.session = session
        self.call = call
        self.on_epoch = on_epoch

    def at(self, name: str) -> RoundWork:
        """A named inner call, with streams, checkpoints and curves of its own; nobody is told of its epochs."""
        return RoundWork(self.streams.at(name), self.session, f"{self.call}/{name}")

    def fitting(self, on_epoch: OnEpoch | None) -> RoundWork:
        """This very call, in which somebody is told of epochs."""
        return RoundWork(self.streams, self.session, self.call, on_epoch)

    def tick(
        self,
        done: int,
        total: int,
        state: Callable[[], Arrays] | None = None,
        epoch: tuple[int, Any] | None = None,
    ) -> None:
        """What is due at the end of an epoch, progress, a checkpoint if one is due, `Interrupted` if asked.

        One call, so no gap between.

        Raises:
            Mismatch: somebody is to be told of epochs, and the domain has not said that the last one ended.
            Interrupted: if the person asked to stop.
        """
        session = self.session
        if self.on_epoch is not None and epoch is not None:
            self.on_epoch(*epoch, self)
        elif self.on_epoch is not None and done == total:
            raise Mismatch("the domain does not say when an epoch ends; take loop.snapshots out of the preset")
        session.on_step(self.call, done, total)
        stopping = session.stopping()
        if state is not None and session.partials and (stopping or session.is_due()):
            begun = time.monotonic()
            session.partials.put_partial(self.call, state(), self._logged())
            session.wrote(time.monotonic() - begun)
        if stopping:
            raise Interrupted

    def resume(self) -> Arrays | None:
        """The state of the last checkpoint of this very call; what it had logged is there again."""
        kept = self.session.partial(self.call)
        if kept is None:
            return None
        self._restore(kept[1])
        return kept[0]

    def log(self, table: str, **values: float) -> None:
        """Add a row to a curve."""
        self._log(table).rows.append(values)

    def log_many(self, table: str, **columns: Array) -> None:
        """Add many rows at once.

        Raises:
            ValueError: if the columns differ in length.
        """
        # Copies: what the caller does with its arrays afterwards is its own affair.
        self._log(table).add(Frame({name: Column(np.array(values)) for name, values in columns.items()}))

    def keep(self, table: str, frame: Frame) -> None:
        """Keep a whole table, with the roles of its columns, as what is logged is kept."""
        self._log(table).add(frame)

    def taken(self, name: str, prefix: str) -> dict[str, Frame]:
        """Tables that an inner call has logged, of names that begin so; the session forgets them."""
        call, logs = f"{self.call}/{name}", self.session.logs
        names = [table for inner, table in logs if inner == call and table.startswith(prefix)]
        return {table: logs.pop((call, table)).frame() for table in names}

    def _log(self, table: str) -> Log:
        return self.session.logs.setdefault((self.call, table), Log())

    def note(self, text: str) -> None:
        """Tell the person something."""
        self.session.on_note(text)

    def memo(self, name: str, build: Callable[[RoundWork], Record], *, shared: bool = False) -> Record:
        """What an inner call gives; after an interruption, what it gave if it had already finished.

        Args:
            name: of the inner call.
            build: the call; its frames and models are kept if it took longer than the session's interval.
            shared: whether the call depends on domain, data, seed and streams alone, so that other runs that share
                them can take what this one has made.
        """
        session = self.session
        inner = self.at(name).fitting(self.on_epoch)
        finished = session.partial(f"{inner.call}.done")
        known = finished[1] if finished else session.common(inner.call) if shared else None
        if known is not None:
            return inner._recalled(known)
        if session.shared is None or not shared:
            return inner._finished(build)
        with session.shared.alone(inner.call, self.note, session.stopping):
            known = session.common(inner.call, again=True)  # another run may have made it meanwhile
            return inner._finished(build, session.shared) if known is None else inner._recalled(known)

    def _finished(self, build: Callable[[RoundWork], Record], shared: Shared | None = None) -> Record:
        """What this call gives; kept for other runs, or for this one if it took longer than the interval."""
        session, begun = self.session, time.monotonic()
        record = build(self)
        with_logs = Record(frames={**record.frames, **self._logged().frames}, models=record.models)
        if shared:
            shared.put(self.call, with_logs)
        elif session.partials and time.monotonic() - begun > session.interval:
            session.partials.put_partial(f"{self.call}.done", {}, with_logs)
        if session.stopping():
            raise Interrupted
        return record

    def _recalled(self, kept: Record) -> Record:
        """What a finished call gave; what it had logged is there again."""
        logs = {table: frame for table, frame in kept.frames.items() if table.startswith(_LOG)}
        self._restore(Record(frames=logs))
        return Record(frames={name: kept.frames[name] for name in kept.frames if name not in logs}, models=kept.models)

    def _logged(self) -> Record:
        """What this call and its inner calls have logged."""
        own = {
            f"{_LOG}{call.replace('/', '>')}>{table}": log.frame()
            for (call, table), log in self.session.logs.items()
            if call == self.call or call.startswith(f"{self.call}/")
        }
        return Record(frames=own)

    def _restore(self, logs: Record) -> None:
        for name, frame in logs.frames.items():
            *call, table = name.removeprefix(_LOG).split(">")
            self.session.logs[("/".join(call), table)] = Log([frame])


OnEpoch = Callable[[int, Any, RoundWork], None]
"""Told of the end of an epoch: its number from 1, the model as it is, the fit's own work."""


def _frame(rows: Sequence[Mapping[str, float]]) -> Frame:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Frame({name: Column(np.array([row.get(name, np.nan) for row in rows], np.float64)) for name in names})


def _joined(pieces: Sequence[Frame]) -> Frame:
    """One below the other, with NaN where a piece lacks a column."""
    names = list(dict.fromkeys(name for piece in pieces for name in piece.columns))
    return Frame({
        name: Column(np.concatenate([p[name] if name in p else np.full(len(p), np.nan) for p in pieces]))
        for name in names
    })  # fmt: skip
