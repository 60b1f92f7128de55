"""Counts drawn at random: exactly where they are small, by the normal distribution where they are huge.

A binomial count of variance v = n p (1 - p) differs from the normal one of its mean and variance, rounded, by a skew of
(1 - 2p) / sqrt(v), which from v = 10^4 on is at most 0.01; below that, or of at most 10^6 samples, counts are drawn
exactly. So sampling noise of streams of 10^12 samples takes as long as of a thousand.
"""

from __future__ import annotations

from biasloop.contract.data import Floats, Ints
from biasloop.lazy import numpy as np

EXACT = 10**6  # samples up to which every count is exact
NORMAL_FROM = 1e4  # variance
_LARGEST_URN = 10**9  # samples that NumPy draws from without replacement


def binomial(generator: np.random.Generator, samples: Ints, share: Floats) -> Ints:
    """How many of each number of samples have a property.

    Args:
        generator: draws.
        samples: `(n,)` >= 0.
        share: `(n,)` the probability of each sample, 0 to 1.

    Returns:
        `(n,)`, 0 to `samples`.
    """
    variance = samples * share * (1 - share)  # (n,)
    huge = (samples > EXACT) & (variance >= NORMAL_FROM)  # (n,)
    counts = np.empty(len(samples), np.int64)
    counts[~huge] = generator.binomial(samples[~huge], share[~huge])
    mean = samples[huge] * share[huge]
    counts[huge] = np.rint(generator.normal(mean, np.sqrt(variance[huge]))).clip(0, samples[huge])
    return counts


def hypergeometric(generator: np.random.Generator, marked: Ints, others: Ints, drawn: Ints) -> Ints:
    """How many marked samples are among those drawn without replacement.

    Where there are 10^9 samples or more and the variance is small, the rarer of marked and not marked is rare among the
    rarer of drawn and left, or these among those, and their common count is drawn as a binomial one: its variance is
    too large by a factor of less than 1.01.

    Args:
        generator: draws.
        marked: `(n,)` >= 0, samples that have a property.
        others: `(n,)` >= 0, samples that do not.
        drawn: `(n,)` how many are drawn, at most all.

    Returns:
        `(n,)`.
    """
    total = marked + others
    mean = drawn * (marked / np.maximum(total, 1))  # (n,)
    variance = mean * (others / np.maximum(total, 1)) * ((total - drawn) / np.maximum(total - 1, 1))  # (n,)
    huge = (total > EXACT) & (variance >= NORMAL_FROM)
    urn = ~huge & (total < _LARGEST_URN)
    rare = ~huge & ~urn
    counts = np.empty(len(total), np.int64)
    fewest, most = np.maximum(drawn - others, 0), np.minimum(drawn, marked)
    normal = generator.normal(mean[huge], np.sqrt(variance[huge]))
    counts[huge] = np.rint(normal).clip(fewest[huge], most[huge])
    counts[urn] = generator.hypergeometric(marked[urn], others[urn], drawn[urn])
    counts[rare] = _rare(generator, marked[rare], others[rare], drawn[rare])
    return counts


def _rare(generator: np.random.Generator, marked: Ints, others: Ints, drawn: Ints) -> Ints:
    """As `hypergeometric`, by the binomial count of those that are rare both ways."""
    total = marked + others
    rarer, side = np.minimum(marked, others), np.minimum(drawn, total - drawn)
    small, large = np.minimum(rarer, side), np.maximum(rarer, side)
    both = binomial(generator, small, large / np.maximum(total, 1))  # of the rarer kind, on the smaller side
    of_kind = np.where(drawn <= total - drawn, both, rarer - both)  # of the rarer kind, among the drawn
    return np.where(marked <= others, of_kind, drawn - of_kind)
