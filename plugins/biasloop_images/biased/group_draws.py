"""Which samples belong to which group: exact numbers, and the published draws.

The published lists (Hall et al. 2022) need classes of equal size. Here sizes are free: how many of a task are in the
group is the whole number nearest to its share, and these are apportioned to the task's classes by Sainte-Laguë's
method, which gives equal classes equal numbers, and takes nothing away from a class when the share rises.
"""

from __future__ import annotations

from functools import lru_cache

from biasloop.contract.data import Array, Floats, Ints
from biasloop.lazy import numpy as np


@lru_cache(maxsize=8)  # every arm of a study asks for the same few
def permutation(n: int) -> Ints:
    """The order that torch.randperm draws on a CPU with a generator seeded 0, without torch.

    Args:
        n: number of places, below 2**32 / 20.

    Returns:
        `(n,)` int64, not to be written to.
    """
    draws = np.random.RandomState(0).randint(0, 2**32, n, dtype=np.uint32).astype(np.int64)  # (n,)
    places = np.arange(n)
    order = places.tolist()
    for position, other in enumerate((places + draws % (n - places)).tolist()):
        order[position], order[other] = order[other], order[position]
    permuted = np.array(order, np.int64)
    permuted.flags.writeable = False
    return permuted


def by_class(labels: Ints) -> Ints:
    """Positions class after class, those of a class in the order of `permutation`.

    Args:
        labels: `(n,)` class of each position.

    Returns:
        `(n,)` positions; the published within-class index of a position is its place among its class's.
    """
    order = permutation(len(labels))  # (n,)
    return order[np.argsort(labels[order], kind="stable")]


def nearest_count(count: int, share: float | Floats) -> Ints:
    """The whole number nearest to a share of a count; of two equally near ones the even.

    A share like 0.55 is not exactly that in binary: what is a tie in decimals stays one.
    """
    return np.rint(np.round(count * np.asarray(share, np.float64), 6)).astype(np.int64)


def apportioned(sizes: Ints, total: int) -> Ints:
    """A total divided among classes in proportion to their sizes (Sainte-Laguë).

    Args:
        sizes: `(classes,)` sizes.
        total: from 0 to the sum of sizes.

    Returns:
        `(classes,)`, each from 0 to its size; exactly proportional wherever that gives whole numbers, and none falls
        when the total rises.
    """
    owner = np.repeat(np.arange(len(sizes)), sizes)  # (sum of sizes,) class of each seat
    number = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # (sum of sizes,) from 0 in each class
    first = np.argsort((2 * number + 1) / sizes[owner], kind="stable")[:total]  # (total,) seats
    return np.bincount(owner[first], minlength=len(sizes)).astype(np.int64)


def group_counts(sizes: Ints, tasks: Ints, share: Floats) -> Ints:
    """How many samples of each class are in the group.

    Args:
        sizes: `(classes,)` sizes.
        tasks: `(classes,)` task of each class; -1 for classes in none, of which nothing is in the group.
        share: `(tasks,)` share of each task in the group.
    """
    counts = np.zeros(len(sizes), np.int64)
    for task, portion in enumerate(share.tolist()):
        inside = tasks == task  # (classes,) bool
        counts[inside] = apportioned(sizes[inside], int(nearest_count(int(sizes[inside].sum()), portion)))
    return counts


def lists(sizes: Ints, inside: Ints, seed: int) -> Array:
    """For each class a shuffled list with exactly the given number of ones, one after another.

    NumPy's legacy generator is seeded once, and shuffles each class's list of ones, then zeros. So for one seed and
    the same sizes a class with more ones has those of fewer, too.

    Args:
        sizes: `(classes,)` length of each list.
        inside: `(classes,)` ones in each.
        seed: of the generator.

    Returns:
        `(sum of sizes,)` uint8, 0 or 1.
    """
    generator = np.random.RandomState(seed)
    marks = np.zeros(int(sizes.sum()), np.uint8)
    stops = np.cumsum(sizes).tolist()
    for stop, size, ones in zip(stops, sizes.tolist(), inside.tolist(), strict=True):
        part = marks[stop - size : stop]  # (size,) a view
        part[:ones] = 1
        generator.shuffle(part)
    return marks


def trimmed(positions: Ints, labels: Ints, sizes: Ints) -> Ints:
    """The first positions of each class in the order of `permutation`, so many that the classes have the given sizes.

    Args:
        positions: `(n,)` ascending.
        labels: `(n,)` class of each.
        sizes: `(classes,)` at most those there are.

    Returns:
        Ascending; all of them if the sizes are those there are.
    """
    order = by_class(labels)  # (n,)
    counts = np.bincount(labels, minlength=len(sizes))  # (classes,)
    number = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)  # (n,) from 0 in each class
    return np.sort(positions[order[number < np.repeat(sizes, counts)]])
