"""A person's table of samples: ids, labels, groups, and features that are handed on as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.data import Ints, Splits
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular
from biasloop.tables import require_format, two_ways
from biasloop.tables.missing import WORDS
from biasloop_command import tables
from biasloop_command.config import Config

if TYPE_CHECKING:
    import polars as pl

    from biasloop.contract.randomness import Streams

OURS = ("id", "label", "made", "weight")  # columns of the exchanged files that are not features
PARTS = ("train", "test", "holdout", "unlabelled")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Group:
    """An attribute: `(n,)` int64 values, and what they are called."""

    values: Ints
    names: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Samples; a row's position is its id in the loop.

    Attributes:
        names: `n` ids as text, each its own.
        features: the ids as column "id", then all columns that have no other meaning.
        classes: names.
        labels: `(n,)` int64; -1 where there is none.
        groups: attributes by column.
        part: `(n,)` int64 positions in `PARTS`; None where the split is drawn.
    """

    names: Sequence[str]
    features: pl.DataFrame
    classes: tuple[str, ...]
    labels: Ints
    groups: Mapping[str, Group]
    part: Ints | None


def check_file(config: Config) -> None:
    """Refuse data that cannot be there, without reading them.

    Raises:
        InvalidInput: if there is no such file, or of another kind.
    """
    path = Path(config.data)
    require_format(path, where=" (domain.data)")
    if not path.exists():
        raise InvalidInput(f"there is no file {path} (domain.data); a relative path starts where the command is run")
    require_regular(path)


def digest(path: Path) -> str:
    """Of a file's content."""
    hasher = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def load(config: Config) -> Table:
    """The table that the settings speak of.

    Raises:
        InvalidInput: naming file, column and row of what is wrong; rows are counted from 1, without the header.
    """
    path = Path(config.data)
    try:
        return _load(path, config)
    except tables.BadTable as error:
        raise InvalidInput(f"{path} (domain.data) {error}") from error


def _load(path: Path, config: Config) -> Table:
    import polars as pl

    plain = [name for name in (config.id, config.target, config.split, *config.groups) if name]
    # Cells that come and go as text are never read as numbers, so that none changes.
    form = require_format(path)
    as_written = config.format == "csv" and form.separated
    table = tables.read(path, form, None if as_written else plain)
    names = _ids(table, config.id)
    classes, labels = _labels(table, config)
    groups = {name: _group(table, name) for name in config.groups}
    part = None if config.split is None else _parts(table, config.split)
    if part is not None:
        labels = _masked(part, labels, config)
    features = table.drop(plain)
    _check_features(features, config)
    features = pl.DataFrame({"id": names}).with_columns(features.get_columns())
    if config.follow is not None and config.follow not in classes:
        raise InvalidInput(f"domain.follow = {config.follow!r} is no class of {path} (found: {_listed(classes)})")
    _check_sizes(groups, len(classes))
    return Table(names, features, classes, labels, groups, part)


def _ids(table: pl.DataFrame, name: str | None) -> list[str]:
    if name is None:
        return [str(row) for row in range(len(table))]
    rows: dict[str, int] = {}
    for row, text in enumerate(tables.texts(table, name, ()), 1):
        if text is None:
            raise tables.BadTable(f"has no id in row {row:,}, column {name!r}")
        if text in rows:
            raise tables.BadTable(f"has the id {text!r} twice, in rows {rows[text]:,} and {row:,} of column {name!r}")
        rows[text] = row
    return list(rows)


def _labels(table: pl.DataFrame, config: Config) -> tuple[tuple[str, ...], Ints]:
    # A word such as NA is a class where somebody names it as one.
    values = tables.texts(table, config.target, [word for word in WORDS if word not in (config.classes or ())])
    names = sorted({value for value in values if value is not None})
    classes = tuple(config.classes or names)
    _check_ways(config.target, [] if config.classes else names, config.target)
    if len(classes) < 2:
        raise tables.BadTable(
            f"has labels of {len(classes)} class(es) in column {config.target!r}, expected at least two; "
            "domain.classes can name more"
        )
    known = {name: label for label, name in enumerate(classes)}
    for row, value in enumerate(values, 1):
        if value is not None and value not in known:
            raise tables.BadTable(
                f"has the label {value!r} in row {row:,}, column {config.target!r}, and domain.classes does not name it"
            )
    return classes, np.array([-1 if value is None else known[value] for value in values], np.int64)


