"""Released results drawn over runs: thin dashed lines of the very metric, each with a band over seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biasloop.config import presets
from biasloop.contract.domains import Domain
from biasloop.contract.names import TEST
from biasloop.contract.published import Curve, Published
from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm
from biasloop.report.figures import canvas, lines, of_runs
from biasloop.report.figures.panels import Band, Panel
from biasloop.report.figures.published_curves import Curves, joined, read_curves
from biasloop.report.tables.formatting import counted
from biasloop.running.engine import Options, build_domain
from biasloop.system.directories import data_directory

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

PUBLISHED = "published"
DASHES = ((4.0, 2.0), (1.6, 1.4), (7.0, 1.8, 1.6, 1.8), (4.0, 1.2, 1.2, 1.2, 1.2, 1.2))  # in line widths
GREYS = ("#6E6E6E", "#9A9A9A", "#4D4D4D", "#B4B4B4")
X_LABEL = "Feedback round"
NOTE = "Dashed: released results, mean and one standard deviation over seeds"


@dataclass(frozen=True)
class Overlay:
    """A line to draw over runs.

    Attributes:
        label: what the legend calls it.
        curve: by generation.
        belongs: labels of the arms that it is the published counterpart of; empty for all.
        note: what is to be known of it.
    """

    label: str
    curve: Curve
    belongs: tuple[str, ...] = ()
    note: str = ""


def overlays(sources: Sequence[str], arms: Sequence[Arm], metric: str) -> list[Overlay]:
    """What to draw over the arms of a figure.

    Args:
        sources: each "published", or a file of curves or a directory of results; behind "published" or a file there may
            be a colon and an experiment, as in "published:ColoredMNIST|MC".
        arms: whose runs say which published curves belong to them.
        metric: the metric that is drawn.

    Raises:
        InvalidInput: there are no such results, or none of that metric.
    """
    split, name = name_of(metric, arms[0])
    drawn: list[Overlay] = []
    for source in sources:
        path, experiment = _parse(source)
        if path is not None and path.is_dir():
            drawn += _of_directory(path, split, name, arms)
        else:
            drawn += _of_curves(path, experiment, split, name, arms)
    last = max(arm.rounds for arm in arms)
    empty = next((overlay for overlay in drawn if not np.isfinite(overlay.curve.mean[:last]).any()), None)
    if empty is not None:
        raise InvalidInput(f"the released results {empty.label} have no value of {metric!r}")
    return drawn


def _of_directory(path: Path, split: str, name: str, arms: Sequence[Arm]) -> Iterator[Overlay]:
    domain = _domain(arms[0])
    if not isinstance(domain, Published):
        named = arms[0].runs[0].run.identity["domain"]["name"]
        raise InvalidInput(
            f"--overlay {path}: the domain {named!r} knows no files that a study's code has published; give a JSON "
            "file of curves"
        )
    for title, curve in domain.curves(path, split, name).items():
        yield Overlay(f"{title} ({_seeds(curve, arms)})", curve)


def _of_curves(
    path: Path | None, experiment: str | None, split: str, name: str, arms: Sequence[Arm]
) -> Iterator[Overlay]:
    curves = read_curves(path) if path else _shipped()
    title = path.stem if path else PUBLISHED
    chosen = {experiment: ()} if experiment else _going_with(curves, arms, path)
    for key, belongs in chosen.items():
        curve, note = curves.curve(key, split, name), curves.notes.get(key, "")
        words = key.split("|") if experiment or len(chosen) > 1 else []
        mark = "*" if note else ""
        yield Overlay(f"{' '.join([title, *words])} ({_seeds(curve, arms)}){mark}", curve, belongs, note)


def panel_of(arms: Sequence[Arm], metric: str | None) -> Panel:
    """The panel of `biasloop.report.figures.of_runs.panel`, in which a lone arm has its preset's name."""
    drawn = of_runs.panel("", arms, metric)
    names = [str(arm.runs[0].run.manifest.about.get("name") or "runs") for arm in arms]
    named = [replace(series, label=series.label or name) for series, name in zip(drawn.series, names, strict=True)]
    return replace(drawn, series=named)


def metric_drawn(arm: Arm) -> str:
    """What is drawn of an arm unless another metric is asked for."""
    about = arm.runs[0].run.manifest.about
    series = about.get("plot", {}).get("series", [])
    return str(series[0] if series else about.get("bound", {}).get("metric", ""))


def name_of(metric: str, arm: Arm) -> tuple[str, str]:
    """Of which split a metric is, and what files of curves call it: its own name if the runs' domain knows no other.

    Raises:
        InvalidInput: the domain knows that it was not released.
    """
    domain = _domain(arm)
    if isinstance(domain, Published):
        return domain.published_name(metric, list(arm.runs[0].metrics[0]))
    return TEST, metric


def _domain(arm: Arm) -> Domain:
    """The domain of an arm's runs; of data it needs none."""
    return build_domain(arm.runs[0].run.identity["domain"], arm.runs[0].seed, Options(data_directory()))


