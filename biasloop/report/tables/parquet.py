"""Stored runs as Parquet files: metrics and settings of all, and of each its ledger and its per-sample tables.

Columns and their types are documented in `docs/export.md`; they do not depend on which runs are exported together.
"""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.config.flatten import flatten
from biasloop.contract import names as stored_names
from biasloop.contract.data import Evaluation, Metric, Tables, Vocabularies, joined
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.records.ledger import HUMAN, PREPARED, Ledger
from biasloop.report.arms import arms, begun
from biasloop.report.tables.exporting import Written, is_file, measured
from biasloop.store.files import write_output
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run

if TYPE_CHECKING:
    import polars as pl

    from biasloop.contract.data import Floats

    Schema = dict[str, type[pl.DataType]]

METRICS, RUNS = "metrics.parquet", "runs.parquet"
LEDGER, SAMPLES = "ledger", "samples"  # folders, with a file a run


def export_parquet(runs: Sequence[Run], output: Path, *, number: int | None = None, force: bool) -> list[Written]:
    """Write everything that runs hold a row of.

    Args:
        runs: at least one of them with a finished round.
        output: a directory, made if need be.
        number: the round whose per-sample tables are written; None for all rounds.
        force: whether files that are there already are replaced.

    Raises:
        InvalidInput: no run has a finished round, none has that round, or something is there already.
    """
    if is_file(output) or output.suffix.lower() == ".parquet":
        raise InvalidInput(f"--output {output} names one file, and this format has several; name a directory")
    there = next((output / name for name in (METRICS, RUNS, LEDGER, SAMPLES) if (output / name).exists()), None)
    if there is not None and not force:
        raise InvalidInput(f"{there} is there already; give --force to replace it, or another --output")
    finished = labelled(begun(runs))
    if number is not None and not any(number in each.run.rounds for each in finished):
        raise InvalidInput(f"none of these runs has a round {number}; leave out --round for all")
    written = [_written(metrics_frame(finished), output / METRICS), _written(runs_frame(finished), output / RUNS)]
    for each, name in zip(finished, file_names([each.run.directory for each in finished]), strict=True):
        ledger = ledger_frame(each)
        if ledger is not None:
            written.append(_written(ledger, output / LEDGER / f"{name}.parquet"))
        for table, frame in samples_frames(each, number).items():
            written.append(_written(frame, output / SAMPLES / table / f"{name}.parquet"))
    return written


def of_other_exports(output: Path, written: Sequence[Written]) -> list[Path]:
    """Parquet files beside those that were written, of an earlier export: who reads a folder reads them, too."""
    paths = {file.path for file in written}
    files = [path for name in (LEDGER, SAMPLES) for path in sorted((output / name).rglob("*.parquet"))]
    return [path for path in files if path not in paths]


def file_names(directories: Sequence[Path]) -> list[str]:
    """What files of runs are called, each once: the directory below what all have in common, `ARM_seed-0`."""
    absolute = [Path(os.path.abspath(directory)) for directory in directories]  # noqa: PTH100 - a link stays one
    common = os.path.commonpath([directory.parent for directory in absolute])
    taken: dict[str, None] = {}
    for directory in absolute:
        name = "_".join(directory.relative_to(common).parts)
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        taken[name if name not in taken else next(other for other in numbered if other not in taken)] = None
    return list(taken)


@dataclass(frozen=True)
class Labelled:
    """A run, and what tables and legends call its arm among those of its preset; empty where all are alike."""

    run: Run
    arm: str

    def about(self) -> dict[str, str | int]:
        """The columns that every table begins with."""
        preset, seed = str(self.run.manifest.about.get("name", "")), int(self.run.identity["seed"])
        return {"run": str(self.run.directory), "preset": preset, "arm": self.arm, "seed": seed}


def labelled(runs: Sequence[Run]) -> list[Labelled]:
    """Runs with what tells the arms of each preset apart."""
    presets: dict[str, list[Run]] = {}
    for run in runs:
        presets.setdefault(str(run.manifest.about.get("name", "")), []).append(run)
    labels = {
        measured.run.directory: arm.label for alike in presets.values() for arm in arms(alike) for measured in arm.runs
    }
    return [Labelled(run, labels[run.directory]) for run in runs]


def metrics_frame(runs: Sequence[Labelled]) -> pl.DataFrame:
    """A row a metric: run, preset, arm, seed, round, metric, value, n, se."""
    import polars as pl

    schema: Schema = {**_about_schema(), "round": pl.Int64, "metric": pl.String, "value": pl.Float64, "n": pl.Int64,
              "se": pl.Float64}  # fmt: skip
    rows = [(*each.about().values(), *_cells(metric)) for each in runs for metric in measured(each.run)]
    return pl.DataFrame(rows, schema, orient="row")


def runs_frame(runs: Sequence[Labelled]) -> pl.DataFrame:
    """A row a run: run, preset, arm, seed, domain, rule, rounds, settings (JSON by flat key)."""
    import polars as pl

    schema: Schema = {
        **_about_schema(),
        "domain": pl.String,
        "rule": pl.String,
        "rounds": pl.Int64,
        "settings": pl.String,
    }
    rows = []
    for each in runs:
        settings = {key: value for key, value in flatten(each.run.identity).items() if key != "seed"}
        told = json.dumps(settings, sort_keys=True, ensure_ascii=False)
        named = (str(settings["domain.name"]), str(settings["loop.rule"]))
        rows.append((*each.about().values(), *named, len(each.run.rounds), told))
    return pl.DataFrame(rows, schema, orient="row")


