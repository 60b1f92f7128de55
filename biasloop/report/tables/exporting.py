"""Stored runs as CSV files: one tidy table of metrics, or the files of a published study's own code."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biasloop.config.flatten import flatten
from biasloop.contract.data import Metric
from biasloop.contract.domains import Domain
from biasloop.contract.published import Exporting
from biasloop.errors import InvalidInput, Mismatch, near
from biasloop.report.arms import begun
from biasloop.running.engine import Options, build_domain
from biasloop.store.files import write_output
from biasloop.store.manifest import SETUP, round_name
from biasloop.store.reader import Run

METRICS = "metrics.csv"
TIDY, TABLES, MODEL, RELEASED = FORMATS = "csv", "parquet", "hf", "released"  # that are no layout's name
LAYOUTS = ("bias-amp", "ffl")
"""Of the domains that come along; other ones may have more."""


@dataclass(frozen=True)
class Written:
    """A file.

    Attributes:
        path: where it lies.
        rows: without its header.
    """

    path: Path
    rows: int


def export_metrics(runs: Sequence[Run], output: Path, *, force: bool) -> list[Written]:
    """Every metric of every round of all runs in one table, a row each.

    Columns: run, the preset's arm and each setting as far as the runs differ in them, seed, round (-1 is the untouched
    model), metric, value, n, se; empty where a number is missing.

    Args:
        runs: at least one of them with a finished round.
        output: the directory of the file `METRICS`, made if need be; or a file, whose name ends in .csv.
        force: whether a file that is there already is replaced.

    Raises:
        InvalidInput: no run has a finished round, or the file is there already.
    """
    finished = begun(runs)
    settings = [{"arm": run.manifest.about.get("arm")} | _settings(run) for run in finished]
    varied = differing(settings)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", *varied, "seed", "round", "metric", "value", "n", "se"])
    count = 0
    for run, chosen in zip(finished, settings, strict=True):
        start = [str(run.directory), *(_cell(chosen.get(key)) for key in varied), run.identity["seed"]]
        for number, name, metric in measured(run):
            writer.writerow([*start, number, name, _cell(metric.value), metric.n, _cell(metric.error)])
            count += 1
    folder, name = (output.parent, output.name) if is_file(output) else (output, METRICS)
    return _write({name: (text.getvalue(), count)}, folder, force=force)


def measured(run: Run) -> Iterator[tuple[int, str, Metric]]:
    """Round, name and value of every metric of a run, round by round; -1 is the untouched model."""
    by_round = [(-1, run.pretrained()), *((number, metrics) for number, metrics, _, _ in run.summaries())]
    for number, metrics in by_round:
        for name, metric in metrics.items():
            yield number, name, metric


def export_released(
    runs: Sequence[Run], output: Path, options: Options, *, layout: str = RELEASED, force: bool
) -> list[Written]:
    """The files of the code that was published with a study, of every run.

    Args:
        runs: whose domain knows such files.
        layout: the name of the files' layout; `RELEASED` for whichever the domain has.
        output: the directory of results; made if need be.
        options: where data lie.
        force: whether files that are there already are replaced.

    Raises:
        Mismatch: a run's domain knows no such files, or other ones.
        InvalidInput: there is no such layout, it cannot hold a run, two runs are the same, or a file is there already.
    """
    if is_file(output):
        raise InvalidInput(f"--output {output} names one file, and this format has several; name a directory")
    files: dict[str, list[Sequence[object]]] = {}
    for run, name in zip(runs, names(runs), strict=True):
        identity = run.identity
        domain = build_domain(identity["domain"], int(identity["seed"]), options)
        known = _exporting(domain, layout, run)
        later = (run.read(round_name(number)) for number in run.rounds)
        try:
            tables = known.export(name, run.read(SETUP), later)
        except InvalidInput as error:
            raise InvalidInput(f"{run.directory}: {error}") from error
        for path, rows in tables.items():
            if path in files and files[path][0] != rows[0]:
                raise InvalidInput(
                    f"{run.directory} and runs before it have other columns in {path}; export them to another --output"
                )
            files.setdefault(path, [rows[0]]).extend(rows[1:])
    return _write({path: (_csv(rows), len(rows) - 1) for path, rows in files.items()}, output, force=force)


def is_file(output: Path) -> bool:
    """Whether a file is meant rather than a directory."""
    return output.suffix.lower() == ".csv" and not output.is_dir()


def _exporting(domain: Domain, layout: str, run: Run) -> Exporting:
    """The domain, which can write files in that layout."""
    known = [domain.layout()] if isinstance(domain, Exporting) else []
    if isinstance(domain, Exporting) and layout in (*known, RELEASED):
        return domain
    if layout not in (*LAYOUTS, RELEASED):
        formats = dict.fromkeys((*FORMATS, *known, *LAYOUTS))
        raise InvalidInput(
            f"--format {layout}: there is no such format; expected {', '.join(formats)}{near(layout, formats)}"
        )
    why = f"no files in the layout {layout!r}" if known else "no files that a study's code has published"
    choices = " or ".join([*known, TIDY])
    raise Mismatch(f"{run.directory}: the domain {run.identity['domain']['name']!r} has {why}; use --format {choices}")


def names(runs: Sequence[Run]) -> list[str]:
    """What each run is called in a layout that knows a name and a seed: NAME_SEED.

    The name is the preset's; where runs of one preset differ, the settings in which they do come behind it.

    Raises:
        InvalidInput: two runs have the same settings and seed.
    """
    from biasloop.running.study import describe

    named = [Path(str(run.manifest.about.get("name") or run.directory.name)).name for run in runs]
    presets = [name.removesuffix(".toml") for name in named]  # a preset can be given by its path
    settings = [_settings(run) for run in runs]
    by_name: dict[str, Run] = {}
    for run, preset, chosen in zip(runs, presets, settings, strict=True):
        varied = differing([other for other, name in zip(settings, presets, strict=True) if name == preset])
        changes = {key: chosen[key] for key in varied if key in chosen}
        name = f"{preset}-{describe(changes)}" if changes else preset
        stem = f"{name}_{run.identity['seed']}"
        if stem in by_name:
            raise InvalidInput(
                f"{by_name[stem].directory} and {run.directory} have the same settings and seed; export one of them"
            )
        by_name[stem] = run
    return list(by_name)


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Flat keys whose values are not the same throughout, in the order of their first appearance."""
    keys = dict.fromkeys(key for chosen in settings for key in chosen)
    return [key for key in keys if len({json.dumps(chosen.get(key), sort_keys=True) for chosen in settings}) > 1]


def _settings(run: Run) -> dict[str, Any]:
    return flatten({key: value for key, value in run.identity.items() if key != "seed"})


def _cell(value: Any) -> Any:
    """As it stands in a tidy table: numbers in full, nothing for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value


def _csv(rows: Iterable[Sequence[object]]) -> str:
    """Comma between, quotes where they are needed, everything as Python prints it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([str(value) for value in row] for row in rows)
    return text.getvalue()


def _write(files: Mapping[str, tuple[str, int]], output: Path, *, force: bool) -> list[Written]:
    """Write all files, or none if one is there already."""
    targets = {output / name: content for name, content in files.items()}
    there = next((path for path in targets if path.exists()), None)
    if there is not None and not force:
        raise InvalidInput(f"{there} is there already; give --force to replace it, or another --output")
    for path, (text, _) in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, text.encode())
    return [Written(path, count) for path, (_, count) in targets.items()]
