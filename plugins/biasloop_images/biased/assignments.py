"""Which classes make a task, and which a group.

Source of recipes and records: the code of Hall et al. (2022), "A Systematic Study of Bias Amplification".
"""

from __future__ import annotations

import difflib
import json
import math
import random
from collections.abc import Iterator, Sequence
from importlib import resources

from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.biased.settings import Bias

_RECORDS = "overlays.json"
_RECORD_CLASSES = 10


def merged(classes: int, tasks: int, assignment: int) -> tuple[int, ...]:
    """The task of each class: the distinct rows that Python's shuffle makes with seeds 0, 1, ..., in that order.

    It reproduces all published rows: those of CIFAR-100 are of seeds 0 to 49, those of Fashion-MNIST leave out the
    seeds 15 and 20, which repeat a row.

    Args:
        classes: number of classes.
        tasks: number of tasks, at most `classes`; where they do not divide, the first tasks have a class more.
        assignment: which row, from 0.

    Raises:
        InvalidInput: if there are fewer classes than tasks, or not that many different rows.
    """
    row = _balanced(classes, tasks)
    ways = math.factorial(classes)
    for task in range(tasks):
        ways //= math.factorial(row.count(task))
    if assignment >= ways:
        raise InvalidInput(
            f"domain.bias.assignment is {assignment}, and {classes} classes can be merged into {tasks} tasks in "
            f"{ways} ways; set one from 0 to {ways - 1}"
        )
    for number, tasks_of_classes in enumerate(_rows(row)):
        if number == assignment:
            return tasks_of_classes
    raise AssertionError


def merged_by_numpy(classes: int, tasks: int, seed: int) -> tuple[int, ...]:
    """The task of each class, shuffled by NumPy's legacy generator with that seed.

    Raises:
        InvalidInput: if there are fewer classes than tasks.
    """
    row = np.array(_balanced(classes, tasks))
    np.random.RandomState(seed).shuffle(row)
    return tuple(row.tolist())


def overlay(classes: int, assignment: int) -> tuple[list[int], list[int]]:
    """Two task classes and two group classes of an overlay, all different.

    Of ten classes they are the published records, of another number drawn with Python's generator.

    Raises:
        InvalidInput: if there are fewer than four classes, or not that many records.
    """
    if classes < 4:
        raise InvalidInput(
            f"an overlay needs two classes as tasks and two as groups, and the data have {classes}; use other data, "
            'or domain.bias.attribute = "inverted"'
        )
    if classes != _RECORD_CLASSES:
        drawn = random.Random(assignment).sample(range(classes), 4)
        return drawn[:2], drawn[2:]
    records = json.loads((resources.files("biasloop_images.biased") / _RECORDS).read_text())["records"]
    if assignment >= len(records):
        raise InvalidInput(
            f"domain.bias.assignment is {assignment}, and there are {len(records)} overlays of ten classes; set one "
            f"from 0 to {len(records) - 1}, or domain.bias.tasks and groups"
        )
    return records[assignment]["tasks"], records[assignment]["groups"]


def members(bias: Bias, classes: Sequence[str]) -> tuple[list[list[int]], list[list[int]]]:
    """Classes of each task and, of overlays, of each group.

    Raises:
        InvalidInput: if there is no such class, one has two roles, or the recipe has no such row.
    """
    if bias.tasks is not None:
        parts = [("tasks", names) for names in bias.tasks] + [("groups", names) for names in bias.groups or []]
        labels_of_parts = [[_class(name, key, classes) for name in names] for key, names in parts]
        _check_disjoint([label for labels in labels_of_parts for label in labels], classes)
        return labels_of_parts[: len(bias.tasks)], labels_of_parts[len(bias.tasks) :]
    if bias.attribute == "overlay":
        tasks, groups = overlay(len(classes), bias.assignment)
        return [[label] for label in tasks], [[label] for label in groups]
    recipe = merged if bias.shuffled_by == "python" else merged_by_numpy
    row = recipe(len(classes), bias.task_count, bias.assignment)
    return [[label for label, assigned in enumerate(row) if assigned == task] for task in range(bias.task_count)], []


def _balanced(classes: int, tasks: int) -> list[int]:
    if tasks > classes:
        raise InvalidInput(
            f"domain.bias.task_count is {tasks} and the data have {classes} classes; set 2 to {classes} tasks"
        )
    return [task for task in range(tasks) for _ in range(classes // tasks + (task < classes % tasks))]


def _rows(balanced: Sequence[int]) -> Iterator[tuple[int, ...]]:
    seen: set[tuple[int, ...]] = set()
    seed = 0
    while True:
        shuffled = list(balanced)
        random.Random(seed).shuffle(shuffled)
        seed += 1
        row = tuple(shuffled)
        if row not in seen:
            seen.add(row)
            yield row


def _class(name: str, key: str, classes: Sequence[str]) -> int:
    if name in classes:
        return classes.index(name)
    near = difflib.get_close_matches(name, classes, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"they have {', '.join(classes[:10])}"
    raise InvalidInput(f"domain.bias.{key} names the class {name!r}, which the data do not have; {hint}")


def _check_disjoint(labels: Sequence[int], classes: Sequence[str]) -> None:
    for position, label in enumerate(labels):
        if label in labels[:position]:
            raise InvalidInput(
                f"domain.bias names the class {classes[label]!r} twice; it belongs to one task or group at most"
            )
