"""Groups of rows: of one attribute or of several together, with a word where they are small or too many."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from biasloop.contract.data import Ints
from biasloop.errors import InvalidInput
from biasloop.evaluations.checks import some
from biasloop.evaluations.result import EvaluationResult
from biasloop.predictions import Counts

FEW = 30
"""Groups of fewer rows are marked."""

MANY = 20
"""From so many values on an attribute may be a measured quantity."""

_LISTED = 5  # groups of which each has a note
_BIN = re.compile(r"\[(-?[0-9.]+(?:e[+-]?[0-9]+)?), ")

Key = tuple[str, ...]


def listed(attribute: str | Sequence[str]) -> list[str]:
    """The attributes, of which there may be one.

    Raises:
        InvalidInput: if one is given twice.
    """
    names = [attribute] if isinstance(attribute, str) else list(attribute)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"--attribute {twice[0]} is given twice; expected each column once")
    return names


def joined(attributes: Sequence[str]) -> str:
    """What several attributes are called together."""
    return "+".join(attributes)


def ordered(values: Iterable[str]) -> list[str]:
    """Values in the order of their text; bins in that of their lower edge."""
    every = sorted(values)
    edges = [_BIN.match(value) for value in every]
    if not all(edges):
        return every
    return sorted(every, key=lambda value: float(_BIN.match(value)[1]))  # type: ignore[index] # all match


def keys_of(keys: Iterable[Key]) -> list[Key]:
    """Different combinations of values, in the order of the first attribute's, then of the second's, and so on."""
    every = set(keys)
    columns = [ordered(set(column)) for column in zip(*every, strict=True)]
    at = [{value: index for index, value in enumerate(column)} for column in columns]
    return sorted(every, key=lambda key: [places[value] for places, value in zip(at, key, strict=True)])


def names_of(keys: Sequence[Key]) -> list[str]:
    """A name for each combination of values: f+old; as JSON lists where two would be called the same."""
    names = [joined(key) for key in keys]
    return names if len(set(names)) == len(names) else [json.dumps(list(key), ensure_ascii=False) for key in keys]


def parts_of(attributes: Sequence[str], key: Key) -> dict[str, dict[str, str]]:
    """The values that make a group of several attributes, as scripts read them."""
    return {"values": dict(zip(attributes, key, strict=True))} if len(attributes) > 1 else {}


def grouped(counts: Counts, attributes: Sequence[str]) -> tuple[list[Key], Ints]:
    """The groups that occur, and the place among them of each counted combination."""
    each = list(zip(*(counts.columns[name] for name in attributes), strict=True))
    keys = keys_of(each)
    at = {key: index for index, key in enumerate(keys)}
    return keys, np.array([at[key] for key in each], np.int64)


def placed(counts: Counts, attributes: Sequence[str], keys: Sequence[Key]) -> tuple[tuple[str, list[str]], Counts]:
    """An axis of groups for `Counts.table`, and the counts with the place of each among the keys as a column."""
    at = {key: str(index) for index, key in enumerate(keys)}
    name = f"groups of {joined(attributes)}"
    groups = [at[key] for key in zip(*(counts.columns[name] for name in attributes), strict=True)]
    return (name, list(at.values())), replace(counts, columns={**counts.columns, name: groups})


def flag(n: int) -> dict[str, str]:
    """How a group of few rows is marked."""
    if n >= FEW:
        return {}
    return {"flag": "one row" if n == 1 else f"under {FEW} rows"}


def remarks(attributes: Sequence[str], sizes: Mapping[str, int]) -> list[str]:
    """What to know of groups with few rows, by the name of each.

    One that has a single row has a sentence of its own, unless there are many such.
    """
    name = joined(attributes)
    small = [group for group, n in sizes.items() if 1 < n < FEW]
    notes = single(name, [group for group, n in sizes.items() if n == 1])
    if small:
        counts = ", ".join(f"{group!r} {sizes[group]}" for group in small[:_LISTED])
        more = ", ..." if len(small) > _LISTED else ""
        notes.append(f"under {FEW} rows of {name}, so that rates say little: {counts}{more}")
    return notes


def single(attribute: str, groups: Sequence[str]) -> list[str]:
    """The same of groups of one row alone."""
    if len(groups) > _LISTED:
        return [f"{len(groups):,} groups of {attribute} have one row ({some(groups)})"]
    return [f"{attribute} {group!r} has one row" for group in groups]


def crowded(path: Path, attribute: str, values: Sequence[str], rows: int, option: str = "--bins") -> list[str]:
    """A sentence where an attribute has so many values that it looks measured, or has hardly any rows for each."""
    number = _numeric(values)
    few = len(values) >= MANY and rows < FEW * len(values)
    nearly = 2 * len(values) > rows and len(values) >= MANY // 2
    if not (few or nearly or (number and len(values) >= MANY)):
        return []
    cure = f"{option} 5 makes five groups of them" if number else "merge those that belong together"
    what = "as many as a measured quantity has" if number else f"{rows / len(values):.1f} rows each"
    return [f"{path}: {attribute} has {len(values):,} values in {rows:,} rows, {what}; {cure}"]


def _numeric(values: Sequence[str]) -> bool:
    try:
        return all(np.isfinite(float(value)) for value in values)
    except ValueError:
        return False


def each(attributes: Sequence[str], answer: Callable[[Sequence[str]], EvaluationResult]) -> EvaluationResult:
    """The answer of one attribute, or that of several together with that of each by itself beside it."""
    every = {name: answer([name]) for name in attributes}
    if len(every) == 1:
        return every[attributes[0]]
    combined = answer(attributes)
    # A table of amplification has values in a column of that name.
    named = any("attribute" in row for row in combined.rows)
    rows = [
        {"of" if named else "attribute": name, **row}
        for name, part in {**every, joined(attributes): combined}.items()
        for row in part.rows
        if part is combined or row.get("group") != ""  # all rows together stand there once
    ]
    notes = [note for part in (*every.values(), combined) for note in part.notes]
    return replace(combined, rows=rows, notes=list(dict.fromkeys(notes)), parts=every)