def _parse(source: str) -> tuple[Path | None, str | None]:
    """The file or directory (None: the shipped curves), and the experiment if one is named."""
    before, _, after = source.rpartition(":")
    for name, experiment in ((source, None), (before, after)):
        if name == PUBLISHED:
            return None, experiment
        if name and Path(name).exists():
            return Path(name), experiment
    raise InvalidInput(
        f'--overlay {source}: there is no such file or directory; give "published", a JSON file of curves or a '
        "directory of released results"
    )


def _shipped() -> Curves:
    """All published curves on the search path of presets."""
    files = [path for folder in presets.search_path() for path in sorted((folder / "published").glob("*.json"))]
    if not files:
        raise InvalidInput("there are no files presets/published/*.json; install biasloop again")
    return joined([read_curves(path) for path in files])


def _going_with(curves: Curves, arms: Sequence[Arm], path: Path | None) -> dict[str, tuple[str, ...]]:
    """Experiments that go with the runs, each with the labels of its arms; else the only one of a person's file.

    Raises:
        InvalidInput: none does.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for arm in arms:
        key = arm.runs[0].run.manifest.about.get("plot", {}).get("published")
        if key in curves.experiments:
            labels[key] = (*labels.get(key, ()), arm.label)
    if labels:
        return labels
    if path is None:
        raise InvalidInput(
            f"no published curves go with {arms[0].runs[0].run.directory}, whose preset names none as "
            f"`published` in [plot]; name one: --overlay '{PUBLISHED}:{curves.experiments[0]}'"
        )
    if len(curves.experiments) > 1:
        raise InvalidInput(
            f"{path} has curves of {', '.join(curves.experiments)}, and none goes with "
            f"{arms[0].runs[0].run.directory}; name one: --overlay '{path}:{curves.experiments[0]}'"
        )
    return {curves.experiments[0]: ()}


def _seeds(curve: Curve, arms: Sequence[Arm]) -> str:
    shown = curve.seeds[: max(arm.rounds for arm in arms)]
    used = sorted({int(count) for count in shown[np.isfinite(shown)] if count}) or [0]
    return counted(used[-1], "seed") if len(used) == 1 else f"{used[0]}–{used[-1]} seeds"


def caption(source: str, drawn: Sequence[Overlay]) -> str:
    """The small print of a figure with overlays: source, what dashed lines are, what is to be known of each."""
    notes = [f"*{overlay.note[:1].upper()}{overlay.note[1:]}" for overlay in drawn if overlay.note]
    return ". ".join([*([source] if source else []), NOTE, *dict.fromkeys(notes)])


def draw(
    panel: Panel, drawn: Sequence[Overlay], path: Path, *, y_label: str, caption: str, band: Band = "interval"
) -> Path:
    """One panel of runs with released results over it; else as `biasloop.report.figures.draw` draws it.

    Args:
        panel: the runs.
        drawn: over them; cut to the longest run.
        path: the file to write, replaced if it exists; its suffix is the format.
        y_label: the metric.
        caption: small print below.
        band: of the runs; that of released results is one standard deviation.

    Returns:
        The path.

    Raises:
        InvalidInput: the suffix of the path is no format.
        BiasloopError: the file cannot be written.
    """
    suffix = canvas.format_of(path)
    rows = [[panel]]
    with canvas.style():
        figure, (axes,) = canvas.grid(rows)
        looks = lines.looks_of([panel])
        lines.draw_panel(axes, panel, looks, band)
        entries = lines.legend_entries([panel], looks, band, "bound", "baseline")
        for order, overlay in enumerate(drawn):
            lone = looks[overlay.belongs[0]].colour if len(looks) > 1 and len(overlay.belongs) == 1 else None
            entries.append(_draw_overlay(axes, overlay, lines.longest(panel), order, lone))
        canvas.annotate(figure, [axes], rows, [y_label], X_LABEL, caption, entries)
        figure.draw_without_rendering()
        lines.mark_initial_error(axes, panel, figure.dpi)
        canvas.save(figure, path, suffix)
    return path


def _draw_overlay(axes: "Axes", overlay: Overlay, rounds: int, order: int, hue: str | None) -> "Artist":
    """Draw a line and its band; returns what the legend shows."""
    from matplotlib.lines import Line2D

    colour = _greyed(hue) if hue else GREYS[order % len(GREYS)]
    mean, std = overlay.curve.mean[:rounds], overlay.curve.std[:rounds]
    x = np.arange(float(len(mean)))
    if len(x) == 1:  # a point of its own would not show
        x, mean, std = np.array([-0.1, 0.1]), mean.repeat(2), std.repeat(2)
    dashes = DASHES[order % len(DASHES)]
    axes.fill_between(x, mean - std, mean + std, color=colour, alpha=0.12, lw=0, zorder=1.9)
    axes.plot(x, mean, color=colour, lw=lines.THIN, dashes=dashes, zorder=2.6)
    return Line2D([], [], color=colour, lw=lines.THIN, dashes=dashes, label=overlay.label)


def _greyed(colour: str) -> str:
    """The colour of an arm, mixed with grey."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(0.45 * part + 0.55 * 140):02x}" for part in parts)
