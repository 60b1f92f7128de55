"""Retrieval of images by texts: the rank of each query's true image, recall at k by group, and gaps between groups.

A query's score of an image is their cosine. Its rank is the number of images that score strictly higher than the true
one, plus those of lower index that score the same; R@k is the share of queries of rank below k. The candidates are
always all images; a group restricts the queries. Source: as in Chen et al., "Would Deep Generative Models Amplify Bias
in Future Models?" (2024), whose published code divides all images by the length of the first one instead of each by its
own (`cosine=False` has that).

Standard errors say how far a number may be off because the queries are a sample; the candidates are taken as they are.
"""

from __future__ import annotations

import math

from biasloop.contract.data import Array, Bools, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_paired
from biasloop.metrics._unit import Singles, check_features, unit
from biasloop.metrics.clustered import standard_error
from biasloop.metrics.intervals import t_quantile, within

AT_ONCE = 2**23  # scores of a block of queries, so that memory does not grow with their number
_COMPARED = 32  # rows of scores at once, which fit a processor's cache


def ranks(queries: Array, images: Array, truth: Ints | None = None, *, cosine: bool = True) -> Ints:
    """The rank of each query's true image among all images, 0 being the best.

    Scores are made for a block of queries at a time, never for all.

    Args:
        queries: `(Q, d)` features of texts, of any length.
        images: `(N, d)` features of images, of any length.
        truth: `(Q,)` the true image of each query; None: query i belongs to image i, of which there are as many.
        cosine: False: images are not divided by their lengths, as in the published code.

    Returns:
        `(Q,)` int64 from 0 to N - 1.

    Raises:
        InvalidInput: shapes do not go together, a true image is none, or a row has no direction.

    Example:
        The second text is nearer to the first image than to its own.

        >>> texts = np.array([[1.0, 0.0], [0.9, 0.1]])
        >>> images = np.array([[2.0, 0.0], [0.0, 1.0]])
        >>> ranks(texts, images).tolist()
        [0, 1]
    """
    targets = _targets(queries, images, truth)
    texts = unit("text", queries)
    candidates = unit("image", images) if cosine else np.asarray(images, np.float32)
    distinct, copies = _distinct(candidates)
    by_rank = np.empty(len(texts), np.int64)  # (Q,)
    size = min(max(AT_ONCE // max(len(distinct), 1), 32), len(texts))
    scores = np.empty((size, len(distinct)), np.float32)  # (block, distinct images)
    for start in range(0, len(texts), max(size, 1)):
        chunk = slice(start, start + size)
        block = np.matmul(texts[chunk], distinct.T, out=scores[: len(texts[chunk])])
        by_rank[chunk] = _ranks_of(block if copies is None else block[:, copies], targets[chunk])
    return by_rank


def _distinct(images: Singles) -> tuple[Singles, Ints | None]:
    """Images that differ, and which of them each image is; None where all differ.

    A matrix product rounds columns differently, so that the scores of equal images would not be equal.
    """
    rows = np.ascontiguousarray(images)  # (N, d)
    folded = np.unique(_folded(rows.view(np.uint32)))  # equal images have equal numbers
    if len(folded) == len(images):
        return images, None
    _, first, copies = np.unique(
        rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))[:, 0], return_index=True, return_inverse=True
    )
    return (images, None) if len(first) == len(images) else (images[first], copies)


def _folded(bits: Array) -> Array:
    """`(N,)` a number for each of `(N, d)` rows of 32 bits."""
    factors = np.arange(1, 2 * bits.shape[1], 2).astype(np.uint32) * np.uint32(2654435761)  # (d,) odd
    return np.asarray(np.einsum("nd,d->n", bits, factors))


def _targets(queries: Array, images: Array, truth: Ints | None) -> Ints:
    """`(Q,)` the true images, checked."""
    for what, features in (("text", queries), ("image", images)):
        check_features(what, features)
    if queries.shape[1] != images.shape[1]:
        raise InvalidInput(
            f"texts have {queries.shape[1]} dimensions and images {images.shape[1]}; both must come from one model"
        )
    if truth is None:
        if len(queries) != len(images):
            raise InvalidInput(
                f"{len(queries):,} texts and {len(images):,} images: without `truth`, text i must belong to image i"
            )
        return np.arange(len(queries))
    if np.shape(truth) != (len(queries),) or truth.dtype.kind not in "iu":
        raise InvalidInput(f"truth must be {len(queries):,} whole numbers, one a text, not {np.shape(truth)}")
    if len(truth) and not 0 <= truth.min() <= truth.max() < len(images):
        raise InvalidInput(f"truth must be from 0 to {len(images) - 1:,}, the last image")
    return truth


def _ranks_of(scores: Singles, truth: Ints) -> Ints:
    """`(q,)` ranks from `(q, N)` scores."""
    by_rank = np.empty(len(scores), np.int64)  # (q,)
    true_scores = scores[np.arange(len(scores)), truth][:, None]  # (q, 1)
    for start in range(0, len(scores), _COMPARED):
        rows = slice(start, start + _COMPARED)
        near, limits = scores[rows], true_scores[rows]
        higher = _counts(np.greater(near, limits))  # (rows,)
        equal = _counts(np.greater_equal(near, limits)) - higher  # (rows,) the true image among them
        for row in np.flatnonzero(equal > 1).tolist():
            higher[row] += np.count_nonzero(near[row, : truth[start + row]] == limits[row])
        by_rank[rows] = higher
    return by_rank


