"""Provenance of the training set: which samples are in it, who labelled each, since when, and with which label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from biasloop.contract.data import Column, Floats, Frame, Ints, Samples
from biasloop.lazy import numpy as np

HUMAN = -2
PREPARED = -1  # pretrained model, or prepared by the domain; r >= 0 is the model of round r
REAL = -1  # of inputs: the sample's own


@dataclass(frozen=True)
class Ledger:
    """Rows of a training set, in the order they came in.

    Attributes:
        ids: `(n,)` stable positions in the source data.
        origin: `(n,)` int32, who made the label: `HUMAN`, `PREPARED`, or the round of the model.
        since: `(n,)` int32, the first round that trained on the row.
        payload: the label each row entered with, and scores that travel with it.
        weight: `(n,)` float64, factor of each row's loss, finite and not negative; None for 1.
        propensity: `(n,)` float64, the probability from 0 to 1 with which each row was drawn, NaN where nobody knows;
            None where nobody knows any.
        inputs: by which key each row's input is found, where models made inputs: int64 columns `(n,)` (shard, member)
            with vocabularies, `REAL` where the input is the sample's own; no columns where all are. Never the inputs.

    Raises:
        ValueError: columns differ in length, or hold what they cannot.
    """

    ids: Ints
    origin: Ints
    since: Ints
    payload: Frame
    weight: Floats | None = None
    propensity: Floats | None = None
    inputs: Frame = field(default_factory=Frame)

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.origin) == len(self.since) == len(self.payload):
            raise ValueError("a ledger needs one origin, one round and one label per id")
        if self.weight is not None:
            _check_numbers("weight", self.weight, len(self))
            if not (np.isfinite(self.weight) & (self.weight >= 0)).all():
                raise ValueError("a ledger's weight is a finite number, 0 or more")
        if self.propensity is not None:
            _check_numbers("propensity", self.propensity, len(self))
            if not (np.isnan(self.propensity) | ((self.propensity >= 0) & (self.propensity <= 1))).all():
                raise ValueError("a ledger's propensity is from 0 to 1, or NaN")
        for name, column in self.inputs.columns.items():
            _check_key(name, column, len(self))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def plain(self) -> bool:
        """Whether it has none of weight, propensity and inputs."""
        return self.weight is None and self.propensity is None and not self.inputs.columns

    @classmethod
    def entry(
        cls,
        ids: Ints,
        origin: int,
        since: int,
        payload: Frame,
        *,
        weight: Floats | None = None,
        propensity: Floats | None = None,
        inputs: Frame | None = None,
    ) -> Ledger:
        """Rows that come in together."""
        rows, others = len(ids), inputs or Frame()
        return cls(
            ids, np.full(rows, origin, np.int32), np.full(rows, since, np.int32), payload, weight, propensity, others
        )

    @staticmethod
    def join(parts: Sequence[Ledger]) -> Ledger:
        """Ledgers one after another; rows of one that lacks a column weigh 1, were drawn nobody knows how, are real.

        Raises:
            ValueError: if payloads differ in columns, or keys of inputs in vocabularies.
        """
        if len(parts) == 1:
            return parts[0]
        return Ledger(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.origin for part in parts]),
            np.concatenate([part.since for part in parts]),
            Frame.join([part.payload for part in parts]),
            _joined([part.weight for part in parts], parts, 1.0),
            _joined([part.propensity for part in parts], parts, np.nan),
            _joined_inputs(parts),
        )

    def take(self, rows: Ints) -> Ledger:
        """The given rows, in the given order."""
        return Ledger(
            self.ids[rows],
            self.origin[rows],
            self.since[rows],
            self.payload.take(rows),
            None if self.weight is None else self.weight[rows],
            None if self.propensity is None else self.propensity[rows],
            self.inputs.take(rows),
        )

    def samples(self) -> Samples:
        """What a domain sees: no origin and no round, only whether a model made label or input."""
        synthetic = self.origin != HUMAN
        for column in self.inputs.columns.values():
            synthetic = synthetic | (column.values != REAL)
        return Samples(self.ids, synthetic, self.payload, self.inputs, self.weight, self.propensity)


def _check_numbers(name: str, values: Floats, rows: int) -> None:
    if values.dtype != np.float64 or values.shape != (rows,):
        raise ValueError(f"a ledger's {name} is a float64 a row, not {values.dtype} of shape {values.shape}")


def _check_key(name: str, column: Column, rows: int) -> None:
    values = column.values
    if column.offsets is not None or values.dtype != np.int64 or values.shape != (rows,):
        raise ValueError(f"a ledger's input {name!r} is an int64 a row, not {values.dtype} of shape {values.shape}")
    if (values < REAL).any():
        raise ValueError(f"a ledger's input {name!r} is a key from 0, or {REAL} for the sample's own input")


def _joined(columns: Sequence[Floats | None], parts: Sequence[Ledger], absent: float) -> Floats | None:
    """`(n,)` values of all parts, or None where no part has any."""
    if all(values is None for values in columns):
        return None
    filled = [
        np.full(len(part), absent) if values is None else values for part, values in zip(parts, columns, strict=True)
    ]
    return np.concatenate(filled)


def _joined_inputs(parts: Sequence[Ledger]) -> Frame:
    """Every key that any part has; of rows without it `REAL`."""
    columns = {name: column for part in parts for name, column in part.inputs.columns.items()}
    meant = {(name, c.role, c.vocabulary) for part in parts for name, c in part.inputs.columns.items()}
    if len(meant) > len(columns):
        raise ValueError(f"inputs to join differ in what their columns mean: {sorted(meant)}")
    return Frame({
        name: Column(
            np.concatenate([
                part.inputs[name] if name in part.inputs else np.full(len(part), REAL, np.int64) for part in parts
            ]),
            None, column.role, column.vocabulary,
        )
        for name, column in columns.items()
    })  # fmt: skip


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
