"""Prompts and their continuations as texts; NumPy alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from biasloop.contract.data import Array, Bools, Column, Frame
from biasloop.lazy import numpy as np


@dataclass(frozen=True)
class Pairs:
    """Rows of a corpus. A row's id is its position, counted from 0.

    Attributes:
        prompts: text column.
        continuations: text column; empty where none is given.
        labelled: `(n,)` bool, False where no continuation is given, so that only a model can write one.
        source: what the corpus is called in messages.
    """

    prompts: Column
    continuations: Column
    labelled: Bools
    source: str

    def __post_init__(self) -> None:
        if not len(self.prompts) == len(self.continuations) == len(self.labelled):
            raise ValueError("a corpus needs one continuation and one mark per prompt")

    def __len__(self) -> int:
        return len(self.prompts)

    @classmethod
    def of(cls, prompts: Sequence[str], continuations: Sequence[str | None], source: str) -> Pairs:
        """Pairs of strings; None where no continuation is given."""
        labelled = np.array([text is not None for text in continuations], np.bool_)
        return cls(Column.text(prompts), Column.text([text or "" for text in continuations]), labelled, source)

    @property
    def empty(self) -> int:
        """Rows whose continuation is given and is empty; a model learns nothing from them."""
        return int(np.count_nonzero(self.labelled & (_lengths(self.continuations) == 0)))

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that identify the content."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (*self._arrays(), self.labelled):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def texts(self) -> list[str]:
        """Each prompt with its continuation, as one text."""
        return [a + b for a, b in zip(self.prompts.strings(), self.continuations.strings(), strict=True)]

    def take(self, rows: Array) -> Pairs:
        """The given rows (positions or a mask), in the given order; their ids are new."""
        return Pairs(self.prompts.take(rows), self.continuations.take(rows), self.labelled[rows], self.source)

    def frame(self) -> Frame:
        """As columns `prompt`, `continuation`, `labelled`."""
        return Frame({
            "prompt": self.prompts, "continuation": self.continuations, "labelled": Column(self.labelled),
        })  # fmt: skip

    @classmethod
    def from_frame(cls, frame: Frame, source: str) -> Pairs:
        """The opposite of `frame`."""
        columns = frame.columns
        return cls(columns["prompt"], columns["continuation"], columns["labelled"].values, source)

    def _arrays(self) -> list[Array]:
        return [
            array for column in (self.prompts, self.continuations) for array in (column.values, column.offsets)
            if array is not None
        ]  # fmt: skip


def _lengths(column: Column) -> Array:
    assert column.offsets is not None
    return np.diff(column.offsets)
