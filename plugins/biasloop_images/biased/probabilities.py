"""How likely a group is in each task.

Source: the modes of the code of Hall et al. (2022).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.biased.settings import Bias


def fixed(epsilon: float, tasks: int, high: Sequence[int]) -> list[float]:
    """0.5 + epsilon in the tasks `high`, 0.5 - epsilon in others; epsilon in percent."""
    return [_rounded(0.5 + (epsilon if task in high else -epsilon) / 100, epsilon) for task in range(tasks)]


def shuffled(epsilon: float, tasks: int, count: int, seed: int) -> list[float]:
    """As `fixed`, with `count` high tasks drawn by Python's generator."""
    return fixed(epsilon, tasks, random.Random(seed).sample(range(tasks), count))


def evenly_spaced(epsilon: float, tasks: int) -> list[float]:
    """From 0.5 - epsilon in the first task to 0.5 + epsilon in the last; epsilon in percent."""
    low, step = 0.5 - epsilon / 100, 2 * (epsilon / 100) / (tasks - 1)
    return [_rounded(low + task * step, epsilon) for task in range(tasks)]


def shares(bias: Bias, tasks: int, groups: int) -> Floats:
    """The share of each group in each task.

    Returns:
        `(tasks, groups)`; rows sum to 1. The group that probabilities are of is the second of two where images are
        inverted (plain, inverted), and the first of an overlay's.

    Raises:
        InvalidInput: if settings do not fit the numbers of tasks and groups.
    """
    given = bias.probabilities
    if isinstance(given, list) and given and isinstance(given[0], list):
        return _full(given, tasks, groups)
    if groups != 2:
        raise InvalidInput(
            f"domain.bias.groups are {groups}, and their shares do not follow from one number for each task; list in "
            f"domain.bias.probabilities, for each task, the shares of all {groups} groups"
        )
    likely = np.array(_likely(bias, tasks))  # (tasks,)
    columns = [likely, 1 - likely] if bias.attribute == "overlay" else [1 - likely, likely]
    return np.stack(columns, axis=1)


def _likely(bias: Bias, tasks: int) -> list[float]:
    if isinstance(bias.probabilities, list):
        if len(bias.probabilities) != tasks:
            raise InvalidInput(
                f"domain.bias.probabilities has {len(bias.probabilities)} numbers for {tasks} tasks; list one for each"
            )
        return [float(share) for share in bias.probabilities if not isinstance(share, list)]
    assert bias.epsilon is not None
    if bias.probabilities == "evenly-spaced":
        return evenly_spaced(bias.epsilon, tasks)
    wrong = [task for task in bias.high if task >= tasks]
    if wrong or len(set(bias.high)) != len(bias.high):
        raise InvalidInput(
            f"domain.bias.high is {bias.high}; expected different numbers of tasks, from 0 to {tasks - 1}"
        )
    if bias.probabilities == "shuffled":
        return shuffled(bias.epsilon, tasks, len(bias.high), bias.high_seed)
    return fixed(bias.epsilon, tasks, bias.high)


def _full(given: Sequence[object], tasks: int, groups: int) -> Floats:
    rows = [row if isinstance(row, list) else [] for row in given]
    fine = len(rows) == tasks and all(len(row) == groups for row in rows)
    if not fine or any(abs(sum(row) - 1) > 1e-6 for row in rows):
        raise InvalidInput(
            f"domain.bias.probabilities is {given}; expected for each of {tasks} tasks the shares of {groups} groups, "
            "which sum to 1"
        )
    return np.array(rows, np.float64)


def _rounded(share: float, epsilon: float) -> float:
    """To whole percent, as published, unless epsilon itself is finer."""
    return round(share, 2 if float(epsilon).is_integer() else 12)
