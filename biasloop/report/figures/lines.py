"""Draws one panel: mean lines, bands over seeds, bounds, baselines, the mark of the initial error."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from biasloop.contract.data import Bools, Floats
from biasloop.errors import InvalidInput
from biasloop.report.figures import bars
from biasloop.report.figures.panels import BAND_FROM, Band, Panel, Series
from biasloop.report.tables.formatting import counted

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Okabe & Ito, "Color Universal Design" (2008): told apart by all common kinds of colour vision. Green is the
# baseline's. Markers and dashes tell the lines apart where there is no colour.
HUES = ("#0072B2", "#D55E00", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
GREEN, ORANGE, GREY, LIGHT_GREY = "#009E73", "#E69F00", "#595959", "#8C8C8C"
SHADE = "#EFEFEF"
COLOURS = {"blue": HUES[0], "red": HUES[1], "purple": HUES[2], "black": HUES[3], "yellow": HUES[4], "sky": HUES[5]}
COLOURS |= {"green": GREEN, "grey": GREY}
DASHES: dict[str, tuple[float, ...] | None] = {"solid": None, "dashed": (3.6, 1.5), "dotted": (1.1, 1.1)}
OVER = (DASHES["dashed"], DASHES["dotted"], (6.0, 1.2, 1.2, 1.2))
"""Lines on top of others, through which these are seen."""
NEAR = 0.012  # of the height of what is drawn: about the width of a line
MOSTLY = 0.8  # of the points
BOUND_DASHES, BASELINE_DASHES = (5.0, 1.8), (2.2, 1.4)  # in line widths
LINE, THIN, SEED_LINE = 1.4, 1.1, 0.6  # points
MARKER = 3.4  # points
MARKS = 9  # markers a line, about
MOST_MARKS = 30
MOST_BARS = 12  # points of a setting up to which intervals are bars: nothing was measured between them


@dataclass(frozen=True)
class Look:
    """How a series is drawn."""

    colour: str
    bound: str
    marker: str
    order: int
    dashes: tuple[float, ...] | None = None


def looks_of(panels: Sequence[Panel], labels: Sequence[str] = ()) -> dict[str, Look]:
    """A look for each label of a line, in order of first appearance; a lone label has the published colours.

    Labels that are given come first, drawn or not, so that figures of fewer lines have the colours of the others.

    What asks for no look has the colours that are not asked for; where there are more lines than colours, the next
    ones are dotted, and then dashed. So is a line that would hide an earlier one nearly everywhere.
    """
    drawn = {series.label: series.look for panel in panels if not panel.stacked for series in panel.series}
    asked = dict.fromkeys(labels, "") | drawn
    wanted = {label: parse_look(look) for label, look in asked.items() if look}
    if len(asked) == 1 and not wanted:
        return {label: Look(HUES[0], ORANGE, MARKERS[0], 0) for label in asked}
    taken = {colour for colour, _ in wanted.values()}
    hues = [hue for hue in HUES if hue not in taken] or HUES
    free = itertools.cycle(itertools.product((DASHES["solid"], DASHES["dotted"], DASHES["dashed"]), hues))
    looks: dict[str, Look] = {}
    hidden = _hiding(panels) if len(asked) <= len(hues) else {}  # more are told apart by their dashes already
    for order, label in enumerate(asked):
        if label in wanted:
            colour, dashes = wanted[label]
        else:
            dashes, colour = next(free)
            over = [looks[other].dashes for other in hidden.get(label, ()) if other in looks]
            if dashes in over:  # it would be drawn over a line like it: what shows between its dashes is the other
                dashes = next((line for line in OVER if line not in over), OVER[-1])
        marker = MARKERS[(order + order // len(MARKERS)) % len(MARKERS)]  # another one beside an equal colour
        looks[label] = Look(colour, lighter(colour), marker, order, dashes)
    return looks


def _hiding(panels: Sequence[Panel]) -> dict[str, list[str]]:
    """For each label, the earlier ones whose line it lies on in a panel, within the width of a line."""
    hiding: dict[str, list[str]] = {}
    for panel in panels:
        series = [] if panel.stacked else list(panel.series)
        centres = [each.centre() for each in series]
        ends = [value for centre in centres for value in centre[np.isfinite(centre)].tolist()]
        near = NEAR * (max(ends) - min(ends)) if ends else 0.0
        for later, centre in enumerate(centres):
            for earlier, other in enumerate(centres[:later]):
                if series[earlier].label != series[later].label and _is_on(centre, other, near):
                    hiding.setdefault(series[later].label, []).append(series[earlier].label)
    return hiding


def _is_on(centre: Floats, other: Floats, near: float) -> bool:
    """Whether a line lies on another at all points, but for a few, where both have values."""
    points = min(len(centre), len(other))
    apart = np.abs(centre[:points] - other[:points])
    known = np.isfinite(apart)
    return bool(known.any()) and float(np.mean(apart[known] <= near)) >= MOSTLY


def parse_look(text: str) -> tuple[str, tuple[float, ...] | None]:
    """`red dashed` or `#1f77b4 solid` as a colour and dashes in line widths, None for a solid line.

    Raises:
        InvalidInput: there is no such colour or line.
    """
    colour, _, line = text.partition(" ")
    code = COLOURS.get(colour) or (colour if re.fullmatch("#[0-9a-fA-F]{6}", colour) else None)
    if code is None or line not in DASHES:
        raise InvalidInput(
            f"there is no look {text!r}; give a colour ({', '.join(COLOURS)} or #rrggbb) and a line "
            f'({", ".join(DASHES)}), for example "red dashed"'
        )
    return code, DASHES[line]


def lighter(colour: str) -> str:
    """The colour mixed with white."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(0.6 * part + 0.4 * 255):02x}" for part in parts)


