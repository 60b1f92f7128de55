"""Columns that make sense together, whatever is computed of them."""

from collections.abc import Sequence
from pathlib import Path

from biasloop.errors import InvalidInput


def varied(path: Path, name: str, values: Sequence[str]) -> None:
    """Refuse a column of one value."""
    if len(values) < 2:
        raise InvalidInput(f"{path}: column {name!r} has one value only ({some(values)}); expected at least two")


def alike(path: Path, task: tuple[str, Sequence[str]], predicted: tuple[str, Sequence[str]]) -> None:
    """Refuse true and predicted values that have nothing in common."""
    if set(task[1]).isdisjoint(predicted[1]):
        raise InvalidInput(
            f"{path}: columns {task[0]!r} ({some(task[1])}) and {predicted[0]!r} ({some(predicted[1])}) have no value "
            "in common; write the values of both alike"
        )


def some(values: Sequence[str]) -> str:
    """The first few."""
    listed = sorted(values)
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
