"""Lays out panels of series over rounds as a figure, and writes it as PNG, PDF or SVG.

matplotlib is imported when something is drawn, and without pyplot. Equal input gives equal files.
"""

import math
import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from biasloop.contract.data import Floats
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.printable import printable_lines
from biasloop.report.figures.lines import GREY, draw_panel, legend_entries, longest, looks_of, mark_initial_error
from biasloop.report.figures.panels import Band, Panel
from biasloop.system.new_files import beside, open_own

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
WIDTHS = {1: 3.4, 2: 6.8}  # inches: one and two columns of a paper
PANEL_HEIGHT = 2.15  # inches
LOGARITHMIC = 12  # times the smallest value of a setting
FEW = 15  # values of a setting that ticks can name one by one
LEGEND_ROW, CAPTION_ROW = 0.17, 0.12  # inches

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.5,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 2.0,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 0.9,
    "legend.borderpad": 0.2,
    "text.parse_math": False,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # embedded TrueType: publishers refuse type 3
    "svg.hashsalt": "biasloop",
}
# Dates and versions would make equal figures different files.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


def draw(
    rows: Sequence[Sequence[Panel]],
    path: Path,
    *,
    y_label: str | Sequence[str],
    x_label: str = "Feedback round",
    caption: str = "",
    band: Band = "std",
    bound_label: str = "bound",
    baseline_label: str = "baseline",
) -> Path:
    """Draw panels in rows: all share the x axis, those of a row share the y axis, one legend stands above.

    Where a panel has a y label of its own, so has each its y axis.

    Series of equal label have the same colour throughout. A bound is dashed, in the lighter colour of its
    series (orange where there is one label only); a baseline is green, with short dashes; the double arrow
    marks the calibration error of round 0.

    Args:
        rows: panels by row; rows may differ in length.
        path: the file to write, replaced if it exists; its suffix is the format.
        y_label: the metric and its unit, one for all rows or one a row.
        x_label: stands below the lowest panels.
        caption: small print below (source, what is inferred).
        band: "std" is one population standard deviation over seeds, where a published figure is reproduced;
            "interval" is the 95 % t interval of the mean.
        bound_label: what the legend calls the bounds.
        baseline_label: what the legend calls the baselines.

    Returns:
        The path.

    Raises:
        InvalidInput: if there is nothing to draw, the suffix is not one of `FORMATS`, or the y labels are
            neither one nor as many as rows.
        BiasloopError: if the file cannot be written.
    """
    suffix = format_of(path)
    with style():
        figure = figure_of(
            rows, y_label=y_label, x_label=x_label, caption=caption, band=band, bound_label=bound_label,
            baseline_label=baseline_label,
        )  # fmt: skip
        save(figure, path, suffix)
    return path


def figure_of(
    rows: Sequence[Sequence[Panel]],
    *,
    y_label: str | Sequence[str],
    x_label: str = "Feedback round",
    caption: str = "",
    band: Band = "std",
    bound_label: str = "bound",
    baseline_label: str = "baseline",
) -> "Figure":
    """The figure that `draw` writes.

    Raises:
        InvalidInput: if there is nothing to draw, or the y labels are neither one nor as many as rows.
    """
    if not rows or not all(rows):
        raise InvalidInput("there is nothing to draw: a figure needs at least one panel in each row")
    labels = [y_label] * len(rows) if isinstance(y_label, str) else list(y_label)
    if len(labels) != len(rows):
        raise InvalidInput(f"a figure of {len(rows)} rows needs 1 or {len(rows)} y labels, not {len(labels)}")
    panels = [panel for row in rows for panel in row]
    with style():
        figure, axes = grid(rows)
        looks = looks_of(panels)
        for panel, ax in zip(panels, axes, strict=True):
            draw_panel(ax, panel, looks, band)
        entries = legend_entries(panels, looks, band, bound_label, baseline_label)
        annotate(figure, axes, rows, labels, x_label, caption, entries)
        figure.draw_without_rendering()
        for panel, ax in zip(panels, axes, strict=True):
            mark_initial_error(ax, panel, figure.dpi)
    return figure


def format_of(path: Path) -> str:
    """The format that a file's suffix names, one of `FORMATS`.

    Raises:
        InvalidInput: if it is none.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise InvalidInput(f"a figure cannot be written as {path.name!r}; end its name in one of {known}")
    return suffix


@contextmanager
def style() -> Iterator[None]:
    """This module's look, whatever the person's own matplotlib settings are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def grid(rows: Sequence[Sequence[Panel]]) -> tuple["Figure", list["Axes"]]:
    """An empty figure and the axes of its panels in reading order."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = max(len(row) for row in rows)
    panels = [panel for row in rows for panel in row]
    figure = Figure(figsize=(WIDTHS.get(columns, 2.4 * columns), PANEL_HEIGHT * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)  # what text is measured with
    shared: Literal["row", "none"] = "none" if any(panel.y_label for panel in panels) else "row"
    grid = figure.subplots(len(rows), columns, sharex=True, sharey=shared, squeeze=False)
    used = []
    for row, line in zip(rows, grid, strict=True):
        used += list(line[: len(row)])
        for spare in line[len(row) :]:
            spare.set_axis_off()
    shown = [panel.x for panel in panels if panel.x is not None]
    if shown:
        _settings_axis(grid[0, 0], np.concatenate(shown))
    else:
        _rounds_axis(grid[0, 0], panels, columns)
    for ax in used if shared == "none" else grid[:, 0]:
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    return figure, used


def _settings_axis(axes: "Axes", places: Floats) -> None:
    """The x axis of a setting: by its logarithm where there are a few values, the largest many times the smallest."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

    low, high, values = float(places.min()), float(places.max()), np.unique(places)
    if low > 0 and high / low >= LOGARITHMIC and len(values) <= FEW:  # more are epochs, or steps like them
        axes.set_xscale("log")
        room = (high / low) ** 0.03
        axes.set_xlim(low / room, high * room)
        if high / low < 200:  # so few powers of ten that they say little
            axes.xaxis.set_major_locator(FixedLocator(values.tolist()))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(ScalarFormatter())
        return
    room = 0.03 * (high - low) or 0.5
    axes.set_xlim(low - room, high + room)
    integers = bool(np.all(places == np.round(places)))
    ticks = MaxNLocator(6, integer=integers, steps=[1, 2, 5, 10] if integers else [1, 2, 2.5, 5, 10])
    axes.xaxis.set_major_locator(ticks if high > low else FixedLocator([low]))


