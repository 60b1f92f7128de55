"""What a run's last model says of samples: whether it says one thing of nearly all, and how few some groups are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from biasloop.contract import names
from biasloop.contract.data import Column, Frame, Tables, Vocabularies
from biasloop.records.record import Record

FEW = 30
"""Samples of a group below which its numbers say little."""

NEARLY_ALL = 0.99  # of predictions, from which on they have collapsed
HALF = 0.5  # of texts, from which on one of them is most
LEAST = 10  # rows that tell a collapse from chance
_POPULATIONS = (names.POPULATION, names.FINAL_POPULATION)


@dataclass(frozen=True)
class Collapse:
    """One answer for nearly every sample.

    Attributes:
        table: whose samples.
        answer: the class, or the text.
        share: of the samples that have it.
        text: whether it is a text.
    """

    table: str
    answer: str
    share: float
    text: bool = False


@dataclass
class Predicted:
    """What a run's last round says.

    Attributes:
        collapses: what has collapsed.
        groups: of the test set, "column value" -> samples, of classes and groups.
    """

    collapses: list[Collapse] = field(default_factory=list)
    groups: dict[str, int] = field(default_factory=dict)
    _truth: dict[str, Frame] = field(default_factory=dict)
    _vocabularies: Vocabularies | None = None  # of the set-up, once it was looked at

    def add(self, record: Record) -> None:
        """Look at the set-up, which comes first, or at the last round."""
        main = record.evaluations.get(names.MAIN)
        if main is None:
            return
        if self._vocabularies is None:
            self._vocabularies = record.vocabularies()
            self._truth = {name: _classes_alone(table) for name, table in main.tables.items()}
            self.groups = _sizes(self._truth.get(names.TEST, Frame()), self._vocabularies)
            return
        self.collapses = self._collapsed(main.tables)
        self._truth = {}

    def _collapsed(self, tables: Tables) -> list[Collapse]:
        collapses = []
        for table, frame in tables.items():
            for name, column in frame.columns.items():
                roles = {names.PREDICTION, names.GROUP} if table in _POPULATIONS else {names.PREDICTION}
                if column.role in roles and _has_classes(column):
                    collapses += self._one_class(table, name, column)
                elif column.role == names.TEXT and column.offsets is not None:
                    collapses += _one_text(table, column)
        return collapses

    def _one_class(self, table: str, name: str, column: Column) -> list[Collapse]:
        values = column.values
        words = (self._vocabularies or {}).get(column.vocabulary)
        if len(values) < LEAST:
            return []
        classes, counts = np.unique(values, return_counts=True)
        most = int(counts.argmax())
        value, share = int(classes[most]), float(counts[most] / len(values))
        if share < NEARLY_ALL or self._share_in_truth(table, column, value) >= share:
            return []
        answer = words[value] if words is not None and 0 <= value < len(words) else f"{name} {value}"
        return [Collapse(table, answer, share)]

    def _share_in_truth(self, table: str, column: Column, value: int) -> float:
        """How many of a table's true classes are that one; 0 where none is known."""
        alike = [
            known.values
            for known in self._truth.get(table, Frame()).columns.values()
            if known.role == names.TARGET and known.vocabulary == column.vocabulary and len(known)
        ]
        return float(np.mean(alike[0] == value)) if alike else 0.0


def _sizes(test: Frame, vocabularies: Vocabularies) -> dict[str, int]:
    """How many samples a class or group has, by name."""
    sizes: dict[str, int] = {}
    for name, column in test.columns.items():
        words = vocabularies.get(column.vocabulary)
        if words is None or column.role not in {names.GROUP, names.TARGET}:
            continue
        values = column.values[(column.values >= 0) & (column.values < len(words))]
        counts = np.bincount(values, minlength=len(words))
        called = "" if column.role == names.TARGET else f"{name.removeprefix(names.GROUP_OF)} "
        sizes |= {f"{called}{word}": int(n) for word, n in zip(words, counts, strict=True) if n}
    return sizes


def _one_text(table: str, column: Column) -> list[Collapse]:
    texts = column.strings()
    if len(texts) < LEAST:
        return []
    ((text, count),) = Counter(texts).most_common(1)
    share = count / len(texts)
    return [Collapse(table, text, share, text=True)] if share >= HALF else []


def _has_classes(column: Column) -> bool:
    return column.offsets is None and column.values.ndim == 1 and column.values.dtype.kind in "iu"


def _classes_alone(table: Frame) -> Frame:
    return Frame({name: column for name, column in table.columns.items() if _has_classes(column)})
