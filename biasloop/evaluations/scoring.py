"""Rows in batches with the group of each: scores of predictions, and labels of 0 and 1."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from biasloop.contract.data import Bools, Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.evaluations.grouping import Key
from biasloop.predictions import Source, counted, texts

if TYPE_CHECKING:
    import polars as pl

TOLERANCE = 1e-6
"""By how much a confidence may miss 0 or 1: 32-bit softmaxes add up to 1.0000001."""

TRUE, FALSE = ("1", "1.0", "true", "True", "TRUE"), ("0", "0.0", "false", "False", "FALSE")

Name = Callable[[str, Sequence[str]], list[str]]


@dataclass(frozen=True)
class Batch:
    """Some rows.

    Attributes:
        table: true and predicted values as c0 and c1, what is given of each row as `given`.
        confidence: `(n,)` of each prediction, in [0, 1].
        correct: `(n,)` whether it is right.
        keys: groups that occur, as the values of their attributes.
        groups: `(n,)` the place of each row's among them.
    """

    table: "pl.DataFrame"
    confidence: Floats
    correct: Bools
    keys: list[Key]
    groups: Ints


def scored(
    source: Source, columns: tuple[str, str, str], attributes: Sequence[str], name: Name, positive: str | None = None
) -> Iterator[Batch]:
    """Batches of rows with the confidence of each prediction.

    Args:
        source: of the rows.
        columns: of true values, of predicted ones, and of confidences.
        attributes: columns of groups; without, all rows are one.
        name: of an attribute's values, the names of their groups.
        positive: a value; the third column then holds its probability, and a prediction of another has what is left
            to 1.

    Raises:
        InvalidInput: as `biasloop.predictions.texts`, or if a confidence is not a number from 0 to 1 (row named).
    """
    import polars as pl

    task, predicted, confidence = columns
    named = [task, predicted, *attributes]
    source.require([*named, confidence])
    # Every value first: whether one is written in two ways, and how it is shown.
    for first in [[task, predicted], *([name] for name in attributes)]:
        counted(source, first, alike=first if len(first) > 1 else [])
    text = f"c{len(named)}"
    for batch in texts(source, named, [confidence]):
        frame = _settled(source, batch, named)
        given = _probable(source, frame, confidence, text)
        right = (frame["c0"] == frame["c1"]).to_numpy()  # (n,)
        sure = given
        if positive is not None:
            sure = np.where((frame["c1"] == source.spelled(task, positive)).to_numpy(), given, 1.0 - given)
        keys, groups = _grouped(frame, range(2, 2 + len(attributes)), attributes, name)
        yield Batch(frame.select("c0", "c1", given=pl.Series(given)), sure, right, keys, groups)


def flags(
    source: Source, attributes: Sequence[str], columns: Sequence[str], name: Name
) -> Iterator[tuple[list[Key], Ints, Ints]]:
    """Batches of groups, the group of each row, and columns of 0 and 1, `(rows, columns)`.

    Raises:
        InvalidInput: as `biasloop.predictions.texts`, or if a value is neither 0 nor 1, true nor false (row named).
    """
    import polars as pl

    first = len(attributes)
    for attribute in attributes:
        counted(source, [attribute])
    for batch in texts(source, [*attributes, *columns]):
        frame = _settled(source, batch, attributes)
        for i, column in enumerate(columns, first):
            bad = (~frame[f"c{i}"].is_in([*TRUE, *FALSE])).arg_true()
            if len(bad):
                where, value = f"{source.name}, row {frame['row'][bad[0]]}", frame[f"c{i}"][bad[0]]
                raise InvalidInput(f"{where}: {column} is {value!r}; expected 0 or 1")
        cells = [pl.col(f"c{i}").is_in(TRUE).cast(pl.Int64) for i in range(first, first + len(columns))]
        keys, groups = _grouped(frame, range(first), attributes, name)
        yield keys, groups, frame.select(cells).to_numpy()


def _settled(source: Source, batch: "pl.DataFrame", names: Sequence[str]) -> "pl.DataFrame":
    """Rows whose first columns have each value written in one way."""
    import polars as pl

    return batch.with_columns(pl.col(f"c{i}").replace(source.shown(name)) for i, name in enumerate(names))


def _probable(source: Source, frame: "pl.DataFrame", column: str, text: str) -> Floats:
    """Numbers from 0 to 1; what misses an end by no more than rounding is that end."""
    values = frame["f0"].to_numpy()  # (n,)
    bad = np.flatnonzero(~((values >= -TOLERANCE) & (values <= 1 + TOLERANCE)))
    if len(bad):
        row, written = int(bad[0]), frame[text][int(bad[0])]
        where = f"{source.name}, row {frame['row'][row]}: {column} is"
        if np.isnan(values[row]):
            raise InvalidInput(f"{where} {written!r}, not a number from 0 to 1")
        raise InvalidInput(f"{where} {written}; expected a number from 0 to 1")
    return np.asarray(np.clip(values, 0.0, 1.0), np.float64)


def _grouped(
    frame: "pl.DataFrame", positions: Sequence[int], attributes: Sequence[str], name: Name
) -> tuple[list[Key], Ints]:
    """Groups that occur in a batch, and the place of each row's among them."""
    if not attributes:
        return [()], np.zeros(len(frame), np.int64)
    columns = [f"c{position}" for position in positions]
    different = frame.select(columns).unique().with_row_index("group")  # (groups, attributes + 1)
    rows = frame.select(columns).join(different, on=columns, how="left", maintain_order="left")["group"]
    named = [
        name(attribute, different[column].to_list()) for attribute, column in zip(attributes, columns, strict=True)
    ]
    at: dict[Key, int] = {}
    group = np.array([at.setdefault(key, len(at)) for key in zip(*named, strict=True)], np.int64)
    return list(at), group[rows.to_numpy()]
