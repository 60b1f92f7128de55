"""Who gave the labels of a run's training sets, and how often models were wrong: read off ledger and stored truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from biasloop.contract import names
from biasloop.contract.data import Bools, Column, Floats, Frame, Ints
from biasloop.feedback.accumulate import ERROR, KNOWN
from biasloop.records.ledger import HUMAN, REAL, Ledger
from biasloop.records.record import Record


@dataclass
class Entered:
    """Rows that entered the training set before a round.

    Attributes:
        human: labelled by humans.
        model: labelled by a model.
        checked: of these, those whose true label is known.
        wrong: of these, how many are wrong; a sum of shares where labels can be wrong in part.
        judged: whether labels are right or wrong at all; texts are not.
        inputs: rows whose input a generator made.
        by_class: counts `(classes,)` by name, where labels are classes: "human", "given", "given_checked" and
            "given_wrong" by the class that was said; "true" and "missed" by the true class of what a model labelled,
            without which they are where some have no true label.
    """

    human: int = 0
    model: int = 0
    checked: int = 0
    wrong: float = 0.0
    judged: bool = True
    inputs: int = 0
    by_class: dict[str, Ints] = field(default_factory=dict)


@dataclass
class Labels:
    """Labels of a run, round by round.

    Attributes:
        rounds: by round; what the set-up has stands under round 0.
        classes: names; empty where labels are no classes.
    """

    rounds: dict[int, Entered] = field(default_factory=dict)
    classes: Sequence[str] = ()
    _column: str = ""

    def add(self, number: int, record: Record) -> None:
        """Count what a step added; steps come in order, the set-up as -1."""
        added = record.added
        if number < 0:
            self._find_classes(record)
        if added is None or not len(added):
            self.rounds.setdefault(max(number, 0), Entered())
            return
        if added.inputs.columns:  # the rows are there already: what is new is their input
            made = np.any([column.values != REAL for column in added.inputs.columns.values()], axis=0)
            self.rounds.setdefault(number, Entered()).inputs += int(np.count_nonzero(made))
            return
        self.rounds[max(number, 0)] = self._entered(added, record.frames.get(names.TRUTH, Frame()))

    def _find_classes(self, record: Record) -> None:
        """The first column of labels that says one class a row; the names of all classes."""
        if record.added is None:
            return
        vocabularies = record.vocabularies()
        for name, column in record.added.payload.columns.items():
            if _says_classes(column) and column.vocabulary in vocabularies:
                self._column, self.classes = name, vocabularies[column.vocabulary]
                return

    def _entered(self, added: Ledger, truth: Frame) -> Entered:
        by_human: Bools = added.origin == HUMAN  # (rows,)
        entered = Entered(int(np.count_nonzero(by_human)), int(np.count_nonzero(~by_human)))
        known: Bools = truth[KNOWN].astype(np.bool_) if KNOWN in truth else np.zeros(entered.model, np.bool_)
        if len(known) != entered.model:  # not the truth of these labels
            known, truth = np.zeros(entered.model, np.bool_), Frame()
        errors: Floats = truth[ERROR] if ERROR in truth else np.full(entered.model, np.nan)  # (model,)
        entered.judged = not entered.model or ERROR in truth
        told = np.isfinite(errors) & known
        entered.checked, entered.wrong = int(np.count_nonzero(told)), float(errors[told].sum())
        if self._column in added.payload:
            said = self._classes_of(added.payload.columns[self._column])  # (rows,)
            entered.by_class = self._by_class(said[by_human], said[~by_human], errors, truth, told)
        return entered

    def _by_class(self, human: Ints, given: Ints, errors: Floats, truth: Frame, told: Bools) -> dict[str, Ints]:
        counts = {
            "human": self._counts(human), "given": self._counts(given), "given_checked": self._counts(given[told]),
        }  # fmt: skip
        if self._column not in truth:  # some have no true label
            return counts | {"given_wrong": self._counts(given[told & (errors > 0)])}
        true = self._classes_of(truth.columns[self._column])  # (model,)
        wrong = told & (true != given)
        missed, wrongly = self._counts(true[wrong]), self._counts(given[wrong])
        return counts | {"given_wrong": wrongly, "true": self._counts(true[told]), "missed": missed}

    def _classes_of(self, column: Column) -> Ints:
        return np.asarray(column.values, np.int64)

    def _counts(self, values: Ints) -> Ints:
        """`(classes,)` how often each occurs; a number that is none does not count."""
        size = len(self.classes)
        return np.bincount(values[(values >= 0) & (values < size)], minlength=size)


def _says_classes(column: Column) -> bool:
    values = column.values
    return column.role == names.TARGET and column.offsets is None and values.ndim == 1 and values.dtype.kind in "iu"
