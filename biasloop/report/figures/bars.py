"""Draws one panel of stacked bars: by round, what each part is of the whole."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from biasloop.report.figures.panels import Panel

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Of the published figure: label 0 light, label 1 full; group 0 green, group 1 red, which is hatched too, so that the
# parts are told apart where there is no colour.
FOUR = ("#99D8C7", "#EEBF99", "#009E73", "#D55E00")
RAMP = ("#0B2C5E", "#F2F5FA")  # from the first to the last of other numbers of parts
HATCH = "/////"
WIDTH = 0.8
MOST = 8  # parts that the legend lists


def draw_bars(axes: "Axes", panel: Panel) -> None:
    """Draw the means of a panel's series on top of each other, the first one lowest."""
    bottom = np.zeros(max(int(series.values.shape[1]) for series in panel.series))
    for i, series in enumerate(panel.series):
        height = np.nan_to_num(series.centre())
        x = np.arange(len(height))
        colour, hatch = _fill(i, len(panel.series))
        axes.bar(x, height, WIDTH, bottom[: len(x)], color=colour, hatch=hatch, edgecolor="white", lw=0.3, zorder=2)
        bottom[: len(x)] += height


def bar_entries(panels: Sequence[Panel]) -> list["Artist"]:
    """What the legend lists of bars: each part once; of many, how many they are."""
    from matplotlib.patches import Patch

    entries: dict[str, Artist] = {}
    for panel in panels:
        if not panel.stacked:
            continue
        many = len(panel.series)
        if many > MOST:
            first, last = panel.series[0].label, panel.series[-1].label
            name = f"{many} parts, from {first} (lowest) to {last}"
            entries.setdefault(name, Patch(facecolor=_fill(many // 2, many)[0], lw=0, label=name))
            continue
        for i, series in enumerate(panel.series):
            colour, hatch = _fill(i, many)
            patch = Patch(facecolor=colour, hatch=hatch, edgecolor="white", lw=0.3, label=series.label)
            entries.setdefault(series.label, patch)
    return list(entries.values())


def _fill(part: int, parts: int) -> tuple[str, str]:
    """Colour and hatch of a part."""
    if parts == len(FOUR):
        return FOUR[part], HATCH if part % 2 else ""
    at = part / max(parts - 1, 1)
    ends = zip(*(tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in RAMP), strict=True)
    return "#" + "".join(f"{round((1 - at) * dark + at * light):02x}" for dark, light in ends), ""
