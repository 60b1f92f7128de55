"""Draws what data look like: a grid of samples beside the share of each stratum in every split.

The strata of a label and at most one group are bars; those of more groups are heat maps, one for each class of the
label. matplotlib is imported when something is drawn, and without pyplot. Equal input gives equal files.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from biasloop.contract.data import Array, Floats, Ints, Page
from biasloop.report.figures import canvas
from biasloop.report.figures.lines import GREY, HUES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

SIDE = 7
PICTURES = SIDE * SIDE
"""Samples of a grid."""

_WIDTH = 6.8  # inches: two columns of a paper
_GRID = 2.9  # inches, of the sample grid
_BAR = 0.115  # inches
_ROW = 0.22  # inches, of a heat map
_MOST = 16  # strata that have bars of their own; the rest are counted together
_DARK = 0.6  # share of the darkest colour from which on the number in a cell is white


@dataclass(frozen=True)
class Bars:
    """Shares of strata in every split.

    Attributes:
        names: of the strata.
        shares: by split, `(len(names),)` of its samples.
    """

    names: list[str]
    shares: dict[str, Floats]


def draw(page: Page, path: Path) -> Path:
    """Draw a page and write it.

    Args:
        page: what to show.
        path: the file to write, replaced if it exists; its suffix is the format, .png, .pdf or .svg.

    Returns:
        The path.

    Raises:
        InvalidInput: if the suffix is none of these.
        BiasloopError: if the file cannot be written.
    """
    suffix = canvas.format_of(path)
    with canvas.style():
        figure = _maps(page) if len(page.targets) > 2 else _bars(page)
        canvas.save(figure, path, suffix)
    return path


def strata(page: Page) -> list[str]:
    """Names of the strata, in the order of flattened counts: the label varies slowest."""
    named = [[_named(target, name) for name in names] for target, names in zip(page.targets, page.classes, strict=True)]
    return [", ".join(names) for names in product(*named)]


def bars(page: Page) -> Bars:
    """The shares to draw: if there are too many strata, those that the first split has most of, then all others.

    Of a label and a group, classes of the label are drawn with all of their groups.
    """
    names = strata(page)
    shares = {split: share(counts).ravel() for split, counts in page.counts.items()}
    if len(names) <= _MOST:
        return Bars(names, shares)
    groups = len(page.classes[1]) if len(page.classes) == 2 else 1
    groups = groups if groups < _MOST else 1
    of_labels = next(iter(page.counts.values())).reshape(-1, groups).sum(1)
    chosen = np.sort(np.argsort(-of_labels, kind="stable")[: (_MOST - 1) // groups])
    largest = (chosen[:, None] * groups + np.arange(groups)).ravel()  # (strata that are drawn,)
    rest = np.setdiff1d(np.arange(len(names)), largest)
    cut = {split: np.append(values[largest], values[rest].sum()) for split, values in shares.items()}
    return Bars([*(names[i] for i in largest), f"{len(rest):,} others"], cut)


def share(counts: Ints) -> Floats:
    """Counts as shares of all; zeros where there is nothing."""
    return np.asarray(counts / max(int(counts.sum()), 1), np.float64)


def grid(pictures: Array) -> Array:
    """`(h, w, 3)` uint8: the first `PICTURES`, row by row on white; as many rows as they fill."""
    shown = pictures[:PICTURES]
    count, height, width, channels = shown.shape
    rows, gap = -(-count // SIDE), max(1, height // 14)
    sheet = np.full((rows * (height + gap) - gap, SIDE * (width + gap) - gap, 3), 255, np.uint8)
    for number, picture in enumerate(shown):
        top, left = (number // SIDE) * (height + gap), (number % SIDE) * (width + gap)
        sheet[top : top + height, left : left + width] = picture if channels == 3 else picture[..., :1]
    return sheet


def _bars(page: Page) -> Figure:
    """Samples, and horizontal bars in groups of one stratum."""
    shown = bars(page)
    splits = len(shown.shares)
    height = _BAR * len(shown.names) * (splits + 0.8) + 0.75
    figure, cells = _sheet(page, max(height, _GRID + 0.25), [_WIDTH - _GRID])
    axes = figure.add_subplot(cells[0, 1])
    places = np.arange(len(shown.names))
    thick = 1 / (splits + 0.8)
    for number, (split, shares) in enumerate(shown.shares.items()):
        at = places + (number - (splits - 1) / 2) * thick
        label = f"{split} ({page.counts[split].sum():,})"
        drawn = axes.barh(at, 100 * shares, 0.92 * thick, color=HUES[number], label=label)
        axes.bar_label(drawn, [_percent(value) for value in shares], padding=1.5, fontsize=5.5, color=GREY)
    axes.set_yticks(places, shown.names)
    axes.set_ylim(len(places) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.set_xlim(0, 112 * max(float(values.max()) for values in shown.shares.values()))
    axes.set_xlabel("Share of the split (%)")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=splits, borderaxespad=0.2)
    return figure


def _maps(page: Page) -> Figure:
    """Samples, and for each split and class of the label a map of all groups: the first down, the others across."""
    label, down, *across = (
        [_named(target, name) for name in names] for target, names in zip(page.targets, page.classes, strict=True)
    )
    columns = [", ".join(names) for names in product(*across)]
    shares = {split: share(counts).reshape(len(label), len(down), -1) for split, counts in page.counts.items()}
    top = max(float(values.max()) for values in shares.values())
    count = len(shares) * len(label)
    figure, cells = _sheet(page, max(_ROW * len(down) + 1.2, _GRID + 0.25), [(_WIDTH - _GRID) / count] * count)
    for number, (split, i) in enumerate(product(shares, range(len(label)))):
        axes = figure.add_subplot(cells[0, 1 + number])
        _map(axes, shares[split][i], top)
        axes.set_title(f"{split}\n{label[i]}", fontsize=6.5)
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=6)
        axes.set_yticks(range(len(down)), down if number == 0 else [""] * len(down), fontsize=6.5)
    sizes = ", ".join(f"{split} {counts.sum():,}" for split, counts in page.counts.items())
    figure.supxlabel(f"% of the samples of a split ({sizes})", fontsize=6.5, x=1 - (_WIDTH - _GRID) / _WIDTH / 2)
    return figure


def _map(axes: Axes, shares: Floats, top: float) -> None:
    """One heat map, `(rows, columns)`, whose darkest colour is `top`."""
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=top or 1, aspect="auto")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(shares):
        colour = "white" if value > _DARK * top else "black"
        axes.text(column, row, _percent(value), ha="center", va="center", fontsize=5.5, color=colour)


def _sheet(page: Page, height: float, widths: Sequence[float]) -> tuple[Figure, GridSpec]:
    """A figure with the samples in its first cell; the other cells are as wide as is said, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    cells = figure.add_gridspec(1, 1 + len(widths), width_ratios=[_GRID, *widths])
    axes = figure.add_subplot(cells[0, 0])
    axes.imshow(grid(page.pictures), interpolation="nearest")
    axes.set_axis_off()
    axes.set_anchor("N")
    split, counts = next(iter(page.counts.items()))
    title = f"{page.title}: {min(len(page.pictures), PICTURES)} of {counts.sum():,} in {split}"
    axes.set_title("\n".join(textwrap.wrap(title, 50)), loc="left", fontsize=7)
    return figure, cells


def _named(target: str, name: str) -> str:
    """A class, with what it is a class of if its name alone says nothing."""
    return f"{target} {name}" if name.isdecimal() else name


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
