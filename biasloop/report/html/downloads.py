"""Data of a study as CSV files that stand in the page itself."""

from __future__ import annotations

import base64
import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from biasloop.report.html.bounded import Bounded
from biasloop.report.html.differences import Compared
from biasloop.report.html.plain import PAGE_ALONE
from biasloop.report.html.provenance import Cell, Labelled, Provenance
from biasloop.report.html.results import Results
from biasloop.report.tables import exporting
from biasloop.store.reader import Run

PACKED = 200_000
"""Bytes of a CSV file from which on it is packed by gzip."""

LARGEST = 1_500_000
"""Bytes of a packed file that a page has room for."""


@dataclass(frozen=True)
class Download:
    """A file inside the page.

    Attributes:
        name: of the file.
        what: it holds.
        bytes: as it is saved.
        uri: a data URI; empty where the page has no room for it.
    """

    name: str
    what: str
    bytes: int
    uri: str = field(metadata=PAGE_ALONE)


def downloads(
    runs: Sequence[Run],
    results: Results,
    compared: Compared | None,
    bounds: Sequence[Bounded],
    origins: Sequence[Provenance],
) -> list[Download]:
    """All tables of a study.

    Args:
        runs: with a finished round each.
        results: of their arms.
        compared: arms beside one of them.
        bounds: of arms that have one.
        origins: of their training sets.
    """
    files = [
        ("metrics.csv", "every metric of every round and run, as biasloop export writes it", _metrics(runs)),
        ("arms.csv", "every metric of the last round by arm, over seeds", _csv(_arm_rows(results))),
    ]
    if compared is not None:
        files.append(("differences.csv", "arms compared, paired by seed", _csv(_difference_rows(compared))))
    if bounds:
        files.append(("bound.csv", "bias and bound by arm and round", _csv(_bound_rows(bounds))))
    if origins:
        files.append(("labels.csv", "who labelled, by arm, round and class", _csv(_label_rows(origins))))
    return [_download(*each) for each in files]


def _download(name: str, what: str, content: bytes) -> Download:
    kind = "text/csv;charset=utf-8"
    if len(content) > PACKED:
        name, kind, content = f"{name}.gz", "application/gzip", gzip.compress(content, mtime=0)
    if len(content) > LARGEST:
        return Download(name, f"{what}; too large for a page, biasloop export writes it", len(content), "")
    return Download(name, what, len(content), f"data:{kind};base64,{base64.b64encode(content).decode()}")


def _metrics(runs: Sequence[Run]) -> bytes:
    with TemporaryDirectory() as folder:
        (written,) = exporting.export_metrics(runs, Path(folder) / "metrics.csv", force=True)
        return written.path.read_bytes()


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="replace")


def _number(value: float) -> object:
    """As it reads back exactly; empty where there is none."""
    return "" if value != value else value  # noqa: PLR0124 # NaN


def _arm_rows(results: Results) -> Iterable[Sequence[object]]:
    yield "arm", "seeds", "round", "metric", "mean", "std", "low", "high", "interval_of", "n"
    for arm in results.arms:
        for name, value in arm.last.items():
            numbers = map(_number, (value.mean, value.std, value.low, value.high))
            yield arm.label, value.n, arm.rounds - 1, name, *numbers, value.of, value.rows or ""


def _difference_rows(compared: Compared) -> Iterable[Sequence[object]]:
    yield "metric", "round", "arm", "reference", "seeds", "mean", "difference", "low", "high", "e_value"
    for metric, rows in compared.differences.items():
        for row in rows:
            numbers = map(_number, (row.value, row.mean, row.low, row.high, row.evidence))
            yield metric, compared.round, row.arm, compared.reference, len(row.seeds), *numbers


def _bound_rows(bounds: Sequence[Bounded]) -> Iterable[Sequence[object]]:
    yield "arm", "metric", "round", "bias", "bound", "per_round_bound", "seeds", "seeds_exceeding"
    for arm in bounds:
        for row in arm.rounds:
            numbers = map(_number, (row.bias, row.bound, row.per_round))
            yield arm.arm, arm.metric, row.round, *numbers, row.seeds, row.exceeded


def _label_rows(origins: Sequence[Provenance]) -> Iterable[Sequence[object]]:
    """Rows of all classes (an empty one) by round, and of what models gave by round and class."""
    yield "arm", "runs", "round", "class", "human", "model", "checked", "wrong", "true", "missed"
    for arm in origins:
        for number, entered in arm.rounds.items():
            yield arm.arm, arm.runs, number, "", *_counts(entered), "", ""
        for each in arm.classes:
            for number, cell in each.by_round.items():
                yield arm.arm, arm.runs, number, each.name, "", *_cell(cell)


def _counts(entered: Labelled) -> Sequence[object]:
    return entered.human, entered.model, entered.checked, entered.wrong


def _cell(cell: Cell) -> Sequence[object]:
    true, missed = ("" if n is None else n for n in (cell.true, cell.missed))
    return cell.given, cell.given_checked, cell.given_wrong, true, missed
