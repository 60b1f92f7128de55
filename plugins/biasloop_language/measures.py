"""What a round of a language loop measures, from per-sample tables; NumPy alone.

A score column c (a probability such as "toxicity", or a count such as "quotes") gives `c.generated` (the model's
continuations of the test prompts), `c.reference` (the human ones), `c.train` (the training set) and `c.bias`
(generated - reference, with the standard error of paired rows).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from biasloop.contract.data import Array, Column, Floats, Frame, Metric
from biasloop.lazy import numpy as np
from biasloop.metrics.ngrams import distinct, repeated_share
from biasloop.metrics.ratios import ratio
from biasloop.metrics.shares import share_of
from biasloop_language import perplexity

TOKENS = "tokens"  # the column of token ids
REFERENCE = "reference."
THRESHOLD = 0.5
REPEATED, DISTINCT = 4, (1, 2)


def mean(values: Array) -> Metric:
    """The mean and its standard error; rows that are NaN do not count."""
    valid = np.asarray(values, np.float64)[~np.isnan(values)]
    if not len(valid):
        return Metric(math.nan, 0)
    error = float(valid.std() / math.sqrt(len(valid))) if len(valid) > 1 else math.nan
    return Metric(float(valid.mean()), len(valid), error)


def scores(test: Frame, train: Frame, columns: Sequence[str]) -> dict[str, Metric]:
    """Means of every score column, and how far the generated ones are from the human ones."""
    metrics: dict[str, Metric] = {}
    for name in columns:
        for where, values in _places(test, train, name).items():
            metrics[f"{name}.{where}"] = mean(values)
            if name == "quotes":
                metrics[f"has_quote.{where}"] = share_of(values > 0)
            elif not name.startswith("count."):
                metrics[f"{name}_above_half.{where}"] = share_of(values > THRESHOLD)
        if name in test and REFERENCE + name in test:
            metrics[f"{name}.bias"] = mean(test[name] - test[REFERENCE + name])
    return metrics


def ratios(test: Frame, train: Frame, pairs: Mapping[str, Sequence[str]]) -> dict[str, Metric]:
    """The share of one word list among the words of two, wherever it can be counted."""
    metrics: dict[str, Metric] = {}
    for name, (first, second) in pairs.items():
        ours, theirs = _places(test, train, f"count.{first}"), _places(test, train, f"count.{second}")
        for where in ours:
            metrics[f"{name}.{where}"] = ratio(ours[where], theirs[where])
        if f"{name}.generated" in metrics:
            generated, reference = metrics[f"{name}.generated"], metrics[f"{name}.reference"]
            # Prompts are shared, words are not: the two shares' errors are taken as independent.
            error = math.hypot(generated.error, reference.error)
            metrics[f"{name}.bias"] = Metric(generated.value - reference.value, generated.n, error)
    return metrics


def _places(test: Frame, train: Frame, name: str) -> dict[str, Floats]:
    """A score's values in the continuations generated, of reference, and of the training set."""
    places = {"generated": (test, name), "reference": (test, REFERENCE + name), "train": (train, name)}
    return {where: frame[column] for where, (frame, column) in places.items() if column in frame}


def texts(tokens: Column) -> dict[str, Metric]:
    """Repetition and diversity of generated token ids."""
    metrics = {f"repeated.{REPEATED}": mean(repeated_share(tokens, REPEATED))}
    for n in DISTINCT:
        metrics[f"distinct.{n}"] = distinct(tokens, n)
    lengths = np.diff(tokens.offsets) if tokens.offsets is not None else np.zeros(0)
    return {**metrics, "empty": share_of(lengths == 0)}


def fit_quality(losses: Floats, tokens: Array, batch: int | None) -> Metric:
    """Perplexity of the human continuations; with `batch`, the released one that depends on batches."""
    if batch is not None:
        return Metric(perplexity.released(losses, tokens, batch), len(losses))
    value = perplexity.corpus(losses, tokens)
    return Metric(value, int(tokens.sum()), _perplexity_error(losses, tokens, value))


def _perplexity_error(losses: Floats, tokens: Array, value: float) -> float:
    """Delta method over rows: the mean loss of a token is a ratio of two sums over rows."""
    total = float(tokens.sum())
    if total == 0 or len(losses) < 2:
        return math.nan
    residuals = losses - tokens * math.log(value)
    return value * math.sqrt(float(residuals @ residuals)) / total
