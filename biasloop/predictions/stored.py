"""The per-sample tables of a stored run as a table of predictions."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biasloop.contract import names
from biasloop.contract.data import Column, Frame, Vocabularies, joined
from biasloop.contract.labels import texts_of
from biasloop.errors import InvalidInput
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run

if TYPE_CHECKING:
    import polars as pl


def of_run(path: Path, number: int | None, name: str) -> "pl.DataFrame":
    """A round's table beside the set-up's references, indexes as names where they have a vocabulary.

    Args:
        path: the run's directory or one of its files `round-NNNN.h5`.
        number: the round; None: the newest, or the file's.
        name: of the table; empty: "test", or the only one.

    Raises:
        InvalidInput: there is no such run, round or table (those there are listed).
        DamagedStore: a file of it is damaged.
    """
    directory, number = _run_and_round(path, number)
    run = Run.open(directory)
    if not run.rounds:
        raise InvalidInput(f"{directory} has no finished round yet; the same `biasloop loop` goes on with it")
    number = run.rounds[-1] if number is None else number
    if number not in run.rounds:
        raise InvalidInput(f"{directory} has no round {number}; it has rounds 0 to {run.rounds[-1]}")
    setup, record = run.read(SETUP), run.read(round_name(number))
    tables = record.evaluations[names.MAIN].tables
    chosen = name or (names.TEST if names.TEST in tables else next(iter(tables), ""))
    if chosen not in tables or (not name and names.TEST not in tables and len(tables) > 1):
        raise InvalidInput(f"{path} has no table {name or names.TEST!r}; --table is one of {', '.join(sorted(tables))}")
    references = setup.evaluations[names.MAIN].tables if names.MAIN in setup.evaluations else {}
    return shown(joined(references, {chosen: tables[chosen]})[chosen], setup.vocabularies())


def _run_and_round(path: Path, number: int | None) -> tuple[Path, int | None]:
    if path.is_dir():
        return path, number
    match = re.fullmatch(r"round-(\d+)\.h5", path.name)
    if match is None or not path.is_file():
        raise InvalidInput(f"{path}: expected a run's directory or one of its files round-NNNN.h5")
    if number not in (None, int(match[1])):
        raise InvalidInput(f"{path} is round {int(match[1])}, not {number}; leave out --round")
    return path.parent, int(match[1])


def shown(frame: Frame, words: Vocabularies) -> "pl.DataFrame":
    """Columns of one value a row, indexes as names where they have a vocabulary; what has several is left out.

    Such are pictures, embeddings and tokens. A number that names nothing, as -1 where nobody knows, is no value.
    """
    import polars as pl

    shown: dict[str, pl.Series] = {}
    for name, column in frame.columns.items():
        values = _values(column, words)
        if values is not None:
            shown[name] = values
    return pl.DataFrame(shown)


def _values(column: Column, words: Vocabularies) -> "pl.Series | None":
    import polars as pl

    if column.values.ndim != 1:
        return None
    texts = texts_of(column, words)
    if texts is not None:
        return pl.Series(texts, dtype=pl.String)
    return None if column.offsets is not None else pl.Series(np.ascontiguousarray(column.values))
