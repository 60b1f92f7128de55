"""What biased data are to be like: settings resolved against the names of classes, before any image is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biasloop.contract.data import Floats, Ints
from biasloop.lazy import numpy as np
from biasloop_images.biased import assignments, probabilities
from biasloop_images.biased.settings import Bias

PLAIN_AND_INVERTED = ("plain", "inverted")
SHARED_TEST_SEED = 100_000
_SEED_STEP = 100_000


@dataclass(frozen=True)
class Seeds:
    """Seeds of the draws of each split; the published ones of the pool and of the test set.

    Attributes:
        train: of the pool.
        test: of the test set.
        holdout: of the holdout, which the study does not have.
    """

    train: int
    test: int
    holdout: int

    @classmethod
    def of(cls, assignment: int, *, own_test_lists: bool) -> Seeds:
        """Those of an assignment; all assignments share the test set's unless each is to have its own."""
        train = (assignment + 2) * _SEED_STEP
        return cls(train, train + _SEED_STEP // 4 if own_test_lists else SHARED_TEST_SEED, train + _SEED_STEP // 2)


@dataclass(frozen=True)
class Design:
    """Tasks, groups and how they depend on each other.

    Attributes:
        settings: the table `[domain.bias]`.
        task_of: `(classes,)` int64 task of each class; -1 for a class that is in none.
        group_of: `(classes,)` int64 group that a class makes when it is blended in; -1 for none.
        shares: `(tasks, groups)` share of each group in each task.
        tasks: names; a class's own where a task is one class.
        groups: names, likewise.
        seeds: of the draws.
    """

    settings: Bias
    task_of: Ints
    group_of: Ints
    shares: Floats
    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    seeds: Seeds

    @classmethod
    def of(cls, bias: Bias, classes: Sequence[str]) -> Design:
        """The design for data with these classes.

        Raises:
            InvalidInput: if the settings do not fit them.
        """
        tasks, groups = assignments.members(bias, classes)
        group_names = _names("group", groups, classes) or PLAIN_AND_INVERTED
        return cls(
            bias,
            _numbers(tasks, len(classes)),
            _numbers(groups, len(classes)),
            probabilities.shares(bias, len(tasks), len(group_names)),
            _names("task", tasks, classes),
            group_names,
            Seeds.of(bias.assignment, own_test_lists=bias.own_test_lists),
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of what a model learns: tasks, or groups if they are swapped."""
        return self.groups if self.settings.swap else self.tasks

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of what results are broken down by: groups, or tasks if they are swapped."""
        return self.tasks if self.settings.swap else self.groups


def _numbers(members: Sequence[Sequence[int]], classes: int) -> Ints:
    numbers = np.full(classes, -1, np.int64)  # (classes,)
    for number, labels in enumerate(members):
        numbers[list(labels)] = number
    return numbers


def _names(kind: str, members: Sequence[Sequence[int]], classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(classes[labels[0]] if len(labels) == 1 else f"{kind}{number}" for number, labels in enumerate(members))
