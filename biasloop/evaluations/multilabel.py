"""Bias amplification of predictions of several labels a row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.errors import InvalidInput
from biasloop.evaluations import grouping
from biasloop.evaluations.binning import Bins
from biasloop.evaluations.checks import some, varied
from biasloop.evaluations.grouping import Key
from biasloop.evaluations.result import EvaluationResult, ends_of, rounded
from biasloop.evaluations.scoring import flags
from biasloop.metrics import amplification_multilabel as measuring
from biasloop.metrics.amplification import Amplification, Tie
from biasloop.metrics.amplification_multilabel import LabelCounts
from biasloop.predictions import Source


@dataclass(frozen=True)
class Labels:
    """Columns of labels, and how their bias amplification is computed.

    Attributes:
        tasks: columns of true labels, of 0 and 1.
        predicted: as many columns of predictions.
        tie: what an exactly independent cell counts.
        draws: resamples that differences between files are judged by.
        seed: of the resamples.
    """

    tasks: Sequence[str]
    predicted: Sequence[str]
    tie: Tie
    draws: int
    seed: int


def several(source: Source, names: Sequence[str], train: Source | None, bins: Bins, given: Labels) -> EvaluationResult:
    """Bias amplification of labels, each a column of 0 and 1 and a column of predictions.

    Args:
        source: the predictions.
        names: columns whose combinations of values are the groups.
        train: decides what is associated; None: the predictions do.
        bins: of attributes that are numbers.
        given: columns, and how to compute.

    Raises:
        InvalidInput: a bad file or column, or an attribute has one value only.
    """
    tasks, attribute = given.tasks, grouping.joined(names)
    keys, counts = _counted(source, names, [*tasks, *given.predicted], bins)
    for index, name in enumerate(names):
        varied(source.path, name, sorted({key[index] for key in keys}))
    learned = None
    if train is not None:
        every, learned = _counted(train, names, [*tasks, *tasks], bins)
        missing = sorted(set(keys) - set(every))
        if missing:
            raise InvalidInput(
                f"{train.path}: no rows with {attribute} {some(grouping.names_of(missing))}, so what it is associated "
                "with is not known"
            )
        counts = counts.placed(np.array([every.index(key) for key in keys]), len(every))
        keys = every
    attributes = grouping.names_of(keys)
    measured = measuring.amplification(counts, train=learned, tie=given.tie)
    ends = measuring.interval(counts, train=learned, tie=given.tie)
    single = [name for name, rows in zip(attributes, counts.rows.tolist(), strict=True) if rows == 1]
    reason = {}
    if math.isnan(ends[0]):
        reason["interval"] = "an attribute value has one row" if single else "no row differs from another"
    error = measuring.standard_error(counts, train=learned, tie=given.tie)
    normal = np.random.Generator(np.random.PCG64(given.seed)).standard_normal(given.draws)
    return EvaluationResult(
        n=int(counts.rows.sum()),
        metrics={"bias_amp": measured.total},
        details={
            "interval": ends_of(ends),
            "attributes": attributes,
            "tasks": list(tasks),
            "cells": rounded(measured.cells.tolist()),
            "deltas": rounded(measured.deltas.tolist()),
            "associated": measured.y.tolist(),
            "counts": {
                "rows": counts.rows.tolist(),
                "true": counts.true.tolist(),
                "predicted": counts.predicted.tolist(),
            },
        },
        rows=_rows(attributes, tasks, counts, measured),
        errors={} if math.isnan(error) else {"bias_amp": error * normal},
        reason=reason,
        notes=grouping.single(attribute, single),
    )


def _rows(
    attributes: Sequence[str], tasks: Sequence[str], counts: LabelCounts, measured: Amplification
) -> list[dict[str, Any]]:
    """A row for each attribute value and label."""
    return [
        {
            "attribute": name,
            "task": task,
            "n": int(counts.rows[a]),
            "true": counts.true[a, t] / counts.rows[a] if counts.rows[a] else math.nan,
            "predicted": counts.predicted[a, t] / counts.rows[a] if counts.rows[a] else math.nan,
            "associated": bool(measured.y[a, t]),
            "amplification": float(measured.cells[a, t]),
        }
        for a, name in enumerate(attributes)
        for t, task in enumerate(tasks)
    ]


def _counted(source: Source, names: Sequence[str], columns: Sequence[str], bins: Bins) -> tuple[list[Key], LabelCounts]:
    """Groups in order and their counts, batch by batch."""
    half = len(columns) // 2
    keys: list[Key] = []
    total: LabelCounts | None = None
    for present, groups, labels in flags(source, names, columns, bins.of):
        counts = measuring.label_counts(groups, labels[:, :half], labels[:, half:], len(present))
        every = grouping.keys_of({*keys, *present})
        at = {key: index for index, key in enumerate(every)}
        counts = counts.placed(np.array([at[key] for key in present]), len(every))
        if total is not None:
            counts += total.placed(np.array([at[key] for key in keys]), len(every))
        keys, total = every, counts
    assert total is not None  # no rows are refused
    return keys, total
