"""Provenance of the training set: which samples are in it, who labelled each, since when, and with which label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from biasloop.contract.data import Frame, Ints, Samples
from biasloop.lazy import numpy as np

HUMAN = -2
PREPARED = -1  # pretrained model, or prepared by the domain; r >= 0 is the model of round r


@dataclass(frozen=True)
class Ledger:
    """Rows of a training set, in the order they came in.

    Attributes:
        ids: `(n,)` stable positions in the source data.
        origin: `(n,)` int32, who made the label: `HUMAN`, `PREPARED`, or the round of the model.
        since: `(n,)` int32, the first round that trained on the row.
        payload: the label each row entered with, and scores that travel with it.
    """

    ids: Ints
    origin: Ints
    since: Ints
    payload: Frame

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.origin) == len(self.since) == len(self.payload):
            raise ValueError("a ledger needs one origin, one round and one label per id")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def entry(cls, ids: Ints, origin: int, since: int, payload: Frame) -> Ledger:
        """Rows that come in together."""
        return cls(ids, np.full(len(ids), origin, np.int32), np.full(len(ids), since, np.int32), payload)

    @staticmethod
    def join(parts: Sequence[Ledger]) -> Ledger:
        """Ledgers one after another."""
        if len(parts) == 1:
            return parts[0]
        return Ledger(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.origin for part in parts]),
            np.concatenate([part.since for part in parts]),
            Frame.join([part.payload for part in parts]),
        )

    def take(self, rows: Ints) -> Ledger:
        """The given rows, in the given order."""
        return Ledger(self.ids[rows], self.origin[rows], self.since[rows], self.payload.take(rows))

    def samples(self) -> Samples:
        """What a domain sees: no origin and no round, only whether a model made the label."""
        return Samples(self.ids, self.origin != HUMAN, self.payload)


@dataclass
class GrowingLedger:
    """A ledger that only grows; appending costs what is appended, joining happens when rows are asked for."""

    parts: list[Ledger] = field(default_factory=list)
    size: int = 0
    human: int = 0

    def append(self, added: Ledger) -> None:
        """Add rows."""
        self.parts.append(added)
        self.size += len(added)
        self.human += int(np.count_nonzero(added.origin == HUMAN))

    def all(self) -> Ledger:
        """Every row, in the order they came in."""
        if len(self.parts) > 1:
            self.parts = [Ledger.join(self.parts)]
        return self.parts[0]

    def last(self) -> Ledger:
        """The rows of the newest round."""
        rows = self.all()
        return rows.take(np.flatnonzero(rows.since == rows.since[-1]))