def _rounds_axis(axes: "Axes", panels: Sequence[Panel], columns: int) -> None:
    """The x axis of rounds, with room for the mark of the initial error."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    width = 72 * WIDTHS.get(columns, 2.4 * columns)
    last = max(longest(panel) for panel in panels) - 1
    marked = any(panel.arrow and panel.series[0].baseline is not None for panel in panels)
    room = 12 * columns / (0.8 * width) if marked else 0.02  # 12 points, for the delta
    if any(panel.stacked for panel in panels):  # bars stand to both sides of their round
        axes.set_xlim(-0.6, last + 0.6)
    else:
        axes.set_xlim(*((-room * last, 1.02 * last) if last else (-0.5, 0.5)))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]) if last else FixedLocator([0]))


def annotate(
    figure: "Figure",
    axes: Sequence["Axes"],
    rows: Sequence[Sequence[Panel]],
    y_labels: Sequence[str],
    x_label: str,
    caption: str,
    entries: Sequence["Artist"],
) -> None:
    """Axis labels, caption and legend; makes the figure as much higher as they need."""
    width = 72 * figure.get_figwidth()
    start = 0
    for i, (row, y_label) in enumerate(zip(rows, y_labels, strict=True)):
        axes[start].set_ylabel(_wrapped(figure, y_label, 8, 72 * PANEL_HEIGHT * 0.7))
        below = len(rows[i + 1]) if i + 1 < len(rows) else 0
        for j, ax in enumerate(axes[start : start + len(row)]):
            room = (0.68 if row[j].y_label else 0.85) * width / max(map(len, rows))  # a label of its own takes some
            ax.set_title(_wrapped(figure, row[j].title, 8, room))
            if row[j].y_label:
                ax.set_ylabel(_wrapped(figure, row[j].y_label, 8, 72 * PANEL_HEIGHT * 0.7))
            if j >= below:  # nothing stands under this panel
                ax.set_xlabel(_wrapped(figure, x_label, 8, room))
                ax.tick_params(labelbottom=True)
        start += len(row)
    extra = LEGEND_ROW * _add_legend(figure, entries)
    if caption:
        text = _wrapped(figure, caption, 6, 0.96 * width)
        figure.supxlabel(text, fontsize=6, color=GREY, linespacing=1.3)
        extra += CAPTION_ROW * (text.count("\n") + 1)
    figure.set_figheight(figure.get_figheight() + extra)


def _add_legend(figure: "Figure", entries: Sequence["Artist"]) -> int:
    """Put the legend above the panels, in as few rows as fit the width; returns their number."""
    width = figure.get_figwidth() * figure.dpi
    for entry in entries:
        entry.set_label(_wrapped(figure, str(entry.get_label()), 7, 0.8 * 72 * figure.get_figwidth()))
    lines = 0  # where there is nothing to list
    for lines in range(1, len(entries) + 1):
        columns = math.ceil(len(entries) / lines)
        legend = figure.legend(handles=_by_row(entries, columns), loc="outside upper center", ncols=columns)
        if legend.get_window_extent().width <= width or columns == 1:
            break
        legend.remove()
    return lines


def _by_row(entries: Sequence["Artist"], columns: int) -> list["Artist"]:
    """The order that makes a legend, which fills column by column, read row by row."""
    return [entry for column in range(columns) for entry in entries[column::columns]]


def _wrapped(figure: "Figure", text: str, size: float, width: float) -> str:
    """The text, broken where it would be wider than so many points; control characters are spelt out."""
    text = printable_lines(text)
    if not text or _width(figure, text, size) <= width:
        return text
    longest_line = max(map(len, text.splitlines()))
    about = int(1.2 * longest_line * width / _width(figure, text, size))
    for limit in range(min(about, longest_line), 7, -1):
        broken = "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, limit))
        if _width(figure, broken, size) <= width:
            return broken
    return text


def _width(figure: "Figure", text: str, size: float) -> float:
    """The width of some text in points."""
    sample = figure.text(0, 0, text, fontsize=size)
    wide = float(sample.get_window_extent().width) * 72 / figure.dpi
    sample.remove()
    return wide


def save(figure: "Figure", path: Path, suffix: str) -> None:
    """Write beside the target and rename, so that the target is never half a figure."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):  # an SVG with control characters is no XML
        text.set_text(printable_lines(text.get_text()))
    temporary = beside(path, ".tmp-")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(open_own(temporary, new=True), "wb") as file:
                figure.savefig(file, format=suffix, metadata=_METADATA[suffix])
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise BiasloopError(
            f"the figure cannot be written to {path} ({error.strerror or error}); choose another place"
        ) from error
