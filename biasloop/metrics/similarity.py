"""Self-similarity: how much the images of a group resemble each other, by the cosine of two of them.

Source: Wolfe & Caliskan, "Markedness in Visual Semantic AI" (2022). Published code draws 22 images of a group with
replacement, takes the mean cosine of the 231 pairs, and averages 10,000 such numbers. With u the images' unit vectors
and mu their mean, the expectation of that number is ||mu||^2, which is also the mean of the full matrix of cosines, an
image with itself among them. So nothing is drawn here; `published` draws as the published code does.

||mu||^2 counts each image's pair with itself, which makes it (1 - ||mu||^2) / (n - 1) larger than the mean over
different images (`without_replacement`); groups of few images look more alike by that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from biasloop.contract.data import Array, Bools, Floats, Ints, Metric
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.metrics._unit import check_features, unit

DRAWN, DRAWS = 22, 10_000
"""Images drawn at once, and how often, in the published procedure."""
FEWEST = 5
"""Images from which on there is a standard error."""
FEW = 200
"""Images up to which a standard error has its second-order term too, which later is less than a percent of it."""
_AT_ONCE = 2**20  # numbers, so that memory does not grow with the number of draws


def self_similarity(features: Array) -> Metric:
    """The mean cosine of two images of a group that are drawn with replacement, ||mu||^2.

    Args:
        features: `(n, d)` of images, of any length.

    Returns:
        A value in [0, 1], NaN without images, its n, and its standard error over the sampling of images, NaN for fewer
        than 5.

    Raises:
        InvalidInput: features are no rows of numbers, or one has no direction.

    Example:
        Two images at a right angle: half of the pairs are an image with itself.

        >>> round(self_similarity(np.array([[1.0, 0.0], [0.0, 3.0]])).value, 6)
        0.5
    """
    (measured,) = by_group(features, np.zeros(len(features), np.int64), np.ones((1, 1), np.bool_))
    return measured


def by_group(features: Array, cells: Ints, groups: Bools) -> list[Metric]:
    """Self-similarity of many groups that are made of the same cells; each image is read twice, however many there are.

    Args:
        features: `(n, d)` of images, of any length.
        cells: `(n,)` the cell of each image, from 0 to C - 1, such as one combination of race, gender and age.
        groups: `(G, C)` which cells a group is made of.

    Returns:
        As `self_similarity`, for each group; NaN and n = 0 for one without images.

    Raises:
        InvalidInput: as `self_similarity`, or cells are not as said.

    Example:
        >>> images = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> both, first = by_group(images, np.array([0, 1, 0]), np.array([[True, True], [True, False]]))
        >>> round(both.value, 4), round(first.value, 4), first.n
        (0.5556, 1.0, 2)
    """
    _check_cells(features, cells, groups.shape[1])
    order = np.argsort(cells, kind="stable")  # (n,)
    starts = np.searchsorted(cells[order], np.arange(groups.shape[1] + 1))  # (C + 1,)
    sizes = np.diff(starts)  # (C,)
    members = [unit("image", features[order[a:b]]) for a, b in itertools.pairwise(starts)]
    sums = np.stack([rows.sum(axis=0, dtype=np.float64) for rows in members])  # (C, d)
    counts = groups @ sizes  # (G,)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (groups @ sums) / counts[:, None]  # (G, d)
    values = np.einsum("gd,gd->g", means, means)  # (G,)
    squares = np.zeros(len(groups))  # (G,) sums of (u . mu - ||mu||^2)^2
    for cell, rows in enumerate(members):
        holds = np.flatnonzero(groups[:, cell])
        near = rows @ means[holds].T.astype(np.float32)  # (rows of the cell, groups that hold it)
        squares[holds] += ((near.astype(np.float64) - values[holds]) ** 2).sum(axis=0)
    return [
        _measured(value, n, square, [members[c] for c in np.flatnonzero(cells_of).tolist()])
        for value, n, square, cells_of in zip(values.tolist(), counts.tolist(), squares.tolist(), groups, strict=True)
    ]


def _check_cells(features: Array, cells: Ints, count: int) -> None:
    check_features("image", features)
    if np.shape(cells) != (len(features),) or cells.dtype.kind not in "iu":
        raise InvalidInput(f"cells must be {len(features):,} whole numbers, one an image, not {np.shape(cells)}")
    if len(cells) and not 0 <= cells.min() <= cells.max() < count:
        raise InvalidInput(f"cells must be from 0 to {count - 1:,}, the last column of `groups`")


def _measured(value: float, n: int, squares: float, members: Sequence[Array]) -> Metric:
    """A group's number; its error from how u . mu varies and, of few images, how single cosines do.

    With s^2 the sample variance over images i of the mean cosine with all others, and c that of single cosines about
    their mean, E s^2 = (n - 2) / (n - 1)^2 (z2 + (n - 4) z1) and E c = z2 - Var, which gives both without bias.
    """
    if n < FEWEST:
        return Metric(value, n) if n else Metric(math.nan, 0)
    first, second = 4 * (n - 2) / (n * (n - 1)), 2 / (n * (n - 1))
    spread = squares / (n - 1) * (n / (n - 1)) ** 2  # s^2
    variance = first * spread
    if n <= FEW:
        rows = np.concatenate(members).astype(np.float64)  # (n, d)
        cosines = (rows @ rows.T)[~np.eye(n, dtype=np.bool_)]  # (n (n - 1),)
        both = spread * (n - 1) ** 2 / (n - 2)  # z2 + (n - 4) z1
        z2 = (float(cosines.var()) + first * both / (n - 4)) / (1 - second + first / (n - 4))
        variance = _variance((both - z2) / (n - 4), z2, n)
    # Of the mean over different images, of which this number is (n - 1) / n and a constant.
    return Metric(value, n, (n - 1) / n * math.sqrt(max(variance, 0.0)))


def _variance(z1: float, z2: float, m: int) -> float:
    """Of the mean cosine over all pairs of m images drawn with replacement."""
    return 4 * (m - 2) / (m * (m - 1)) * z1 + 2 / (m * (m - 1)) * z2


def without_replacement(measured: Metric) -> Metric:
    """The mean cosine of two different images of a group, which the images' number does not raise.

    Args:
        measured: of `self_similarity`.

    Returns:
        A value in [-1, 1]; NaN for fewer than two images.

    Example:
        >>> round(without_replacement(Metric(0.5, 2)).value, 6)
        0.0
    """
    n = measured.n
    if n < 2:
        return Metric(math.nan, n)
    return Metric((n * measured.value - 1) / (n - 1), n, n / (n - 1) * measured.error)


def resample_deviation(features: Array, drawn: int = DRAWN) -> float:
    """The exact standard deviation of one number of the published procedure.

    The mean of T such numbers is off by this over sqrt(T), whichever images the group has. With M the second moments of
    u: Var = 4 (m - 2) / (m (m - 1)) z1 + 2 / (m (m - 1)) z2, where z1 = mu' M mu - ||mu||^4 and
    z2 = ||M||_F^2 - ||mu||^4 (Hoeffding's variance of a U-statistic).

    Args:
        features: `(n, d)` of images, of any length.
        drawn: m, images drawn at once, at least 2.

    Raises:
        InvalidInput: as `self_similarity`, or fewer than 2 are drawn.

    Example:
        >>> rows = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])
        >>> round(resample_deviation(rows, 2) ** 2, 8)
        0.47209877
    """
    if drawn < 2:
        raise InvalidInput(f"{drawn} images drawn at once have no pair; draw at least 2")
    rows = _double(features)  # (n, d)
    if not len(rows):
        return math.nan
    mu = rows.mean(axis=0)  # (d,)
    fourth = float(mu @ mu) ** 2
    near = rows @ mu  # (n,)
    moments = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows  # both have the same sum of squares
    z1, z2 = float(np.mean(near**2)) - fourth, float((moments**2).sum()) / len(rows) ** 2 - fourth
    return math.sqrt(max(_variance(z1, z2, drawn), 0.0))


def published(features: Array, state: np.random.RandomState, drawn: int = DRAWN, draws: int = DRAWS) -> float:
    """The number as the published procedure draws it; the bits of its stream, given a generator in the same state.

    Args:
        features: `(n, d)` of the group's images, of any length, in the published order.
        state: NumPy's legacy generator, which goes through the groups one after another.
        drawn: images drawn at once, with replacement.
        draws: how often.

    Returns:
        The mean over draws of the mean cosine over pairs; NaN where there are no images, for which nothing is drawn.

    Raises:
        InvalidInput: as `self_similarity`, or fewer than 2 are drawn.

    Example:
        >>> published(np.array([[1.0, 0.0]]), np.random.RandomState(0), draws=10)
        1.0
    """
    if drawn < 2 or draws < 1:
        raise InvalidInput(f"{draws} draws of {drawn} images have no pair; draw at least 2 at once, at least once")
    rows = _double(features)  # (n, d)
    if not len(rows):
        return math.nan
    numbers = state.randint(len(rows), size=(draws, drawn))  # (draws, m) the stream of as many calls of size m
    total, chunk = 0.0, max(1, _AT_ONCE // (drawn * rows.shape[1]))
    for start in range(0, draws, chunk):
        sums = rows[numbers[start : start + chunk]].sum(axis=1)  # (chunk, d)
        total += float(np.einsum("td,td->", sums, sums)) - drawn * len(sums)
    return total / (draws * drawn * (drawn - 1))


def _double(features: Array) -> Floats:
    """`(n, d)` unit rows in double precision."""
    check_features("image", features)
    rows = np.asarray(features, np.float64)
    unit("image", rows)  # refuses rows without a direction
    return np.asarray(rows / np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None], np.float64)


def normalised(values: Sequence[Metric]) -> list[Metric]:
    """By how many percent each group of an attribute is above the unweighted mean over its groups.

    The groups are independent samples; errors are propagated to first order: with w = 1 / G and b the mean, value g is
    100 (m_g / b - 1), which moves by 100 ((g is h) - w m_g / b) / b with m_h.

    Args:
        values: of the groups of one attribute; those without images take no part.

    Returns:
        Percent, NaN for a group without images.

    Example:
        >>> [round(metric.value, 6) for metric in normalised([Metric(0.6, 9), Metric(0.4, 9)])]
        [20.0, -20.0]
    """
    known = [index for index, metric in enumerate(values) if metric.n]
    if not known:
        return list(values)
    base = sum(values[index].value for index in known) / len(known)
    errors = np.array([values[index].error for index in known])  # (known,)
    percents = []
    for index, metric in enumerate(values):
        moves = (np.array(known) == index) - metric.value / base / len(known)  # (known,)
        error = 100 / base * float(np.sqrt(((moves * errors) ** 2).sum()))
        percents.append(Metric(100 * (metric.value / base - 1), metric.n, error) if metric.n else metric)
    return percents
