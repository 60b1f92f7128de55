"""Bias amplification of somebody's predictions: of one class a row, or of several labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.data import Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.evaluations.answers import AGREE, Answer, ends_of, rounded
from biasloop.evaluations.checks import some, varied
from biasloop.evaluations.labelling import several
from biasloop.metrics import amplification as measuring
from biasloop.metrics.amplification import Amplification, Empty, Tie
from biasloop.predictions import Source, counted


@dataclass(frozen=True)
class Options:
    """How bias amplification is computed.

    Attributes:
        tie: what an exactly independent cell counts: "minus" its delta, or "zero".
        empty: an attribute value of the training rows without rows is left out ("skip"), or there is no number
            ("nan").
        draws: resamples of the interval.
    """

    tie: Tie = "minus"
    empty: Empty = "skip"
    draws: int = 1000

    def __post_init__(self) -> None:
        if self.tie not in ("minus", "zero"):
            raise InvalidInput(f'--tie {self.tie}: expected "minus" or "zero"')
        if self.empty not in ("skip", "nan"):
            raise InvalidInput(f'--empty {self.empty}: expected "skip" or "nan"')


def amplification(
    source: Source,
    *,
    task: Sequence[str],
    attribute: str,
    predicted: Sequence[str],
    train: Source | None = None,
    options: Options = Options(),
    seed: int = 0,
) -> Answer:
    """Directional bias amplification, attribute -> task, with a bootstrap interval.

    Args:
        source: the predictions.
        task: the column of true classes; several: columns of 0 and 1, a label each.
        attribute: the column of groups.
        predicted: the column of predictions, or as many columns as `task`.
        train: where task and attribute are associated is decided by these rows, not by the evaluated ones.
        options: what to do with ties and empty groups, and how often to resample.
        seed: of the resamples.

    Raises:
        InvalidInput: a bad file or column, or the task or the attribute has one value only.
    """
    tasks, guesses = (_split(source, names) for names in (task, predicted))
    if len(tasks) != len(guesses):
        raise InvalidInput(
            f"{len(tasks)} columns of --task ({', '.join(tasks)}) and {len(guesses)} of --predicted "
            f"({', '.join(guesses)}); expected a column of predictions for each task, in the same order"
        )
    if len(tasks) > 1:
        return several(source, attribute, tasks, guesses, train, options.tie, options.draws, seed)
    return _of_classes(source, tasks[0], attribute, guesses[0], train, options, seed)


def _split(source: Source, names: Sequence[str]) -> list[str]:
    """Names given one by one or with commas between them, unless a column is really called so."""
    return [
        part for name in names for part in (name.split(",") if "," in name and name not in source.columns else [name])
    ]


def _of_classes(
    source: Source, task: str, attribute: str, predicted: str, train: Source | None, options: Options, seed: int
) -> Answer:
    found = counted(source, [attribute, task, predicted], alike=[task, predicted])
    attributes, tasks = found.values(attribute), found.values(task, predicted)
    varied(source.path, task, found.values(task))
    varied(source.path, attribute, attributes)
    notes: list[str] = []
    learned = None
    if train is not None:
        attributes, learned = _learned(train, task, attribute, attributes, tasks, notes)
    joint = found.table((attribute, attributes), (task, tasks), (predicted, tasks))
    true, guessed = measuring.tables(joint)
    measured = measuring.amplification(true, guessed, train=learned, tie=options.tie, empty=options.empty)
    single = [name for name, rows in zip(attributes, true.sum(axis=1).tolist(), strict=True) if rows == 1]
    drawn = measuring.resampled(
        joint, train=learned, tie=options.tie, empty=options.empty, draws=options.draws, seed=seed
    )
    none = bool(single) or math.isnan(measured.total)
    ends = (math.nan, math.nan) if none else measuring.percentiles(drawn)
    notes += [f"{attribute} {name!r} has one row" for name in single]
    if learned is None and not measured.y.any():
        notes.append(f"{attribute} and {task} are exactly independent, so bias_amp is 0 whatever is predicted")
    reason = {}
    if math.isnan(measured.total):
        reason["bias_amp"] = f"an {attribute} of the training rows has no rows here"
    if math.isnan(ends[0]):
        reason["interval"] = "an attribute value has one row" if single else reason.get("bias_amp", AGREE)
    right = _right(joint)
    return Answer(
        n=found.n,
        metrics={"bias_amp": measured.total},
        details={
            "interval": ends_of(ends),
            "attributes": attributes,
            "tasks": tasks,
            **_tables(measured),
            "counts": {"true": true.tolist(), "predicted": guessed.tolist()},
            "accuracy": float(np.einsum("att->", joint) / found.n),
            "accuracy_by_cell": rounded(right.tolist()),
        },
        rows=_rows(attributes, tasks, true, guessed, measured, right),
        errors={} if math.isnan(ends[0]) else {"bias_amp": drawn - measured.total},
        reason=reason | ({"accuracy_by_cell": "no rows in a cell"} if np.isnan(right).any() else {}),
        notes=notes,
    )


def _learned(
    train: Source, task: str, attribute: str, attributes: list[str], tasks: list[str], notes: list[str]
) -> tuple[list[str], Ints]:
    """All attribute values, and the training rows' counts; `notes` says which rows were left out."""
    found = counted(train, [attribute, task])
    missing = sorted(set(attributes) - set(found.values(attribute)))
    if missing:
        raise InvalidInput(
            f"{train.path}: no rows with {attribute} {some(missing)}, so what it is associated with is not known"
        )
    every = found.values(attribute)
    table = found.table((attribute, every), (task, tasks))
    lost = found.n - int(table.sum())
    if lost:
        notes.append(f"{lost:,} training rows left out, whose {task} does not occur among the predictions")
    return every, table


def _right(joint: Ints) -> Floats:
    """`(A, T)` share of rows that are right; NaN where there are none."""
    rows = joint.sum(axis=2)
    return np.asarray(np.einsum("att->at", joint) / np.where(rows > 0, rows, np.nan), np.float64)


def _tables(measured: Amplification) -> dict[str, Any]:
    return {
        "cells": rounded(measured.cells.tolist()),
        "deltas": rounded(measured.deltas.tolist()),
        "associated": measured.y.tolist(),
    }


def _rows(
    attributes: Sequence[str], tasks: Sequence[str], true: Ints, guessed: Ints, measured: Amplification, right: Floats
) -> list[dict[str, Any]]:
    found = []
    for a, attribute in enumerate(attributes):
        whole = int(true[a].sum())
        for t, task in enumerate(tasks):
            found.append(
                {
                    "attribute": attribute,
                    "task": task,
                    "n": int(true[a, t]),
                    "true": true[a, t] / whole if whole else math.nan,
                    "predicted": guessed[a, t] / whole if whole else math.nan,
                    "associated": bool(measured.y[a, t]),
                    "amplification": float(measured.cells[a, t]),
                    "accuracy": float(right[a, t]),
                }
            )
    return found
