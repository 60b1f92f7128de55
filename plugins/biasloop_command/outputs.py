"""What a predicting program has written, checked."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.lazy import numpy as np
from biasloop.system.regular import irregular
from biasloop.tables import Format
from biasloop_command import tables
from biasloop_command.programs import Program, ProgramFailed
from biasloop_command.tables import BadTable

if TYPE_CHECKING:
    import polars as pl

    from biasloop.contract.data import Floats, Ints
    from biasloop.tables.formats import Kind

PROBABILITY = "probability."
_ROUNDING = 1e-3  # probabilities are written with few digits
_SLIP = 1e-6  # and computed with few bits


@dataclass(frozen=True)
class Output:
    """Predictions, in the order of the rows asked for.

    Attributes:
        prediction: `(n,)` class ids.
        confidence: `(n,)` in [0, 1]: as written, else the probability of the prediction; None with neither.
        probabilities: `(n, classes)`, rows sum to 1 as far as they were written; None without.
    """

    prediction: Ints
    confidence: Floats | None
    probabilities: Floats | None


def check(path: Path, program: Program, megabytes: int) -> None:
    """Refuse what a program has left as {output} before anything of it is read.

    Args:
        path: of {output}; a link is not followed.
        program: that wrote it.
        megabytes: how large it may be.

    Raises:
        ProgramFailed: if there is nothing, anything but a file, or too much.
    """
    try:
        state = path.lstat()
    except OSError as error:
        raise ProgramFailed(f"{program} wrote no file {{output}}") from error
    if not stat.S_ISREG(state.st_mode):
        kind = "a link" if stat.S_ISLNK(state.st_mode) else irregular(path) or "no file"
        raise ProgramFailed(f"{program} left {kind} as {{output}} ({path.name}); write a file there")
    if state.st_size > megabytes * 1_000_000:
        raise _too_large(state.st_size, path, program, megabytes)


def check_growing(path: Path, program: Program, megabytes: int) -> None:
    """Look at an {output} that a program is still writing; it may be larger for a while, but not twice as large.

    Raises:
        ProgramFailed: if it is.
    """
    with suppress(OSError):
        size = path.lstat().st_size
        if size > 2 * megabytes * 1_000_000:
            raise _too_large(size, path, program, megabytes)


def _too_large(size: int, path: Path, program: Program, megabytes: int) -> ProgramFailed:
    return ProgramFailed(
        f"{program} wrote {size / 1e6:,.1f} MB to {{output}} ({path.name}), and domain.output_megabytes allows "
        f"{megabytes:,}; write only the columns that are read, or allow more"
    )


def read(path: Path, form: Kind, program: Program, names: Sequence[str], classes: Sequence[str]) -> Output:
    """The predictions in a file; rows may come in any order, other columns are ignored.

    Args:
        path: the file, as `check` lets it pass.
        form: "csv", "parquet" or "jsonl".
        program: that wrote it.
        names: ids of the rows that were asked for.
        classes: names.

    Raises:
        ProgramFailed: naming column and row (counted from 1, without the header) of what is wrong.
    """
    try:
        table = tables.read(path, Format(form))
        order = _order(table, names)
        prediction = _predictions(table, classes)
        probabilities = _probabilities(table, classes)
        if "confidence" in table.columns:
            confidence: Floats | None = _numbers(table, "confidence")
        else:
            confidence = None if probabilities is None else probabilities[np.arange(len(order)), prediction]
    except BadTable as error:
        raise ProgramFailed(f"the {{output}} of {program} {error}") from error
    return Output(
        prediction[order],
        None if confidence is None else confidence[order],
        None if probabilities is None else probabilities[order],
    )


def _order(table: pl.DataFrame, names: Sequence[str]) -> Ints:
    """The row of each name."""
    rows: dict[str, int] = {}
    wanted = set(names)
    for row, name in enumerate(tables.texts(table, "id", ()), 1):
        if name is None or name not in wanted:
            shown = "no id" if name is None else f"the id {name!r}, which was not asked for,"
            raise BadTable(f"has {shown} in row {row:,}, column 'id'")
        if name in rows:
            raise BadTable(f"has the id {name!r} twice, in rows {rows[name] + 1:,} and {row:,} of column 'id'")
        rows[name] = row - 1
    if len(rows) < len(names):
        first = next(name for name in names if name not in rows)
        raise BadTable(f"has {len(rows):,} rows for {len(names):,} ids; the first that is missing is {first!r}")
    return np.array([rows[name] for name in names], np.int64)


def _predictions(table: pl.DataFrame, classes: Sequence[str]) -> Ints:
    known = {name: label for label, name in enumerate(classes)}
    names = tables.texts(table, "prediction", ())
    for row, name in enumerate(names, 1):
        if name is None or name not in known:
            shown = "nothing" if name is None else repr(name)
            listed = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
            raise BadTable(f"has {shown} in row {row:,} of column 'prediction', expected one of {listed}")
    return np.array([known[name] for name in names if name is not None], np.int64)


def _probabilities(table: pl.DataFrame, classes: Sequence[str]) -> Floats | None:
    """A class without a column has probability 0."""
    written = [name for name in table.columns if name.startswith(PROBABILITY)]
    unknown = [name for name in written if name.removeprefix(PROBABILITY) not in classes]
    if unknown:
        raise BadTable(f"has a column {unknown[0]!r}, and there is no class of that name")
    if not written:
        return None
    zero = np.zeros(len(table))
    every = [_numbers(table, PROBABILITY + name) if PROBABILITY + name in written else zero for name in classes]
    probabilities = np.stack(every, axis=1)
    wrong = np.flatnonzero(np.abs(probabilities.sum(axis=1) - 1) > _ROUNDING)
    if len(wrong):
        raise BadTable(
            f"has probabilities that sum to {probabilities[wrong[0]].sum():g} in row {wrong[0] + 1:,}, columns "
            f"'{PROBABILITY}...', expected 1"
        )
    return probabilities


def _numbers(table: pl.DataFrame, name: str) -> Floats:
    """A column of numbers from 0 to 1."""
    import polars as pl

    values = tables.column(table, name)
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    texts = tables.texts(table.with_columns(values), name, ())
    numbers = np.asarray(values.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(), np.float64)
    bad = np.flatnonzero(~((numbers >= -_SLIP) & (numbers <= 1 + _SLIP)))
    if len(bad):
        shown = texts[bad[0]]
        raise BadTable(
            f"has {'nothing' if shown is None else repr(shown)} in row {bad[0] + 1:,} of column {name!r}, "
            "expected a number from 0 to 1"
        )
    return numbers.clip(0, 1)
