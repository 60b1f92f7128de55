"""What a stored round's model makes of samples: labels."""

import csv
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np

from biasloop.data import Column, Frame, Ints
from biasloop.engine import Options, reopen, replay
from biasloop.errors import InvalidInput
from biasloop.feedback.accumulate import KIND
from biasloop.randomness import Streams
from biasloop.store.files import write_atomically
from biasloop.store.reader import Run
from biasloop.work import RoundWork, Session

Part = Literal["test", "pool", "reserve"]


def labels(directory: Path, number: int | None, part: Part, count: int | None, options: Options) -> tuple[Frame, str]:
    """Labels of samples by the model of a stored round.

    A model that is no longer stored is fitted again from the round's ledger and streams.

    Args:
        directory: the run's.
        number: the round; None for the newest.
        part: whose samples: of the test set, the pool, or the part of the pool not yet in the training set.
        count: at most so many; None for all.
        options: where data lie, device.

    Returns:
        Columns id, label columns and, where known, `true`; and how the model was got ("stored" or "refitted").
    """
    stored, prepared = reopen(directory, options)
    if not stored.rounds:
        raise InvalidInput(f"{directory} has no finished round yet; the same `biasloop loop` goes on with it")
    number = stored.rounds[-1] if number is None else number
    for _ in replay(stored, prepared.rule, number):
        pass
    model, how = _model(stored, prepared.rule, number, prepared.seed, options)
    ids = _ids(prepared.domain, prepared.rule, part)[:count]
    work = RoundWork(Streams((prepared.seed, number, "generate")), Session(), "generate")
    given: Frame = prepared.domain.label(model, ids, prepared.rule.label_by, work)
    return _readable(prepared.domain, ids, given), how


def _model(stored: Run, rule: Any, number: int, seed: int, options: Options) -> tuple[Any, str]:
    if KIND in rule.carried:
        kept = rule.carried[KIND]
        return rule.domain.load(kept.kind, kept.arrays), "stored"
    session = Session(stopping=options.stopping)
    return rule.refit(number, RoundWork(Streams((seed, number)), session, f"round-{number:04d}")), "refitted"


def _ids(domain: Any, rule: Any, part: Part) -> Ints:
    splits = domain.splits()
    if part == "test":
        return np.asarray(splits.test)
    if part == "pool":
        return np.asarray(splits.pool)
    return np.setdiff1d(splits.pool, rule.ledger.all().ids)


def _readable(domain: Any, ids: Ints, given: Frame) -> Frame:
    """Ids, labels by name, confidence, and the human label where there is one."""
    names = {name: column.strings() for name, column in domain.vocabularies().items()}
    known = ~np.isin(ids, domain.splits().unlabelled)
    truth = domain.truth(ids[known])
    columns = {"id": Column(ids)}
    for name, column in given.columns.items():
        columns[name] = _named(column, names)
    for name, column in truth.columns.items():
        if column.role == "target" and column.offsets is None:
            rows = np.full(len(ids), "", object)
            rows[known] = _cells(_named(column, names))
            columns[f"true_{name}"] = Column.text([str(row) for row in rows])
    return Frame(columns)


def _named(column: Column, names: dict[str, list[str]]) -> Column:
    """Class ids as class names."""
    if column.vocabulary not in names or column.values.dtype.kind not in "iu":
        return column
    return Column.text([names[column.vocabulary][value] for value in column.values.tolist()])


def _cells(column: Column) -> list[Any]:
    return column.strings() if column.offsets is not None else list(column.values.tolist())


def write_csv(frame: Frame, path: Path) -> None:
    """A frame as a CSV file with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*(_cells(column) for column in frame.columns.values()), strict=True))
    write_atomically(path, text.getvalue().encode())
