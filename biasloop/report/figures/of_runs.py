"""Stored runs as panels: arms as series, each with its bound; published figures from their layout files."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from biasloop.config import presets
from biasloop.config.experiment import BoundSection
from biasloop.errors import InvalidInput, near
from biasloop.metrics.shares import are_differences, are_shares
from biasloop.report import labels as labels_of_metrics
from biasloop.report.arms import NAN, Arm, Measured, arms, begun, open_runs
from biasloop.report.bounds import bound_over_rounds
from biasloop.report.figures import layouts, metric_by_setting
from biasloop.report.figures.layouts import Layout
from biasloop.report.figures.lines import is_line
from biasloop.report.figures.panels import Band, Panel, Series
from biasloop.report.figures.side_by_side import panel_rows
from biasloop.report.figures.undrawn import Undrawn
from biasloop.report.unnamed import drawable
from biasloop.running.study import RUNS
from biasloop.store.finding import find_runs
from biasloop.store.reader import Run


def bound_series(arm: Arm, section: BoundSection | None = None) -> Series:
    """A metric over rounds, its bound and baseline; delta is the mean of round 0 minus the baseline.

    Args:
        arm: the runs.
        section: which metric; None for the one that the preset names.
    """
    section = section or arm.runs[0].needs_bound()
    values = arm.stacked([run.values(section.metric) for run in arm.runs])
    measured = arm.stacked([run.values(section.baseline) for run in arm.runs])  # (runs, rounds)
    baseline = float(np.nanmean(measured)) if np.isfinite(measured).any() else NAN  # of a few people nothing is told
    lag = section.lag
    first = float(np.mean((values - measured)[:, lag])) if arm.rounds > lag else NAN
    delta = first if lag else float(values[:, 0].mean()) - baseline
    curve = bound_over_rounds(arm.runs[0].loop_bound, delta, arm.rounds - 1, lag)
    series = Series(arm.label, values, bound=baseline + curve, baseline=baseline, replicates=arm.replicates)
    return _limited(series, arm, section.metric)


def metric_series(arm: Arm, metric: str) -> Series:
    """Any metric over rounds, without bound.

    Raises:
        InvalidInput: no round of a run has it.
    """
    for run in arm.runs:
        if not any(metric in row for row in run.metrics):
            known = list(dict.fromkeys(name for row in run.metrics for name in row))
            raise Undrawn(f"{run.run.directory} has no metric {metric!r}", known, near(metric, known))
    values = arm.stacked([run.values(metric) for run in arm.runs])
    return _limited(Series(arm.label, values, replicates=arm.replicates), arm, metric)


def _limited(series: Series, arm: Arm, metric: str) -> Series:
    """The series, with what its metric cannot leave."""
    measured = [row[metric] for run in arm.runs for row in run.metrics if metric in row]
    share, bound = are_shares(metric, measured), series.bound
    if share and bound is not None:
        bound = np.clip(bound, 0, 1)
    return replace(series, bound=bound, share=share, difference=are_differences(metric, measured))


def panel(title: str, grouped: Sequence[Arm], metric: str | None, baseline: str | None = None) -> Panel:
    """One panel with a series an arm; without a metric, what the preset's [plot] or [bound] names.

    With a `baseline` the bound is drawn of a metric that the preset's [bound] does not name, too.
    """
    series = []
    for arm in grouped:
        about = arm.runs[0].run.manifest.about
        wanted = metric or next(iter(about.get("plot", {}).get("series", [])), None)
        section = arm.runs[0].bound_section
        if section is not None and wanted in (None, section.metric):
            series.append(bound_series(arm))
        elif metric and baseline and section is not None and arm.runs[0].has(metric, baseline):
            series.append(bound_series(arm, BoundSection(metric=metric, baseline=baseline)))
        elif wanted is None:
            raise Undrawn(f"{arm.runs[0].run.directory}: its preset names no metric to draw", drawable(arm.runs))
        else:
            series.append(metric_series(arm, wanted))
    return Panel(title, series)


OF_LABELS = (
    "The bound speaks of labels that models give samples of the reserve, where its calibration error is measured; of "
    "test samples it says nothing"
)
"""The caption's sentence on such a bound."""


@dataclass(frozen=True)
class Drawn:
    """What runs show by round.

    Attributes:
        panels: one a metric.
        label: the y label, where it is one for all.
        left_out: what no round has a value of: metrics of the preset, and of those that are drawn, arms.
        note: what the caption says of the bound.
    """

    panels: list[Panel]
    label: str
    left_out: list[str]
    note: str = ""


