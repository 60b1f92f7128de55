"""How often each value is predicted, and by how much that differs from the truth."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from biasloop.contract.data import Floats, Ints
from biasloop.evaluations.result import EvaluationResult
from biasloop.metrics.intervals import agree, paired, wilson
from biasloop.predictions import Source, counted

_DRAWS, _MOST = 1000, 2**22  # numbers drawn at most


def shares(source: Source, *, predicted: str, task: str | None = None, seed: int = 0) -> EvaluationResult:
    """The share of every value that occurs, sorted by value.

    With true labels also how often each is true and the bias, predicted minus true, with the standard error of paired
    rows and an interval that has a width even where all rows agree; and of all values the largest bias, whatever its
    sign, and the total variation, half their sum.

    Raises:
        InvalidInput: a bad file or column.
    """
    counts = counted(source, [predicted, *([task] if task else [])], alike=[task, predicted] if task else [])
    values = counts.values(predicted, *([task] if task else []))
    guessed = counts.table((predicted, values))  # (values,)
    rows = [_share(value, int(hits), counts.n) for value, hits in zip(values, guessed.tolist(), strict=True)]
    metrics: dict[str, float] = {}
    errors: dict[str, Floats] = {}
    if task:
        true = counts.table((task, values))  # (values,)
        right = _agreeing(counts.columns, task, predicted, counts.rows, values)
        by_value = zip(rows, guessed.tolist(), true.tolist(), right.tolist(), strict=True)
        rows = [row | _bias(hits, known, both, counts.n) for row, hits, known, both in by_value]
        excess = (guessed - true) / counts.n
        sizes = np.abs(excess)
        metrics = {"total_variation": float(sizes.sum() / 2), "largest_bias": float(sizes.max())}
        at = {value: index for index, value in enumerate(values)}
        pairs = [np.array([at[value] for value in counts.columns[name]]) for name in (predicted, task)]
        errors = _errors(pairs[0], pairs[1], counts.rows, excess, seed)
    return EvaluationResult(
        n=counts.n, metrics=metrics, details={"shares": rows}, rows=[_flat(row) for row in rows], errors=errors
    )


def _share(value: str, hits: int, n: int) -> dict[str, Any]:
    p = hits / n
    return {"value": value, "predicted": p, "se": math.sqrt(p * (1 - p) / n), "interval": list(wilson(hits, n))}


def _bias(guessed: int, true: int, right: int, n: int) -> dict[str, Any]:
    """Rows correspond: the error is that of the mean of the differences 1, 0 and -1."""
    bias = (guessed - true) / n
    wrong = (guessed - right + true - right) / n
    error = math.sqrt(max(wrong - bias**2, 0.0) / n)
    return {"true": true / n, "bias": bias, "bias_se": error, "bias_interval": list(paired(right, guessed, true, n))}


def _agreeing(columns: Mapping[str, list[str]], task: str, predicted: str, rows: Ints, values: list[str]) -> Ints:
    """Rows of each value that is both true and predicted."""
    hits = dict.fromkeys(values, 0)
    for true, guess, n in zip(columns[task], columns[predicted], rows.tolist(), strict=True):
        if true == guess:
            hits[true] += n
    return np.array([hits[value] for value in values], np.int64)


def _errors(guess: Ints, true: Ints, rows: Ints, excess: Floats, seed: int) -> dict[str, Floats]:
    """Resampled minus measured metrics."""
    draws = min(_DRAWS, _MOST // max(len(rows), len(excess)))
    if draws < 100:
        return {}
    n = int(rows.sum())
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = rng.multinomial(n, rows / n, size=draws)  # (draws, combinations)
    resampled = np.zeros((draws, len(excess)))  # (draws, values)
    np.add.at(resampled.T, guess, drawn.T / n)
    np.subtract.at(resampled.T, true, drawn.T / n)
    sizes, measured = np.abs(resampled), np.abs(excess)
    errors = {
        "total_variation": sizes.sum(axis=1) / 2 - measured.sum() / 2,
        "largest_bias": sizes.max(axis=1) - measured.max(),
    }
    return {name: values for name, values in errors.items() if not agree(values)}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["interval"]
    flat = {key: value for key, value in row.items() if key not in ("interval", "bias_interval")}
    if "bias_interval" in row:
        flat |= dict(zip(("bias_low", "bias_high"), row["bias_interval"], strict=True))
    return {**flat, "low": low, "high": high}