def ledger_frame(labelled: Labelled) -> pl.DataFrame | None:
    """A row a sample of the training set, in the order they came in; None where a run has no ledger.

    Columns: run, preset, arm, seed, id, round (the first that trained on it), labelled_by ("human", "model",
    "prepared"), model_round (whose model, else null), weight, propensity (null where nobody knows), `input.NAME`
    (keys of inputs that models made, -1 for the sample's own), `label.NAME` (labels of one value, by name where they
    have one).
    """
    import polars as pl

    run = labelled.run
    words = run.read(SETUP).vocabularies()
    added = (run.read(step).added for step in run.manifest.steps())
    parts = [_ledger_part(part, words) for part in added if part is not None and len(part)]
    return pl.concat([_beside(labelled, part) for part in parts], how="diagonal") if parts else None


def _ledger_part(ledger: Ledger, words: Vocabularies) -> pl.DataFrame:
    import polars as pl

    from biasloop.predictions.stored import shown

    def numbers(values: Floats | None, otherwise: float | None) -> pl.Series:
        if values is None:
            return pl.Series([otherwise] * len(ledger), dtype=pl.Float64)
        return pl.Series(values, dtype=pl.Float64).fill_nan(None)

    origin = pl.Series(np.ascontiguousarray(ledger.origin), dtype=pl.Int64)
    by = pl.when(origin == HUMAN).then(pl.lit("human")).when(origin == PREPARED).then(pl.lit("prepared"))
    frame = pl.DataFrame({
        "id": pl.Series(np.ascontiguousarray(ledger.ids), dtype=pl.Int64),
        "round": pl.Series(np.ascontiguousarray(ledger.since), dtype=pl.Int64),
        "labelled_by": pl.select(by.otherwise(pl.lit("model"))).to_series(),
        "model_round": pl.select(pl.when(origin >= 0).then(origin)).to_series(),
        stored_names.WEIGHT: numbers(ledger.weight, 1.0), "propensity": numbers(ledger.propensity, None),
    })  # fmt: skip
    inputs = {f"input.{name}": pl.Series(column.values) for name, column in ledger.inputs.columns.items()}
    labels = shown(ledger.payload, words)
    return frame.with_columns(**inputs, **{f"label.{name}": labels[name] for name in labels.columns})


def samples_frames(labelled: Labelled, number: int | None = None) -> dict[str, pl.DataFrame]:
    """By table: a row a sample and round, with run, preset, arm, seed, round and the columns that `evaluate run` reads.

    Args:
        labelled: the run.
        number: of the only round; None for all, -1 (the untouched model) among them.
    """
    import polars as pl

    from biasloop.predictions.stored import shown

    run = labelled.run
    setup = run.read(SETUP)
    words = setup.vocabularies()
    parts: dict[str, list[pl.DataFrame]] = {}
    for step, tables in _tables(run, setup.evaluations.get(stored_names.PRETRAINED), number):
        references = setup.evaluations[stored_names.MAIN].tables if stored_names.MAIN in setup.evaluations else {}
        for name in tables:
            frame = shown(joined(references, {name: tables[name]})[name], words)
            if not frame.columns:  # pictures alone
                continue
            numbered = frame.select(pl.lit(step, dtype=pl.Int64).alias("round"), pl.all().exclude("round"))
            parts.setdefault(name, []).append(_beside(labelled, numbered))
    return {name: pl.concat(frames, how="diagonal_relaxed") for name, frames in parts.items()}


def _tables(run: Run, untouched: Evaluation | None, number: int | None) -> Iterator[tuple[int, Tables]]:
    """The tables of each round, or of one."""
    if untouched is not None and number in (None, -1):
        yield -1, untouched.tables
    for each in run.rounds:
        if number in (None, each):
            evaluation = run.read(round_name(each)).evaluations.get(stored_names.MAIN)
            if evaluation is not None:
                yield each, evaluation.tables


def _about_schema() -> Schema:
    import polars as pl

    return {"run": pl.String, "preset": pl.String, "arm": pl.String, "seed": pl.Int64}


def _beside(labelled: Labelled, frame: pl.DataFrame) -> pl.DataFrame:
    """A frame with the columns of its run before its own."""
    import polars as pl

    columns = _about_schema()
    told = [pl.lit(value, dtype=columns[name]).alias(name) for name, value in labelled.about().items()]
    return frame.select(*told, pl.all().exclude(columns.keys()))


def _cells(each: tuple[int, str, Metric]) -> tuple[int, str, float | None, int, float | None]:
    number, name, metric = each
    value = None if np.isnan(metric.value) else float(metric.value)
    return number, name, value, int(metric.n), None if np.isnan(metric.error) else float(metric.error)


def _written(frame: pl.DataFrame, path: Path) -> Written:
    file = io.BytesIO()
    frame.write_parquet(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, file.getvalue())
    return Written(path, len(frame))