def by_round(grouped: Sequence[Arm], metric: str | None, unless_named: Sequence[str] = ()) -> Drawn:
    """A panel for each metric that the preset's [plot] names, or for one; each with the arms that have a value of it.

    Args:
        grouped: the arms.
        metric: the one; None for what the preset names.
        unless_named: what is drawn where that is nothing.

    Raises:
        InvalidInput: no round has a value of any.
    """
    first = grouped[0].runs[0]
    series, section = list(first.run.manifest.about.get("plot", {}).get("series", [])), first.bound_section
    names = [metric] if metric else series or ([section.metric] if section else list(unless_named))
    if not names:
        panel("", grouped, None)  # which says what is lacking
    if len(names) == 1 and not any(run.has(names[0]) for arm in grouped for run in arm.runs):
        panel("", grouped, names[0])  # likewise
    measured = {name: [arm for arm in grouped if _has_values(arm, name)] for name in names}
    shown = [name for name in names if measured[name]]
    left_out = [name for name in names if not measured[name]]
    left_out += [f"{name} of {arm.label}" for name in shown for arm in grouped if arm not in measured[name]]
    if not shown:
        raise _without_value(grouped, names)
    panels = [panel("", measured[name], name) for name in shown]
    bounds = [series.bound for name, each in zip(shown, panels, strict=True) for series in each.series
              if section is not None and name == section.metric]  # fmt: skip
    seen = any(bound is not None and is_line(bound) for bound in bounds)
    note = OF_LABELS if section is not None and section.of_labels and seen else ""
    if len(shown) == 1:
        return Drawn(panels, axis_label(first.run, shown[0]), left_out, note)
    labelled = [replace(each, y_label=axis_label(first.run, name)) for each, name in zip(panels, shown, strict=True)]
    return Drawn(labelled, "", left_out, note)


def is_drawn(runs: Sequence[Run]) -> bool:
    """Whether runs with a finished round have what their preset draws, so that no metric needs to be named."""
    try:
        drawn = against_setting(runs, None, None, []) or by_round(arms(runs), None)
    except InvalidInput:
        return False
    return bool(drawn.panels)


def _without_value(grouped: Sequence[Arm], names: Sequence[str]) -> Undrawn:
    """That no round has a value of metrics, and what there is instead."""
    rows = [row for arm in grouped for run in arm.runs for row in run.metrics]
    null = ", which is null throughout" if any(name in row for row in rows for name in names) else ""
    known = dict.fromkeys(name for row in rows for name, metric in row.items() if np.isfinite(metric.value))
    directory = grouped[0].runs[0].run.directory
    return Undrawn(f"{directory}: no round has a value of {' or '.join(names)}{null}", known)


def _has_values(arm: Arm, name: str) -> bool:
    return all(run.has(name) for run in arm.runs) and any(np.isfinite(run.values(name)).any() for run in arm.runs)


def axis_label(run: Run, metric: str | None) -> str:
    """What the preset calls the metric."""
    about = run.manifest.about
    name = (
        metric or next(iter(about.get("plot", {}).get("series", [])), None) or about.get("bound", {}).get("metric", "")
    )
    labels = about.get("plot", {}).get("labels", {})
    return labels_of_metrics.axis(name, labels)


@dataclass(frozen=True)
class Against:
    """Panels of metrics against a setting, and what that is called."""

    panels: list[Panel]
    x_label: str


def against_setting(
    runs: Sequence[Run], metric: str | None, x: str | None, pool: Sequence[str], unless_named: Sequence[str] = ()
) -> Against | None:
    """Metrics of the preset (or one, or those for a preset that names none) against a setting; None without a setting.

    Raises:
        InvalidInput: there is no such setting or metric, or no metric is named.
    """
    about = runs[0].manifest.about
    section = about.get("plot", {})
    chosen = x or (None if metric and metric not in section.get("series", []) else section.get("x"))
    if chosen is None:
        return None
    bounded = about.get("bound", {}).get("metric")
    names = [metric] if metric else list(section.get("series", [])) or ([bounded] if bounded else list(unless_named))
    if not names:
        known = drawable([Measured.read(run) for run in runs])
        raise Undrawn(f"{runs[0].directory}: its preset names no metric to draw", known)
    responses = metric_by_setting.responses(runs, chosen, pool or section.get("pool", []))
    if metric is None:  # snapshots of epochs do not have all that rounds have
        names = [name for name in names if metric_by_setting.is_measured(responses, name)] or names
    drawn = metric_by_setting.panels(responses, {name: axis_label(runs[0], name) for name in names})
    return Against(drawn, str(section.get("labels", {}).get(chosen) or chosen.rsplit(".", 1)[-1].replace("_", " ")))


