"""Columns that make sense together, whatever is computed of them."""

from collections.abc import Sequence
from pathlib import Path

from biasloop.errors import InvalidInput


def varied(path: Path, name: str, values: Sequence[str]) -> None:
    """Refuse a column of one value."""
    if len(values) < 2:
        raise InvalidInput(f"{path}: column {name!r} has one value only ({some(values)}); expected at least two")


def some(values: Sequence[str]) -> str:
    """The first few."""
    listed = sorted(values)
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