def longest(panel: Panel) -> int:
    """Rounds of the longest line of a panel."""
    bounds = [len(series.bound) for series in panel.series if series.bound is not None]
    rounds = max([*bounds, *(int(series.values.shape[1]) for series in panel.series)])
    return rounds if panel.x_limit is None else min(rounds, panel.x_limit + 1)


def draw_panel(axes: "Axes", panel: Panel, looks: Mapping[str, Look], band: Band) -> None:
    """Draw a panel's series, baselines, guides and grey ground onto its axes."""
    if panel.stacked:
        bars.draw_bars(axes, panel)
    else:
        for series in panel.series:
            _draw_series(axes, series, looks[series.label], band, len(looks), panel.x)
    for level in panel.guides:
        axes.axhline(level, color=LIGHT_GREY, lw=0.8, dashes=(1.5, 1.5), zorder=1.8)
    if panel.shade_from is not None:
        axes.axvspan(panel.shade_from, axes.get_xlim()[1], color=SHADE, lw=0, zorder=0.4)
    end = max(longest(panel) - 1, 1)
    for level in dict.fromkeys(series.baseline for series in panel.series if series.baseline is not None):
        axes.plot([0, end], [level, level], color=GREEN, dashes=BASELINE_DASHES, lw=LINE, zorder=2.5)


