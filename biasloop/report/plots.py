"""Stored runs as panels: arms as series, each with its bound; published figures from their layout files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError, model_validator

from biasloop import presets
from biasloop.errors import InvalidInput
from biasloop.experiment import Strict
from biasloop.report.curves import bound_over_rounds
from biasloop.report.panels import Panel, Series
from biasloop.report.series import Arm, arms, open_runs
from biasloop.store.reader import Run, find_runs
from biasloop.study import RUNS

WORDS = {
    "share_predicted": "Share predicted",
    "accuracy": "Accuracy",
    "bias": "Bias",
    "ece": "Calibration error (ECE)",
}


def bound_series(arm: Arm) -> Series:
    """The bound's metric over rounds, its bound and baseline; delta is the mean of round 0 minus the baseline."""
    section, loop = arm.runs[0].needs_bound(), arm.runs[0].loop
    values = arm.stacked([run.values(section.metric) for run in arm.runs])
    baseline = float(np.nanmean(arm.stacked([run.values(section.baseline) for run in arm.runs])))
    delta = float(values[:, 0].mean()) - baseline
    curve = bound_over_rounds(loop, delta, arm.rounds - 1)
    return Series(arm.label, values, bound=baseline + curve, baseline=baseline)


def metric_series(arm: Arm, metric: str) -> Series:
    """Any metric over rounds, without bound.

    Raises:
        InvalidInput: no round of a run has it.
    """
    for run in arm.runs:
        if not any(metric in row for row in run.metrics):
            known = ", ".join(run.metrics[0]) if run.metrics else "none yet"
            raise InvalidInput(f"{run.run.directory} has no metric {metric!r}; it has {known}")
    return Series(arm.label, arm.stacked([run.values(metric) for run in arm.runs]))


def panel(title: str, grouped: Sequence[Arm], metric: str | None) -> Panel:
    """One panel with a series an arm; without a metric, what the preset's [plot] or [bound] names."""
    series = []
    for arm in grouped:
        about = arm.runs[0].run.manifest.about
        wanted = metric or next(iter(about.get("plot", {}).get("series", [])), None)
        section = arm.runs[0].bound_section
        if section is not None and wanted in (None, section.metric):
            series.append(bound_series(arm))
        elif wanted is None:
            raise InvalidInput(f"{arm.runs[0].run.directory}: its preset names no metric to draw; give --metric")
        else:
            series.append(metric_series(arm, wanted))
    return Panel(title, series)


def axis_label(run: Run, metric: str | None) -> str:
    """What the preset calls the metric."""
    about = run.manifest.about
    name = (
        metric or next(iter(about.get("plot", {}).get("series", [])), None) or about.get("bound", {}).get("metric", "")
    )
    labels = about.get("plot", {}).get("labels", {})
    return str(labels.get(name) or WORDS.get(name) or name.replace("_", " "))


class Layout(Strict):
    """A published figure: `presets/figures/figN.toml`."""

    title: str = ""
    source: str = ""
    certainty: str = Field("", description="How sure it is that the published figure shows this metric.")
    rows: list[list[str]] = Field(description="Preset names, row by row.")
    titles: list[list[str]] = Field(default_factory=list, description="Panel titles; default: the preset names.")
    metric: str | None = None
    x_label: str = "Feedback round"
    y_labels: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> "Layout":
        if self.titles and [len(row) for row in self.titles] != [len(row) for row in self.rows]:
            raise ValueError("`titles` has other rows than `rows`")
        if self.y_labels and len(self.y_labels) != len(self.rows):
            raise ValueError("`y_labels` needs one label for each of the `rows`")
        return self


@dataclass(frozen=True)
class Figure:
    """Panels that could be drawn, and the commands for the runs that are missing."""

    layout: Layout
    rows: list[list[Panel]]
    missing: list[str]


def find_layout(name: str) -> Path | None:
    """The layout file of a published figure, on the presets' search path; figN-mini has that of figN."""
    names = dict.fromkeys((name, name.removesuffix(presets.MINI)))
    places = (place / "figures" / f"{one}.toml" for one in names for place in presets.search_path())
    return next((path for path in places if path.is_file()), None)


def published(name: str, path: Path, runs: Path = RUNS) -> Figure:
    """A published figure from the runs found below a directory; figN-mini from those of its presets' minis.

    Raises:
        InvalidInput: the layout file is not valid.
    """
    try:
        layout = Layout.model_validate(presets.parse_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "figure"
        raise InvalidInput(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}") from error
    if name != path.stem:
        layout = _mini(layout)
    missing, rows, y_labels = [], [], []
    for i, names in enumerate(layout.rows):
        row = []
        for j, preset in enumerate(names):
            found = _begun(runs / preset)
            if not found:
                missing.append(f"biasloop loop --preset {preset} --seeds {_seeds(preset, path)}")
                continue
            title = layout.titles[i][j] if layout.titles else preset
            row.append(panel(title, arms(found), layout.metric))
        if row:
            rows.append(row)
            y_labels += layout.y_labels[i : i + 1]
    return Figure(layout.model_copy(update={"y_labels": y_labels}), rows, list(dict.fromkeys(missing)))


def _mini(layout: Layout) -> Layout:
    rows = [[preset + presets.MINI for preset in row] for row in layout.rows]
    source = f"after {layout.source}, with small data and networks" if layout.source else ""
    return layout.model_copy(update={"rows": rows, "source": source, "certainty": ""})


def _begun(place: Path) -> list[Run]:
    """The runs below a directory that have a finished round; none if there is no such directory."""
    found = open_runs([place]) if place.is_dir() and find_runs(place) else []
    return [run for run in found if run.rounds]


def _seeds(preset: str, layout: Path) -> str:
    try:
        return str(presets.read(preset).values.get("seeds", "0"))
    except InvalidInput as error:
        raise InvalidInput(f"{layout}: rows: {error}") from error