def _check_ways(name: str, values: Sequence[str], target: str = "") -> None:
    """Refuse a value that is written in two ways, which would be two classes or groups."""
    ways = two_ways(values)
    if ways is not None:
        cure = "; classes that differ only so are named in domain.classes" if name == target else ""
        raise tables.BadTable(
            f"has {ways[0]!r} and {ways[1]!r} in column {name!r}, which look like one value written in two ways; "
            f"write it in one way{cure}"
        )


def _group(table: pl.DataFrame, name: str) -> Group:
    values = tables.texts(table, name)
    if None in values:
        raise tables.BadTable(
            f"has no value in row {values.index(None) + 1:,} of column {name!r} (domain.group), and in "
            f"{values.count(None):,} rows in all; give them one, such as 'unknown'"
        )
    names = sorted({value for value in values if value is not None})
    _check_ways(name, names)
    known = {value: number for number, value in enumerate(names)}
    return Group(np.array([known[value] for value in values if value is not None], np.int64), tuple(names))


def _parts(table: pl.DataFrame, name: str) -> Ints:
    values = tables.texts(table, name)
    for row, value in enumerate(values, 1):
        if value not in PARTS:
            raise tables.BadTable(
                f"has {'nothing' if value is None else repr(value)} in row {row:,} of column {name!r} (domain.split), "
                f"expected one of {', '.join(PARTS)}"
            )
    return np.array([PARTS.index(value) for value in values if value is not None], np.int64)


def _masked(part: Ints, labels: Ints, config: Config) -> Ints:
    """Labels without those of rows that are to be unlabelled; test and holdout need theirs."""
    for number, name in ((1, "test"), (2, "holdout")):
        lacking = np.flatnonzero((part == number) & (labels < 0))
        if len(lacking):
            raise tables.BadTable(
                f"has no label in row {lacking[0] + 1:,}, column {config.target!r}, which column {config.split!r} "
                f"puts into the {name} set"
            )
    if not (part == 1).any():
        raise tables.BadTable(f"has no row whose column {config.split!r} (domain.split) is 'test'")
    return np.where(part == 3, -1, labels)


def _check_features(features: pl.DataFrame, config: Config) -> None:
    for name, dtype in features.schema.items():
        if name in OURS:
            hint = '; set domain.id = "id", or rename it' if name == "id" and config.id is None else "; rename it"
            raise tables.BadTable(f"has a feature called {name!r}, which is a column of the exchanged files{hint}")
        if config.format == "csv" and dtype.is_nested():
            raise tables.BadTable(
                f'has values of type {dtype} in column {name!r}, which CSV cannot hold; set domain.format = "jsonl"'
            )


def _check_sizes(groups: Mapping[str, Group], classes: int) -> None:
    """What would only fail after training, when bias amplification is counted."""
    from biasloop.metrics.amplification import MOST_CELLS

    for name, group in groups.items():
        if len(group.names) * classes**2 > MOST_CELLS:
            raise tables.BadTable(
                f"has {len(group.names):,} values in column {name!r} (domain.group) and {classes:,} classes, too many "
                "to count; merge the rare ones"
            )


def split(table: Table, config: Config, streams: Streams) -> Splits:
    """As the split column says, or test set and holdout drawn from the labelled rows; each with ascending ids.

    Raises:
        InvalidInput: if nothing with a label is left to train on.
    """
    from biasloop.datasets.splitting import Given, draw

    labelled, unlabelled = np.flatnonzero(table.labels >= 0), np.flatnonzero(table.labels < 0)
    test: int | Given = config.test or 0
    if table.part is not None:
        inside = [np.flatnonzero(table.part == PARTS.index(name)) for name in ("test", "holdout")]
        test = Given(inside[0], f'domain.split "{config.split}"', 'write "train" for some of them there', inside[1])
    has = f"{config.data} has {len(labelled)} rows with a label"
    return draw(labelled, streams, test, config.holdout or 0, unlabelled=unlabelled, has=has)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