@dataclass(frozen=True)
class Figure:
    """Panels that could be drawn, and what is missing.

    Attributes:
        layout: what it says of labels, source and certainty.
        rows: panels.
        missing: commands for the runs that are not there.
        left_out: titles of panels that no run has anything for.
        band: over seeds, as `biasloop.report.figures.draw` takes it.
    """

    layout: Layout
    rows: list[list[Panel]]
    missing: list[str]
    left_out: list[str] = field(default_factory=list)
    band: Band = "std"


def find_layout(name: str) -> Path | None:
    """The layout file of a published figure, on the presets' search path; figN-mini has that of figN."""
    names = dict.fromkeys((name, name.removesuffix(presets.MINI)))
    places = (folder / "figures" / f"{stem}.toml" for stem in names for folder in presets.search_path())
    return next((path for path in places if path.is_file()), None)


def published(name: str, path: Path, runs: Path = RUNS) -> Figure:
    """A published figure from the runs found below a directory; figN-mini from those of its presets' minis.

    Raises:
        InvalidInput: the layout file is not valid.
    """
    layout = layouts.read(path)
    if name != path.stem:
        layout = layout.minis()
    if layout.rows:
        return _of_rows(layout, path, runs)
    if not layout.presets:
        return Figure(layout, [], [f"biasloop plot {path.stem} RUN..."])
    every: list[Arm] = []
    missing = []
    for preset, label in zip(layout.presets, layout.labels, strict=True):
        shown = arms(_begun(runs / preset))
        if not shown:
            missing.append(_command(preset, path))
        every += [replace(arm, label=", ".join(part for part in (label, arm.label) if part)) for arm in shown]
    rows, left_out = panel_rows(layout, every) if every else ([], [])
    return Figure(layout, rows, missing, left_out)


def single(path: Path, places: Sequence[Path]) -> Figure:
    """A figure of metrics from runs that a person names.

    Args:
        path: the layout file, which has `panels` and no `presets`.
        places: runs, or directories with runs below them.

    Raises:
        InvalidInput: the layout is not valid or names presets of its own; there is no run, or no finished round.
    """
    layout = layouts.read(path)
    if layout.rows or layout.presets:
        raise InvalidInput(
            f"{path.stem} shows presets that it names itself; type: biasloop plot {path.stem}, without {places[0]}"
        )
    runs = begun(open_runs(places))
    rows, left_out = panel_rows(layout, arms(runs))
    sources = dict.fromkeys(source_of(run) for run in runs)
    source = ". ".join(part for part in (*sources, layout.source) if part)
    return Figure(layout.model_copy(update={"source": source}), rows, [], left_out)


def source_of(run: Run) -> str:
    """What a run's preset reproduces, as a caption says it."""
    about = run.manifest.about
    source = str(about.get("source", ""))
    return layouts.scaled_down(source) if str(about.get("name", "")).endswith(presets.MINI) else source


def _of_rows(layout: Layout, path: Path, runs: Path) -> Figure:
    missing, rows, y_labels, left_out = [], [], [], []
    for i, names in enumerate(layout.rows):
        row = []
        metric = layout.metrics[i] if layout.metrics else layout.metric
        for j, preset in enumerate(names):
            begun_runs = _begun(runs / preset)
            if not begun_runs:
                missing.append(_command(preset, path))
                continue
            title = layout.titles[i][j] if layout.titles else preset
            grouped = arms(begun_runs)
            if layout.metrics and not all(run.has(layout.metrics[i]) for arm in grouped for run in arm.runs):
                left_out.append(f"{title or preset}: {layout.metrics[i]}")  # made before the preset measured it
                continue
            row.append(panel(title, grouped, metric, layout.baselines[i] if layout.baselines else None))
        if row:
            rows.append(row)
            y_labels += layout.y_labels[i : i + 1]
    return Figure(layout.model_copy(update={"y_labels": y_labels}), rows, list(dict.fromkeys(missing)), left_out)


def _begun(directory: Path) -> list[Run]:
    """The runs below a directory that have a finished round; none if there is no such directory."""
    runs = open_runs([directory]) if directory.is_dir() and find_runs(directory) else []
    return [run for run in runs if run.rounds]


def _command(preset: str, layout: Path) -> str:
    """What makes a preset's runs."""
    try:
        seeds = str(presets.read(preset).values.get("seeds", "0"))
    except InvalidInput as error:
        raise InvalidInput(f"{layout}: {error}") from error
    return f"biasloop loop --preset {preset} --seeds {seeds}"
