"""What a report says, gathered from stored runs: the page and `--json` are made from it alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from biasloop import __version__
from biasloop.config.flatten import flatten
from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm, arms
from biasloop.report.comparison import LABEL_ERROR
from biasloop.report.figures import of_runs
from biasloop.report.html import drawing, made_with, repeating
from biasloop.report.html.bounded import Bounded, bounded
from biasloop.report.html.cautions import Caution, cautions
from biasloop.report.html.differences import Compared, compared
from biasloop.report.html.downloads import Download, downloads
from biasloop.report.html.drawing import Drawing, Numbering
from biasloop.report.html.made_with import RunLine, Segment
from biasloop.report.html.pictures import Room
from biasloop.report.html.populations import Population, populations
from biasloop.report.html.provenance import Provenance, provenance
from biasloop.report.html.repeating import Repeat
from biasloop.report.html.results import Results, results
from biasloop.report.html.samples import SampleSet, sample_sets
from biasloop.report.html.stored import ReadOnce, collect
from biasloop.report.tables import summary
from biasloop.running.engine import Options
from biasloop.running.study import RUNS
from biasloop.store.finding import find_runs


@dataclass(frozen=True)
class Study:
    """Runs of one preset.

    Attributes:
        name: the preset's.
        domain: whose plugin ran it.
        rule: the feedback rule.
        summary: what the preset says that it is.
        source: what it reproduces.
        compat: "released" where defects of the published code are on, else "fixed".
        settings: what all runs have, by flat key; what they differ in is an arm's, or the seed.
        repeat: how to make the runs again.
        segments: what they were made with.
        runs: all of them, also without a finished round.
        cautions: what to know first.
        drawings: what `biasloop plot` draws, and quality.
        results: None without a finished round.
        compared: None where there is one arm.
        bounded: by arm, where the preset has a bound.
        provenance: by arm, where training sets have a ledger.
        populations: by arm, where generators make samples.
        samples: of the first and the last round.
        downloads: data as CSV files.
    """

    name: str
    domain: str
    rule: str
    summary: str
    source: str
    compat: str
    settings: Mapping[str, Any]
    repeat: Repeat
    segments: Sequence[Segment]
    runs: Sequence[RunLine]
    cautions: Sequence[Caution] = ()
    drawings: Sequence[Drawing] = ()
    results: Results | None = None
    compared: Compared | None = None
    bounded: Sequence[Bounded] = ()
    provenance: Sequence[Provenance] = ()
    populations: Sequence[Population] = ()
    samples: Sequence[SampleSet] = ()
    downloads: Sequence[Download] = ()


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        title: of the page.
        version: of biasloop that made it.
        studies: in the order given.
        figure: a published figure that was asked for; None for studies.
        missing: commands that make the runs which that figure lacks.
        unread: runs that could not be read: path -> why.
    """

    title: str
    version: str
    studies: Sequence[Study]
    figure: Drawing | None = None
    missing: Sequence[str] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    """What of a report is for a person to choose.

    Attributes:
        options: where data lie that samples are shown of.
        samples: of a set at most; 0 for none.
        numbering: of the page's figures.
        room: of the page, for samples.
    """

    options: Options
    samples: int = 8
    numbering: Numbering = field(default_factory=Numbering)
    room: Room = field(default_factory=Room)


def gather(places: Sequence[Path], asked: Asked, title: str = "") -> Report:
    """The report of all runs at or below directories; runs of one preset are one study.

    Args:
        places: directories of runs, or with runs below them.
        asked: what else there is to say.
        title: of the page; empty for the names of the studies.

    Raises:
        InvalidInput: a directory has no run.
        StoreError: no run can be read.
    """
    read = collect(places)
    studies = [_study(runs, asked) for runs in _by_study(read.runs)]
    named = title or ", ".join(dict.fromkeys(study.name for study in studies))
    return Report(named, __version__, studies, unread=read.unread)


def gather_figure(name: str, layout: Path, places: Sequence[Path], asked: Asked, title: str = "") -> Report:
    """The report of the runs that a published figure shows, the figure first.

    Args:
        name: of the figure.
        layout: its file.
        places: runs of a figure that names no presets; none of one that does, whose runs are looked for.
        asked: what else there is to say.
        title: of the page; empty for the figure's name.

    Raises:
        InvalidInput: no run is there, or the figure shows other presets than are given.
        StoreError: no run can be read.
    """
    figure = of_runs.single(layout, places) if places else of_runs.published(name, layout)
    if not (places or figure.layout.rows or figure.layout.presets):
        raise InvalidInput(f"{name} shows runs that you name, and none is given; type: biasloop report {name} RUN...")
    if not figure.rows:
        commands = "\n".join(f"  {command}" for command in figure.missing)
        raise InvalidInput(f"no run of {name} was found in {RUNS}/; type:\n{commands}")
    drawn = drawing.published(figure, name, asked.numbering)
    named = dict.fromkeys([*itertools.chain(*figure.layout.rows), *figure.layout.presets])
    there = list(places) or [RUNS / preset for preset in named if (RUNS / preset).is_dir() and find_runs(RUNS / preset)]
    report = gather(there, asked, title or name)
    return replace(report, figure=drawn, missing=figure.missing)


def _by_study(runs: Sequence[ReadOnce]) -> list[list[ReadOnce]]:
    studies: dict[tuple[str, str], list[ReadOnce]] = {}
    for run in runs:
        key = str(run.manifest.about.get("name", run.directory.name)), str(run.identity["domain"]["name"])
        studies.setdefault(key, []).append(run)
    return [*studies.values()]


def _study(runs: Sequence[ReadOnce], asked: Asked) -> Study:
    begun = [run for run in runs if run.rounds]
    grouped = arms(begun) if begun else []
    told = runs[0].manifest.about
    labels = {str(run.run.directory): arm.label for arm in grouped for run in arm.runs}
    identity, lines = runs[0].identity, made_with.run_lines(runs, labels)
    bounds = bounded(grouped)
    return Study(
        name=str(told.get("name", runs[0].directory.name)),
        domain=str(identity["domain"]["name"]),
        rule=str(identity["loop"].get("rule", "")),
        summary=str(told.get("summary", "")),
        source=of_runs.source_of(runs[0]),
        compat=str(identity.get("compat", "fixed")),
        settings=_shared(runs),
        repeat=repeating.repeat(runs, grouped),
        segments=made_with.segments(runs),
        runs=lines,
        cautions=cautions(runs, grouped, lines, bounds),
        bounded=bounds,
        **(_measured(runs, grouped, bounds, asked) if grouped else {}),
    )


def _measured(
    runs: Sequence[ReadOnce], grouped: Sequence[Arm], bounds: Sequence[Bounded], asked: Asked
) -> dict[str, Any]:
    """What rounds say."""
    begun = [run for run in runs if run.rounds]
    quality = [summary.quality_of(grouped), LABEL_ERROR]
    tables, beside, origins = results(begun, grouped), compared(runs, grouped), provenance(grouped)
    return {
        "drawings": drawing.drawings(begun, grouped, quality, asked.numbering),
        "results": tables,
        "compared": beside,
        "provenance": origins,
        "populations": populations(grouped),
        "samples": sample_sets(grouped, asked.samples, asked.options, asked.room) if asked.samples else [],
        "downloads": downloads(begun, tables, beside, bounds, origins),
    }


def _shared(runs: Sequence[ReadOnce]) -> dict[str, Any]:
    """Settings that all runs have alike, apart from the seed."""
    every = [flatten(run.identity) for run in runs]
    first = every[0]
    return {key: value for key, value in first.items() if key != "seed" and all(o.get(key) == value for o in every)}
