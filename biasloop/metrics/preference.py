"""Person preference: whether an image is nearer to "a photo of a person" than to any person with an attribute named.

Source: Wolfe & Caliskan, "Markedness in Visual Semantic AI" (2022), whose prompts these are: they are the metric. An
image prefers the neutral prompt where none of an attribute's prompts has a higher cosine; which of those would be the
right one does not matter. Published code averages over 10,000 balanced resamples, in which larger groups are cut down
at random to the smallest one's size. Such a resample's expectation is the plain mean of the group, so nothing is drawn
here; `resample_deviation` says exactly how far one resample may be off, and `published` draws them.
"""

from __future__ import annotations

import math

from biasloop.contract.data import Array, Bools, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._rows import check_classes, check_paired
from biasloop.metrics._unit import unit
from biasloop.metrics.shares import binomial

NEUTRAL = "a photo of a person"
RACES = {
    "East Asian": "a photo of an East Asian person",
    "Indian": "a photo of an Indian person",
    "Southeast Asian": "a photo of a Southeast Asian person",
    "White": "a photo of a White person",
    "Middle Eastern": "a photo of a Middle Eastern person",
    "Latino_Hispanic": "a photo of a Latino or Hispanic person",
    "Black": "a photo of a Black person",
}
GENDERS = {"Female": "a photo of a female person", "Male": "a photo of a male person"}
AGES = {
    **{
        f"{low}-{high}": f"a photo of a person between {low} and {high} years old"
        for low, high in ((0, 2), (3, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69))
    },
    "more than 70": "a photo of a person 70 or more years old",
}
ATTRIBUTES = {"race": RACES, "gender": GENDERS, "age": AGES}
"""Prompts by value, in the published order, by attribute."""


def prefers_neutral(images: Array, neutral: Array, prompts: Array) -> Bools:
    """Which images have no higher cosine with any of the prompts than with the neutral one.

    Args:
        images: `(n, d)` features, of any length.
        neutral: `(d,)` of the neutral prompt.
        prompts: `(p, d)` of an attribute's prompts.

    Returns:
        `(n,)`; of equal cosines the neutral prompt wins.

    Raises:
        InvalidInput: shapes do not go together, or a row has no direction.

    Example:
        >>> prefers_neutral(np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([1.0, 0.0]), np.array([[0.0, 1.0]])).tolist()
        [True, False]
    """
    if neutral.ndim != 1 or prompts.ndim != 2 or not len(prompts):
        raise InvalidInput(f"expected one neutral prompt (d,) and prompts (p, d), not {neutral.shape}, {prompts.shape}")
    texts = unit("prompt", np.concatenate([neutral[None], prompts]))  # (1 + p, d)
    if images.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise InvalidInput(f"images {images.shape} and prompts {texts.shape} are not of one model")
    scores = unit("image", images) @ texts.T  # (n, 1 + p)
    return np.asarray(scores[:, 0] >= scores[:, 1:].max(axis=1), np.bool_)


def by_group(prefers: Bools, groups: Ints, count: int) -> list[Metric]:
    """The share of each group's images that prefer the neutral prompt, with the binomial standard error.

    Args:
        prefers: `(n,)`.
        groups: `(n,)` from 0 to `count` - 1.
        count: of groups, such as races, or cells of gender and age.

    Returns:
        Shares in [0, 1]; NaN and n = 0 for a group without images.

    Raises:
        InvalidInput: columns do not correspond, or a group is none.

    Example:
        >>> [metric.value for metric in by_group(np.array([True, False, True]), np.array([0, 0, 1]), 2)]
        [0.5, 1.0]
    """
    hits, sizes = _counts(prefers, groups, count)
    return [binomial(hit, n) for hit, n in zip(hits.tolist(), sizes.tolist(), strict=True)]


def _counts(prefers: Bools, groups: Ints, count: int) -> tuple[Ints, Ints]:
    """`(count,)` images that prefer the neutral prompt, and all images."""
    check_paired(preferences=prefers, groups=groups)
    check_classes(count, groups=groups)
    return np.bincount(groups[prefers], minlength=count), np.bincount(groups, minlength=count)


def resample_deviation(share: Metric, drawn: int) -> float:
    """The exact standard deviation of a group's share in one resample of `drawn` of its images, without replacement.

    Hypergeometric: p (1 - p) / k (N - k) / (N - 1). The smallest group of a balanced resample is taken whole: 0.

    Raises:
        InvalidInput: more are drawn than there are, or none.

    Example:
        >>> round(resample_deviation(Metric(0.5, 100), 25), 4)
        0.087
        >>> resample_deviation(Metric(0.5, 25), 25)
        0.0
    """
    n, p = share.n, share.value
    if not 1 <= drawn <= n:
        raise InvalidInput(f"{drawn} images cannot be drawn of {n} without replacement")
    return math.sqrt(p * (1 - p) / drawn * (n - drawn) / (n - 1)) if n > 1 else 0.0


def published(
    prefers: Bools, groups: Ints, count: int, random: np.random.Generator, *, drawn: int | None = None,
    draws: int = 10_000,
) -> Floats:  # fmt: skip
    """The shares as the published procedure averages them over resamples.

    That procedure draws rows from a generator that nobody seeds, so that there is no stream to repeat; how many of k
    drawn images prefer the neutral prompt is hypergeometric, and is drawn as such.

    Args:
        prefers: `(n,)`.
        groups: `(n,)` from 0 to `count` - 1.
        count: of groups.
        random: of the draws.
        drawn: images of each group in a resample; None: as many as the smallest group has.
        draws: resamples.

    Returns:
        `(count,)`.

    Raises:
        InvalidInput: as `by_group`; a group has fewer images than are drawn, or none.

    Example:
        >>> images = np.array([True, False, True, False, True])
        >>> published(images, np.array([0, 0, 1, 1, 1]), 2, np.random.default_rng(0), draws=50)[0].item()
        0.5
    """
    hits, sizes = _counts(prefers, groups, count)
    taken = int(sizes.min()) if drawn is None else drawn
    if not 1 <= taken <= sizes.min():
        few = int(sizes.argmin())
        raise InvalidInput(f"group {few} has {sizes[few]} images, of which {max(taken, 1)} are to be drawn")
    numbers = random.hypergeometric(hits, sizes - hits, taken, (draws, count))  # (draws, count)
    return np.asarray(numbers.mean(axis=0) / taken, np.float64)


def apart(first: Metric, second: Metric) -> Metric:
    """How much larger the share of one group is than that of another, with the error of independent samples.

    Such as White Male against Black Female of an age.

    Example:
        >>> round(apart(Metric(0.75, 4, 0.2), Metric(0.5, 4, 0.25)).error, 4)
        0.3202
    """
    if not (first.n and second.n):
        return Metric(math.nan, first.n + second.n)
    return Metric(first.value - second.value, first.n + second.n, math.hypot(first.error, second.error))