def _draw_series(
    axes: "Axes", series: Series, look: Look, band: Band, looks: int, places: Floats | None = None
) -> None:
    x = np.arange(series.values.shape[1], dtype=np.float64) if places is None else places
    if places is not None:  # a line goes through the points that it has
        measured = np.isfinite(series.centre())
        x, series = x[measured], _cut(series, measured)
    centre = series.centre()
    depth = look.order / 100
    _draw_spread(axes, series, look, band, x, bars=places is not None and len(x) <= MOST_BARS)
    if series.bound is not None:
        axes.plot(series.bound, color=look.bound, dashes=BOUND_DASHES, lw=THIN, zorder=2.7 + depth)
    axes.plot(x, centre, color=look.colour, lw=LINE, zorder=3 + depth, **_dashed(look))
    # Of rounds some have a marker, of settings each: nothing was measured between them.
    step = max(1, math.ceil(len(x) / (MARKS if places is None else MOST_MARKS)))
    shown = _isolated(centre)
    shown[look.order * step // looks :: step] = True  # apart, so that markers of close lines do not cover each other
    axes.plot(x[shown], centre[shown], ls="", zorder=3.5 + depth, **_marker(look))


def _cut(series: Series, measured: Bools) -> Series:
    """The series at some of its points."""
    of_rows = None if series.of_rows is None else series.of_rows[:, measured]
    return replace(series, values=series.values[:, measured], of_rows=of_rows)


def _draw_spread(axes: "Axes", series: Series, look: Look, band: Band, x: Floats, *, bars: bool) -> None:
    """What the runs say of the mean: a band or bars, or the runs themselves where they are few."""
    depth = look.order / 100
    edges = series.band(band)
    if edges is None and series.of_rows is not None:
        edges = (series.of_rows[0], series.of_rows[1])
    if edges is None:
        for run in series.values if len(series.values) > 1 else ():
            axes.plot(x, run, color=look.colour, lw=SEED_LINE, alpha=0.55, zorder=2.9 + depth)
    elif bars:
        reach = np.abs(np.array(edges) - series.centre())  # (2, points)
        axes.errorbar(x, series.centre(), reach, fmt="none", ecolor=look.colour, elinewidth=0.8, capsize=2,
                      zorder=3.2 + depth)  # fmt: skip
    else:
        about = x if len(x) != 1 else np.array([x[0] - 0.02, x[0] + 0.02])  # a single round has a band too
        axes.fill_between(about, *edges, color=look.colour, alpha=0.18, lw=0, zorder=2 + depth)


def _marker(look: Look) -> dict[str, Any]:
    return {"marker": look.marker, "ms": MARKER, "mfc": look.colour, "mec": "white", "mew": 0.4}


def _dashed(look: Look) -> dict[str, Any]:
    return {} if look.dashes is None else {"dashes": look.dashes}


def _isolated(values: Floats) -> Bools:
    """Where a value stands between missing ones, so that a line alone would not show it."""
    there = np.isfinite(values)
    padded = np.pad(there, 1)
    return np.asarray(there & ~padded[:-2] & ~padded[2:], np.bool_)


def is_line(values: Floats) -> bool:
    """Whether two values stand side by side, without which a line without markers shows nothing."""
    there = np.isfinite(values)
    return bool((there[1:] & there[:-1]).any())


def legend_entries(
    panels: Sequence[Panel], looks: Mapping[str, Look], band: Band, bound_label: str, baseline_label: str
) -> list["Artist"]:
    """What the legend lists: the labels, and then once each the bound, the baseline and the band.

    What has no values, so that no line of it is there to see, is not listed.
    """
    from matplotlib.lines import Line2D

    every = [series for panel in panels if not panel.stacked for series in panel.series]
    measured = {series.label for series in every if np.isfinite(series.values).any()}
    entries: list[Artist] = [
        Line2D([], [], color=look.colour, lw=LINE, label=label or "measured", **_marker(look), **_dashed(look))
        for label, look in looks.items()
        if label in measured
    ]
    entries += bars.bar_entries(panels)
    lone = next(iter(looks.values())) if len(looks) == 1 else Look(LIGHT_GREY, LIGHT_GREY, "", 0)
    if any(series.bound is not None and is_line(series.bound) for series in every):
        entries.append(Line2D([], [], color=lone.bound, lw=THIN, dashes=BOUND_DASHES, label=bound_label))
    if any(series.baseline is not None and math.isfinite(series.baseline) for series in every):
        entries.append(Line2D([], [], color=GREEN, lw=LINE, dashes=BASELINE_DASHES, label=baseline_label))
    return [*entries, *_spread_entries(every, band, lone)]


def _spread_entries(every: Sequence[Series], band: Band, lone: Look) -> list["Artist"]:
    """What bands, bars and thin lines are of."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Artist] = []
    noun = "run" if any(series.replicates == "run" for series in every) else "seed"
    sizes = sorted({len(series.values) for series in every if len(series.values) > 1})
    few, many = [size for size in sizes if size < BAND_FROM], [size for size in sizes if size >= BAND_FROM]
    if many:
        entries.append(Patch(color=lone.colour, alpha=0.25, lw=0, label=_band_note(band, many, noun)))
    if few:
        label = f"each of {_counted(few, noun)}"
        entries.append(Line2D([], [], color=lone.colour, alpha=0.55, lw=SEED_LINE, label=label))
    if any(series.of_rows is not None for series in every):
        label = f"95 % interval over test rows, 1 {noun}"
        entries.append(Line2D([], [], color=lone.colour, lw=0.8, marker="|", ms=5, label=label))
    return entries


def _band_note(band: Band, sizes: Sequence[int], noun: str) -> str:
    return f"{'±1 std' if band == 'std' else '95 % t interval'}, {_counted(sizes, noun)}"


def _counted(sizes: Sequence[int], noun: str) -> str:
    return counted(sizes[-1], noun) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]} {noun}s"


def mark_initial_error(axes: "Axes", panel: Panel, dpi: float) -> None:
    """Mark delta at round 0, with its name left of all lines; to be called when the layout is known."""
    series = panel.series[0]
    if not panel.arrow or series.baseline is None or not math.isfinite(series.initial_error):
        return
    ends = (series.baseline, series.baseline + series.initial_error)
    places = axes.transData.transform([(0, end) for end in ends])
    points = abs(places[1, 1] - places[0, 1]) * 72 / dpi
    if points < 2:
        return  # nothing that could be seen
    line = {"color": GREY, "lw": 0.8, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
    style = "<->" if points > 9 else "-"
    axes.annotate("", (0, ends[0]), (0, ends[1]), arrowprops={"arrowstyle": style, **line}, zorder=4)
    axes.annotate(
        "δ",
        (0, sum(ends) / 2),
        (-3.5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        color=GREY,
        fontsize=8,
        bbox={"boxstyle": "square,pad=0.1", "color": "white"},  # over the grid
    )
