"""Perplexity from the losses of rows; pure functions of NumPy arrays."""

from __future__ import annotations

from biasloop.contract.data import Floats, Ints
from biasloop.lazy import numpy as np


def corpus(losses: Floats, tokens: Ints) -> float:
    """Perplexity of all tokens together: exp of the mean loss of a token.

    Args:
        losses: `(n,)` float64 sums over each row's predicted tokens of -log probability (natural).
        tokens: `(n,)` int64 predicted tokens of each row.

    Returns:
        At least 1; NaN if no token was predicted, infinite if it is beyond 1e308.
    """
    total = int(tokens.sum())
    return _exp(losses.sum() / total) if total else float("nan")


def released(losses: Floats, tokens: Ints, batch: int) -> float:
    """Perplexity as in the published code (Taori & Hashimoto 2022): it depends on order and size of batches.

    The mean loss of a token is taken in each batch, then the mean over batches, weighted by their rows.

    Args:
        losses: `(n,)` float64, as for `corpus`, in the order that batches are cut from.
        tokens: `(n,)` int64.
        batch: rows of a batch; the last may have fewer.

    Returns:
        At least 1; NaN if a batch predicts no token, as published, or there is no row.
    """
    if not len(losses):
        return float("nan")
    starts = np.arange(0, len(losses), batch)
    rows = np.diff(np.append(starts, len(losses)))
    with np.errstate(invalid="ignore"):
        means = np.add.reduceat(losses, starts) / np.add.reduceat(tokens, starts)
    return _exp((means * rows).sum() / rows.sum())


def _exp(loss: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(loss))
