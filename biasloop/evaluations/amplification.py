"""Bias amplification of somebody's predictions: of one class a row, or of several labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.contract.data import Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.evaluations import grouping
from biasloop.evaluations.binning import NO_BINS, Bins
from biasloop.evaluations.checks import some, varied
from biasloop.evaluations.grouping import Key
from biasloop.evaluations.multilabel import Labels, several
from biasloop.evaluations.result import AGREE, EvaluationResult, ends_of, rounded
from biasloop.metrics import amplification as measuring
from biasloop.metrics.amplification import Amplification, Empty, Tie
from biasloop.metrics.intervals import wilson
from biasloop.predictions import Counts, Source, counted


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
    attribute: str | Sequence[str],
    predicted: Sequence[str],
    train: Source | None = None,
    options: Options = Options(),
    bins: Bins = NO_BINS,
    seed: int = 0,
) -> EvaluationResult:
    """Directional bias amplification, attribute -> task, with a bootstrap interval.

    Args:
        source: the predictions.
        task: the column of true classes; several: columns of 0 and 1, a label each.
        attribute: the column of groups; of several the groups are the combinations that occur, beside which stands
            the answer of each attribute by itself.
        predicted: the column of predictions, or as many columns as `task`.
        train: where task and attribute are associated is decided by these rows, not by the evaluated ones.
        options: what to do with ties and empty groups, and how often to resample.
        bins: of attributes that are numbers.
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
    attributes = grouping.listed(attribute)
    if len(tasks) > 1:
        given = Labels(tasks, guesses, options.tie, options.draws, seed)
        return grouping.each(attributes, lambda names: several(source, names, train, bins, given))
    named = [*attributes, tasks[0]]
    raw = counted(source, [*named, guesses[0]], alike=[tasks[0], guesses[0]])
    varied(source.path, tasks[0], raw.values(tasks[0]))
    for name in attributes:
        varied(source.path, name, raw.values(name))
    counts, learned = bins.binned(raw), bins.binned(counted(train, named)) if train else None
    return grouping.each(
        attributes, lambda names: _of_classes(counts, learned, names, (tasks[0], guesses[0]), options, seed)
    )


def _split(source: Source, names: Sequence[str]) -> list[str]:
    """Names given one by one or with commas between them, unless a column is really called so."""
    split = [name.split(",") if "," in name and name not in source.columns else [name] for name in names]
    return [part for parts in split for part in parts]


def _of_classes(
    counts: Counts, train: Counts | None, names: Sequence[str], columns: tuple[str, str], options: Options, seed: int
) -> EvaluationResult:
    task, predicted = columns
    attribute, keys = grouping.joined(names), grouping.grouped(counts, names)[0]
    tasks = counts.values(task, predicted)
    notes: list[str] = []
    learned = None
    if train is not None:
        keys, learned = _learned(train, task, names, keys, tasks, notes)
    attributes = grouping.names_of(keys)
    axis, placed = grouping.placed(counts, names, keys)
    joint = placed.table(axis, (task, tasks), (predicted, tasks))  # (A, T, T)
    true, guessed = measuring.tables(joint)  # (A, T)
    measured = measuring.amplification(true, guessed, train=learned, tie=options.tie, empty=options.empty)
    single = [name for name, rows in zip(attributes, true.sum(axis=1).tolist(), strict=True) if rows == 1]
    drawn, ends = np.zeros(0), (math.nan, math.nan)  # (draws,)
    if not single and not math.isnan(measured.total):
        drawn = measuring.resampled(
            joint, train=learned, tie=options.tie, empty=options.empty, draws=options.draws, seed=seed
        )
        ends = measuring.percentiles(measured.total, drawn)
    notes += grouping.single(attribute, single)
    if len(names) == 1:
        notes += grouping.crowded(counts.path, attribute, attributes, counts.n)
    if learned is None and not measured.y.any():
        notes.append(f"{attribute} and {task} are exactly independent, so bias_amp is 0 whatever is predicted")
    reason = {}
    if math.isnan(measured.total):
        reason["bias_amp"] = f"an {attribute} of the training rows has no rows here"
    if math.isnan(ends[0]):
        reason["interval"] = "an attribute value has one row" if single else reason.get("bias_amp", AGREE)
    right = _right(joint)
    return EvaluationResult(
        n=counts.n,
        metrics={"bias_amp": measured.total},
        details={
            "interval": ends_of(ends),
            "attributes": attributes,
            "tasks": tasks,
            **_tables(measured),
            "counts": {"true": true.tolist(), "predicted": guessed.tolist()},
            "accuracy": float(np.einsum("att->", joint) / counts.n),
            "accuracy_by_cell": rounded(right.tolist()),
        },
        rows=_rows(attributes, tasks, true, guessed, measured, right),
        errors={} if math.isnan(ends[0]) else {"bias_amp": drawn - measured.total},
        spans={"accuracy": wilson(round(float(np.einsum("att->", joint))), counts.n)}
        | ({} if math.isnan(ends[0]) else {"bias_amp": ends}),
        reason=reason | ({"accuracy_by_cell": "no rows in a cell"} if np.isnan(right).any() else {}),
        notes=notes,
    )


def _learned(
    train: Counts, task: str, names: Sequence[str], keys: Sequence[Key], tasks: list[str], notes: list[str]
) -> tuple[list[Key], Ints]:
    """All groups, and the training rows' counts; `notes` says which rows were left out."""
    every = grouping.grouped(train, names)[0]
    missing = sorted(set(keys) - set(every))
    if missing:
        raise InvalidInput(
            f"{train.path}: no rows with {grouping.joined(names)} {some(grouping.names_of(missing))}, so what it is "
            "associated with is not known"
        )
    axis, placed = grouping.placed(train, names, every)
    table = placed.table(axis, (task, tasks))
    lost = train.n - int(table.sum())
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
    rows = []
    for a, attribute in enumerate(attributes):
        size = int(true[a].sum())
        for t, task in enumerate(tasks):
            rows.append(
                {
                    "attribute": attribute,
                    "task": task,
                    "n": int(true[a, t]),
                    "true": true[a, t] / size if size else math.nan,
                    "predicted": guessed[a, t] / size if size else math.nan,
                    "associated": bool(measured.y[a, t]),
                    "amplification": float(measured.cells[a, t]),
                    "accuracy": float(right[a, t]),
                }
            )
    return rows
