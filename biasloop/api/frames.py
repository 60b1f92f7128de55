"""What runs store as polars frames: tidy metrics, per-sample tables, and the ledger of the training set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from biasloop.contract.data import Column, Frame, Metric, Vocabularies
from biasloop.contract.names import CONFIDENCE, TARGET, TRUTH, WEIGHT
from biasloop.lazy import numpy as np
from biasloop.records.ledger import HUMAN, PREPARED, Ledger
from biasloop.records.record import Record

if TYPE_CHECKING:
    import polars as pl

KNOWN = "known"  # of the frame of truth: whether there is a human label
ERROR = "error"  # likewise: how wrong the model's is
_OF_TRUTH = "truth_"  # begins the column of what humans say; the label's column follows
_FIRST = ("id", "since", "origin", "model")  # columns of every ledger; a label of such a name is called label_NAME


def metrics_frame(rows: Iterable[tuple[Mapping[str, object], int, Mapping[str, Metric]]]) -> pl.DataFrame:
    """A row a metric: `round`, `metric`, `value`, `n`, `se`; null where there is no number.

    Args:
        rows: columns to begin with, the same in all; the round; what it measured.
    """
    import polars as pl

    columns: dict[str, list[object]] = {}
    for first, number, metrics in rows:
        for name, metric in metrics.items():
            row = {
                **first, "round": number, "metric": name, "value": _number(metric.value), "n": metric.n,
                "se": _number(metric.error),
            }  # fmt: skip
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
    kinds = {"seed": pl.Int64, "round": pl.Int64, "metric": pl.String, "value": pl.Float64, "n": pl.Int64,
             "se": pl.Float64}  # fmt: skip
    if not columns:
        return pl.DataFrame(schema={name: kinds[name] for name in ("round", "metric", "value", "n", "se")})
    return pl.DataFrame({key: pl.Series(values, dtype=kinds.get(key)) for key, values in columns.items()})


def table_frame(frame: Frame, words: Vocabularies) -> pl.DataFrame:
    """A stored table: columns of one value a row, indexes as names where they have a vocabulary."""
    from biasloop.predictions.stored import shown

    return shown(frame, words)


def ledger_frame(records: Sequence[Record], words: Vocabularies) -> pl.DataFrame:
    """The training set, a row a sample in the order they came in.

    Columns: `id`, `since` (the first round that trained on it), `origin` ("human", "model", or "prepared" for a model
    that was trained before the loop), `model` (the round of the model that labelled it, else null), the label's
    columns, and `weight`, `propensity` and keys of generated inputs where a run has any. Last, in every run: what
    humans say of the same sample (`truth_NAME`; the label itself of a human's, null where nobody knows), for each
    column that says what is right, and how wrong the label is (`error`, 0 to 1; 0 of a human's, null where nobody
    knows). So ledgers of arms of which some have no model labels have the same columns.

    Args:
        records: steps that added rows, in their order.
        words: names of what columns index.
    """
    import polars as pl

    parts = [_part(record.added, record.frames.get(TRUTH), words) for record in records if record.added is not None]
    if not parts:
        return pl.DataFrame(
            schema={"id": pl.Int64, "since": pl.Int32, "origin": pl.String, "model": pl.Int32, ERROR: pl.Float64}
        )
    frame = pl.concat(parts, how="diagonal")
    human, last = pl.col("origin") == "human", []
    for name in _right(records):
        label, truth = _column(name), f"{_OF_TRUTH}{name}"
        if label in frame.columns:
            last.append(pl.when(human).then(label).otherwise(_or_null(truth, frame)).alias(truth))
    last.append(pl.when(human).then(0.0).otherwise(_or_null(ERROR, frame)).alias(ERROR))
    names = [column.meta.output_name() for column in last]
    return frame.with_columns(*last).select(pl.exclude(names), *names)


def _right(records: Sequence[Record]) -> list[str]:
    """The columns of labels that say what is right: targets, and what a step has stored human labels of."""
    judged = {name for record in records for name in record.frames.get(TRUTH, Frame()).columns}
    payloads = [record.added.payload.columns for record in records if record.added is not None]
    columns = {name: column for payload in payloads for name, column in payload.items()}
    return [
        name
        for name, column in columns.items()
        if (column.role == TARGET or name in judged) and not _is_confidence(name, column)
    ]


def _is_confidence(name: str, column: Column) -> bool:
    return CONFIDENCE in (name, column.role)


def _column(label: str) -> str:
    """What the ledger calls a column of labels."""
    return f"label_{label}" if label in _FIRST else label


def _or_null(name: str, frame: pl.DataFrame) -> pl.Expr:
    import polars as pl

    return pl.col(name) if name in frame.columns else pl.lit(None)


def _part(added: Ledger, truth: Frame | None, words: Vocabularies) -> pl.DataFrame:
    import polars as pl

    human = added.origin == HUMAN
    origin = np.select([human, added.origin == PREPARED], ["human", "prepared"], "model")
    frame = pl.DataFrame({
        "id": added.ids,
        "since": added.since,
        "origin": origin.tolist(),
        "model": pl.Series(added.origin, dtype=pl.Int32),
    }).with_columns(model=pl.when(pl.col("model") >= 0).then("model"))  # fmt: skip
    labels = table_frame(added.payload, words)
    frame = pl.concat(
        [frame, labels.select(pl.col(name).alias(_column(name)) for name in labels.columns)], how="horizontal"
    )
    if truth is not None and len(truth) == int((~human).sum()):
        rows = pl.DataFrame({"row": pl.Series(np.flatnonzero(~human), dtype=pl.UInt32)})
        beside = pl.concat([rows, _truth(truth, labels.columns, words)], how="horizontal")
        frame = frame.with_row_index("row").join(beside, on="row", how="left", maintain_order="left").drop("row")
    for name, values in ((WEIGHT, added.weight), ("propensity", added.propensity)):
        if values is not None:
            frame = frame.with_columns(pl.Series(name, values).fill_nan(None))
    keys = {f"input_{name}": pl.Series(column.values) for name, column in added.inputs.columns.items()}
    return frame.with_columns(**keys)


def _truth(truth: Frame, labels: Sequence[str], words: Vocabularies) -> pl.DataFrame:
    """What humans say of rows that models labelled, and how wrong the label is; null where nobody knows."""
    import polars as pl

    said = table_frame(truth, words)
    sure = [name for name, column in truth.columns.items() if _is_confidence(name, column)]
    told = [name for name in said.columns if name in labels and name not in sure]
    known = pl.col(KNOWN).cast(pl.Boolean) if KNOWN in said.columns else pl.lit(value=True)
    errors = [pl.col(ERROR).cast(pl.Float64).fill_nan(None)] if ERROR in said.columns else []
    return said.select(*(pl.when(known).then(name).alias(f"{_OF_TRUTH}{name}") for name in told), *errors)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