def _counts(hits: Bools) -> Ints:
    """`(rows,)` how many are true in each row; faster than counting along an axis."""
    return np.array([np.count_nonzero(row) for row in hits], np.int64)


def recall(by_rank: Ints, k: int, rows: Bools | None = None, clusters: Ints | None = None) -> Metric:
    """R@k: the share of queries whose true image is among the first k.

    Its standard error is sqrt(p (1 - p) / n), or, where several queries ask for one image and fail or succeed
    together, that of clusters (`clustered.standard_error`).

    Args:
        by_rank: `(Q,)` as `ranks` gives them.
        k: at least 1.
        rows: `(Q,)` the group's queries; None: all.
        clusters: `(Q,)` the image of each query; None: each query stands for itself.

    Returns:
        A value in [0, 1] with n queries; NaN where the group is empty.

    Raises:
        InvalidInput: columns do not correspond, or k is below 1.

    Example:
        >>> recall(np.array([0, 3, 12, 1]), 5).value
        0.75
    """
    if k < 1:
        raise InvalidInput(f"recall at {k}: k must be at least 1")
    check_paired(ranks=by_rank)
    return mean((by_rank < k).astype(np.float64), rows, clusters)


def mean(values: Floats, rows: Bools | None = None, clusters: Ints | None = None) -> Metric:
    """The mean over a group of queries, of hits (0 and 1) or of differences of two models' hits (-1, 0 and 1).

    The latter is paired by query: what both models find hard cancels.

    Args:
        values: `(Q,)`.
        rows: as `recall`.
        clusters: as `recall`.

    Raises:
        InvalidInput: columns do not correspond.

    Example:
        >>> here, there = np.array([1.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
        >>> mean(here - there).value
        0.25
    """
    rows = _group(values, rows)
    n = int(np.count_nonzero(rows))
    if not n:
        return Metric(math.nan, 0)
    members = values[rows]  # (n,)
    centre = float(members.mean())
    moves = (members - centre) / n  # (n,)
    return Metric(centre, n, standard_error(moves, None if clusters is None else clusters[rows]))


def gap(values: Floats, first: Bools, second: Bools, clusters: Ints | None = None) -> Metric:
    """How much larger the mean of one group of queries is than that of another.

    Of hits it is the gap of R@k between groups; of differences of two models' hits it is how much more the gap is with
    one model than with the other, paired by query. The groups' errors add as those of independent samples; queries that
    are in both groups, or ask for one image, are accounted for.

    Args:
        values: `(Q,)` as `mean` has them.
        first: `(Q,)` the one group.
        second: `(Q,)` the group whose mean is taken away.
        clusters: as `recall`.

    Returns:
        A value in [-1, 1] ([-2, 2] of differences), n the queries of either group; NaN where a group is empty.

    Raises:
        InvalidInput: columns do not correspond.

    Example:
        >>> hits = np.array([1.0, 1.0, 1.0, 0.0])
        >>> men = np.array([True, True, False, False])
        >>> gap(hits, men, ~men).value
        0.5
    """
    first, second = _group(values, first), _group(values, second)
    counts = int(np.count_nonzero(first)), int(np.count_nonzero(second))
    either = first | second
    n = int(np.count_nonzero(either))
    if not all(counts):
        return Metric(math.nan, n)
    centres = float(values[first].mean()), float(values[second].mean())
    moves = np.where(first, (values - centres[0]) / counts[0], 0.0)  # (Q,)
    moves -= np.where(second, (values - centres[1]) / counts[1], 0.0)
    error = standard_error(moves[either], None if clusters is None else clusters[either])
    return Metric(centres[0] - centres[1], n, error)


def interval(
    measured: Metric, low: float = -math.inf, high: float = math.inf, units: int | None = None
) -> tuple[float, float]:
    """The 95 % t interval of a mean or gap, within its limits; both ends NaN where there is no standard error above 0.

    Args:
        measured: with its standard error.
        low: the least possible value.
        high: the largest possible value.
        units: how many independent ones it rests on, such as clusters; None: its n.

    Example:
        >>> low, high = interval(Metric(0.5, 400, 0.025), 0, 1)
        >>> round(low, 2), round(high, 2)
        (0.45, 0.55)
    """
    half = t_quantile(measured.n if units is None else units) * measured.error
    if not half > 0:
        return math.nan, math.nan
    return within(measured.value, (measured.value - half, measured.value + half), low, high)


def _group(values: Floats, rows: Bools | None) -> Bools:
    """`(Q,)` which queries are meant."""
    rows = np.ones(len(values), np.bool_) if rows is None else rows
    check_paired(values=values, rows=rows)
    if rows.dtype != np.bool_:
        raise InvalidInput(f"a group needs true or false for each query, not {rows.dtype}")
    return rows
