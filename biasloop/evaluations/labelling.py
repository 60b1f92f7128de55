"""Bias amplification of predictions of several labels a row."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from biasloop.errors import InvalidInput
from biasloop.evaluations.answers import Answer, ends_of, rounded
from biasloop.evaluations.checks import some, varied
from biasloop.metrics import amplification_multilabel as measuring
from biasloop.metrics.amplification import Amplification, Tie
from biasloop.metrics.amplification_multilabel import LabelCounts
from biasloop.predictions import Source, flags


def several(
    source: Source, attribute: str, tasks: Sequence[str], predicted: Sequence[str], train: Source | None, tie: Tie,
    draws: int, seed: int,
) -> Answer:  # fmt: skip
    """Bias amplification of labels, each a column of 0 and 1 and a column of predictions.

    Raises:
        InvalidInput: a bad file or column, or the attribute has one value only.
    """
    attributes, found = _counted(source, attribute, [*tasks, *predicted], len(tasks))
    varied(source.path, attribute, attributes)
    learned = None
    if train is not None:
        names, counts = _counted(train, attribute, [*tasks, *tasks], len(tasks))
        missing = sorted(set(attributes) - set(names))
        if missing:
            raise InvalidInput(
                f"{train.path}: no rows with {attribute} {some(missing)}, so what it is associated with is not known"
            )
        found = found.placed(np.array([names.index(name) for name in attributes]), len(names))
        attributes, learned = names, counts
    measured = measuring.amplification(found, train=learned, tie=tie)
    ends = measuring.interval(found, train=learned, tie=tie)
    single = [name for name, rows in zip(attributes, found.rows.tolist(), strict=True) if rows == 1]
    reason = {}
    if math.isnan(ends[0]):
        reason["interval"] = "an attribute value has one row" if single else "no row differs from another"
    error = measuring.standard_error(found, train=learned, tie=tie)
    normal = np.random.Generator(np.random.PCG64(seed)).standard_normal(draws)
    return Answer(
        n=int(found.rows.sum()),
        metrics={"bias_amp": measured.total},
        details={
            "interval": ends_of(ends),
            "attributes": attributes,
            "tasks": list(tasks),
            "cells": rounded(measured.cells.tolist()),
            "deltas": rounded(measured.deltas.tolist()),
            "associated": measured.y.tolist(),
            "counts": {
                "rows": found.rows.tolist(),
                "true": found.true.tolist(),
                "predicted": found.predicted.tolist(),
            },
        },
        rows=_rows(attributes, tasks, found, measured),
        errors={} if math.isnan(error) else {"bias_amp": error * normal},
        reason=reason,
        notes=[f"{attribute} {name!r} has one row" for name in single],
    )


def _rows(
    attributes: Sequence[str], tasks: Sequence[str], found: LabelCounts, measured: Amplification
) -> list[dict[str, Any]]:
    """A row for each attribute value and label."""
    return [
        {
            "attribute": name,
            "task": task,
            "n": int(found.rows[a]),
            "true": found.true[a, t] / found.rows[a] if found.rows[a] else math.nan,
            "predicted": found.predicted[a, t] / found.rows[a] if found.rows[a] else math.nan,
            "associated": bool(measured.y[a, t]),
            "amplification": float(measured.cells[a, t]),
        }
        for a, name in enumerate(attributes)
        for t, task in enumerate(tasks)
    ]


def _counted(source: Source, attribute: str, columns: Sequence[str], tasks: int) -> tuple[list[str], LabelCounts]:
    """Sorted attribute values and counts, batch by batch."""
    names: list[str] = []
    total: LabelCounts | None = None
    for present, groups, held in flags(source, attribute, columns):
        counts = measuring.label_counts(groups, held[:, :tasks], held[:, tasks:], len(present))
        every = sorted({*names, *present})
        counts = counts.placed(np.array([every.index(name) for name in present]), len(every))
        if total is not None:
            counts += total.placed(np.array([every.index(name) for name in names]), len(every))
        names, total = every, counts
    assert total is not None  # no rows are refused
    return names, total
