"""Images whose annotations come in files of their publishers: what all of these have in common."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biasloop.contract.data import Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular

NONE = -1
"""The class of an image that is in none."""


@dataclass(frozen=True)
class Annotated:
    """Annotated images, in the order of their file.

    Attributes:
        path: of the annotations.
        keys: `(N,)` what images are called, each once.
        classes: names by attribute, in the order in which they are reported.
        codes: `(N,)` class of each image by attribute; `NONE` where it is in none.
        left: by attribute how many images are in no class, by why.
        captions: `(Q,)` texts that ask for an image.
        caption_keys: `(Q,)` what captions are called, each once.
        image_of: `(Q,)` the position of the image that a caption asks for.
    """

    path: Path
    keys: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    codes: Mapping[str, Ints]
    left: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    caption_keys: tuple[str, ...] = ()
    image_of: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.keys)


class _Twice(ValueError):
    """A key stands twice in an object."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise _Twice(f"the key {key!r} stands twice in an object")
    return values


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        InvalidInput: there is no such file, it is no JSON object, or has a key twice.
    """
    require_regular(path)
    try:
        document = json.loads(path.read_bytes(), object_pairs_hook=_each_once)
    except _Twice as error:
        raise InvalidInput(f"{path}: {error}; each key must be there once") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no JSON ({error}); give the annotations as their publisher has them") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}") from error
    if not isinstance(document, dict) or not document:
        raise InvalidInput(f"{path} is no JSON object with an entry for each image")
    return document


def read_rows(path: Path, names: Sequence[str]) -> list[list[str]]:
    """The named columns of a table as texts, as they are written; blank lines are no rows.

    Raises:
        InvalidInput: it is no table, a column is not there, or a row lacks a value (named).
    """
    import polars as pl

    from biasloop.tables import BadTable, open_table, require_format

    table = open_table(path, require_format(path))
    with table.reading():
        frame = table.lazy(names).collect()
        if table.format.separated:
            table.check_cells()
    columns = [f"c{index}" for index in range(len(names))]
    frame = frame.select(pl.col(column).cast(pl.String) for column in columns)
    if table.blanks:
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    if frame.select(pl.any_horizontal((pl.all().is_null() | (pl.all().str.strip_chars() == "")).any())).item():
        where, name = table.first_missing(names, ()) or ("a row", names[0])
        raise BadTable(path, f"{where} has no value in column {name!r}")
    if not len(frame):
        raise BadTable(path, "has no rows")
    return [frame[column].to_list() for column in columns]


def columns_of(path: Path) -> list[str]:
    """Names of a table's columns.

    Raises:
        InvalidInput: it is no table.
    """
    from biasloop.tables import open_table, require_format

    return open_table(path, require_format(path)).columns


def require_unique(path: Path, what: str, keys: Sequence[str]) -> None:
    """Keys must differ.

    Raises:
        InvalidInput: naming the first that is there twice, and how many are.
    """
    if len(set(keys)) < len(keys):
        twice = [key for key, count in Counter(keys).items() if count > 1]
        others = f", and {len(twice) - 1:,} more are" if len(twice) > 1 else ""
        raise InvalidInput(f"{path}: {what} {twice[0]!r} is there twice{others}; each must be there once")


def coded(path: Path, attribute: str, values: Iterable[str], classes: Sequence[str], known: Iterable[str]) -> Ints:
    """`(n,)` the class of each value, `NONE` for those that are known and no class.

    Raises:
        InvalidInput: a value is neither, naming it, how often it occurs and what is known.
    """
    numbers = dict.fromkeys(known, NONE) | {name: number for number, name in enumerate(classes)}
    listed = list(values)
    strange = Counter(value for value in listed if value not in numbers)
    if strange:
        value, count = strange.most_common(1)[0]
        raise InvalidInput(
            f"{path}: {attribute} is {value!r} ({count:,} times), which is none of {', '.join(numbers)}; these are "
            "annotations in another vocabulary"
        )
    return np.array([numbers[value] for value in listed], np.int64)
