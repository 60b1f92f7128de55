"""Where the training sets of arms come from: who labelled what, round by round and class by class, and how wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from biasloop.contract.data import Ints
from biasloop.report.arms import Arm
from biasloop.report.html.labels import Entered
from biasloop.report.html.stored import ReadOnce

KEEPS = {
    "all": "A round trains on all rows that have entered.",
    "subsample": "A round trains on as many rows as round 0 did, drawn anew from all that have entered.",
    "replace": "A round trains on the rows that entered last.",
}
"""By `loop.keep`, what of all that entered is trained on."""


@dataclass(frozen=True)
class Labelled:
    """Labels in training sets, summed over runs.

    Attributes:
        human: given by humans.
        model: given by a model.
        checked: of these, those whose true label is known.
        wrong: of these, how many are wrong; a sum of shares where labels can be wrong in part.
        error: `wrong` as a share of `checked`; NaN where there are none.
        model_share: of all labels, those that a model gave; NaN where there are none.
    """

    human: int
    model: int
    checked: int
    wrong: float
    error: float
    model_share: float


@dataclass(frozen=True)
class Cell:
    """Labels of a class that models gave: by what they said, and by what is true.

    Attributes:
        given: so labelled.
        given_checked: of these, those whose true label is known.
        given_wrong: of these, wrong.
        true: of that class in truth; None where no round had the truth of all that models labelled.
        missed: of these, labelled as another; None likewise.
    """

    given: int
    given_checked: int
    given_wrong: int
    true: int | None
    missed: int | None

    @property
    def said_error(self) -> float:
        """How often it is wrong where a model says this class, of those checked; NaN where none is."""
        return self.given_wrong / self.given_checked if self.given_checked else math.nan

    @property
    def missed_share(self) -> float:
        """How often models say another class where this one is right; NaN where it never is, or nobody knows."""
        return self.missed / self.true if self.true and self.missed is not None else math.nan


@dataclass(frozen=True)
class ClassLabels:
    """A class among the labels of an arm, summed over runs.

    Attributes:
        name: the class.
        human: rows that humans labelled so.
        models: what models gave, of all rounds.
        by_round: what the model that labels for each round gave.
    """

    name: str
    human: int
    models: Cell
    by_round: Mapping[int, Cell]


@dataclass(frozen=True)
class Provenance:
    """Where the training sets of an arm come from.

    Attributes:
        arm: its label.
        runs: that counts are summed over.
        rounds: by round, what entered before it; of round 0 its first training set.
        totals: by round, what had entered up to it.
        classes: most frequent first; none where labels are no classes.
        inputs: by round, rows whose input a generator made; none where all inputs are the samples' own.
        kept: what of all that entered a round trains on, a sentence; empty where that is not said.
        judged: whether labels are right or wrong at all; texts are not.
    """

    arm: str
    runs: int
    rounds: Mapping[int, Labelled]
    totals: Mapping[int, Labelled]
    classes: Sequence[ClassLabels]
    inputs: Mapping[int, int]
    kept: str
    judged: bool


def provenance(arms: Sequence[Arm]) -> list[Provenance]:
    """Of all arms whose runs have a ledger; chains of generators have none."""
    return [told for arm in arms if (told := _of_arm(arm)) is not None]


def _of_arm(arm: Arm) -> Provenance | None:
    runs = [measured.run for measured in arm.runs if isinstance(measured.run, ReadOnce)]
    by_round = {number: [run.labels.rounds.get(number, Entered()) for run in runs] for number in range(arm.rounds)}
    if not any(entered.human + entered.model for every in by_round.values() for entered in every):
        return None
    rounds = {number: _summed(every) for number, every in by_round.items()}
    totals, so_far = {}, _labelled(0, 0, 0, 0.0)
    for number, entered in rounds.items():
        so_far = _added(so_far, entered)
        totals[number] = so_far
    inputs = {number: sum(entered.inputs for entered in every) for number, every in by_round.items()}
    settings = runs[0].identity["loop"]
    feeds = arm.rounds > 1 and any(entered.human + entered.model for entered in [*rounds.values()][1:])
    return Provenance(
        arm.label, len(runs), rounds, totals, _classes(runs, by_round),
        inputs if any(inputs.values()) else {},
        KEEPS.get(str(settings.get("keep", "")), "") if feeds else "",
        all(entered.judged for every in by_round.values() for entered in every),
    )  # fmt: skip


def _labelled(human: int, model: int, checked: int, wrong: float) -> Labelled:
    every = human + model
    return Labelled(
        human, model, checked, wrong, wrong / checked if checked else math.nan, model / every if every else math.nan
    )


def _summed(every: Sequence[Entered]) -> Labelled:
    return _labelled(
        sum(entered.human for entered in every), sum(entered.model for entered in every),
        sum(entered.checked for entered in every), sum(entered.wrong for entered in every),
    )  # fmt: skip


def _added(first: Labelled, second: Labelled) -> Labelled:
    return _labelled(
        first.human + second.human, first.model + second.model, first.checked + second.checked,
        first.wrong + second.wrong,
    )  # fmt: skip


def _classes(runs: Sequence[ReadOnce], by_round: Mapping[int, Sequence[Entered]]) -> list[ClassLabels]:
    names = runs[0].labels.classes
    if not names or any(run.labels.classes != names for run in runs):
        return []
    human = _count([entered for every in by_round.values() for entered in every], "human", len(names))
    models = {number: every for number, every in by_round.items() if any(entered.model for entered in every)}
    cells = {number: _cells(every, len(names)) for number, every in models.items()}
    of_all = _cells([entered for every in models.values() for entered in every], len(names))
    lines = [
        ClassLabels(name, int(human[i]), of_all[i], {number: of_round[i] for number, of_round in cells.items()})
        for i, name in enumerate(names)
    ]
    return sorted(lines, key=lambda line: -(line.human + line.models.given))


def _cells(every: Sequence[Entered], classes: int) -> list[Cell]:
    said = [_count(every, kind, classes).tolist() for kind in ("given", "given_checked", "given_wrong")]
    is_known = any("true" in entered.by_class for entered in every)
    true = [_count(every, kind, classes).tolist() if is_known else [None] * classes for kind in ("true", "missed")]
    return [Cell(*counts) for counts in zip(*said, *true, strict=True)]


def _count(every: Sequence[Entered], kind: str, classes: int) -> Ints:
    """`(classes,)` summed over rounds and runs."""
    counts = [entered.by_class[kind] for entered in every if kind in entered.by_class]
    return np.sum(counts, axis=0, dtype=np.int64) if counts else np.zeros(classes, np.int64)
