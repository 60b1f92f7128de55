"""Panels that show different metrics, of presets beside each other or of runs that a person names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm
from biasloop.report.figures.layouts import Layout, PanelLayout
from biasloop.report.figures.panels import Panel, Series
from biasloop.report.figures.round_values import Values

OVERALL = "overall"  # in the legend, what is of no group and of the only arm


def panel_rows(layout: Layout, arms: Sequence[Arm]) -> tuple[list[list[Panel]], list[str]]:
    """The panels of a layout of metrics.

    Args:
        layout: with `panels`.
        arms: a series each, or a family of series; a stacked panel is repeated for each.

    Returns:
        Rows of panels, and the titles of those that are left out since no run has what they show.

    Raises:
        InvalidInput: that is so of all.
    """
    readers = [(arm, [Values(run) for run in arm.runs]) for arm in arms]
    rows: list[list[Panel]] = []
    left_out: list[str] = []
    for line in layout.panels:
        row = []
        for wanted in line:
            panels = _stacked(wanted, readers) if wanted.stacked else _lines(wanted, readers)
            if not panels:
                left_out.append(wanted.title or wanted.y_label or str(wanted.metric))
            row += panels
        rows.append(row)
    every = [_placed(panel, layout) for panel in chain(*rows)]
    if not every:
        raise InvalidInput(f"{arms[0].runs[0].run.directory} has nothing that the figure shows: {', '.join(left_out)}")
    if [len(row) for row in rows] == [len(line) for line in layout.panels]:
        lengths = [len(row) for row in rows]
    else:  # close the gaps
        most = max(map(len, layout.panels))
        lengths = [most] * -(-len(every) // most)
    ends = np.cumsum(lengths).tolist()
    return [every[end - length : end] for end, length in zip(ends, lengths, strict=True)], left_out


Readers = Sequence[tuple[Arm, Sequence[Values]]]


def _lines(wanted: PanelLayout, readers: Readers) -> list[Panel]:
    series = [line for arm, runs in readers for line in _series(wanted, arm, runs, arm.label)]
    return [_panel(wanted, wanted.title, series)] if series else []


def _stacked(wanted: PanelLayout, readers: Readers) -> list[Panel]:
    """A panel an arm: bars of several would hide each other."""
    panels = []
    for arm, runs in readers:
        series = _series(wanted, arm, runs, "")
        if series:
            title = ": ".join(part for part in (wanted.title, arm.label) if part)
            panels.append(_panel(wanted, title, series))
    return panels


def _panel(wanted: PanelLayout, title: str, series: Sequence[Series]) -> Panel:
    return Panel(title, series, arrow=False, y_label=wanted.y_label, guides=tuple(wanted.lines), stacked=wanted.stacked)


def _placed(panel: Panel, layout: Layout) -> Panel:
    looks = [replace(series, look=layout.looks.get(series.label, "")) for series in panel.series]
    return replace(panel, series=looks, shade_from=layout.shade_from, x_limit=layout.x_limit)


def _series(wanted: PanelLayout, arm: Arm, runs: Sequence[Values], label: str) -> list[Series]:
    """What an arm shows in a panel."""
    curves: dict[str, Floats] = {}
    for name, metric in wanted.named.items():
        for member, full in runs[0].matching(metric).items():
            values = arm.stacked([run.of(full) for run in runs])  # (runs, rounds)
            if np.isfinite(values).any():
                curves[", ".join(part for part in (label, name, member) if part) or OVERALL] = values
    shown = _shown(wanted, curves, label or OVERALL)
    return [Series(name, values, replicates=arm.replicates) for name, values in shown.items()]


def _shown(wanted: PanelLayout, curves: Mapping[str, Floats], label: str) -> dict[str, Floats]:
    """The series as the panel shows them."""
    if not curves or wanted.show == "value":
        return dict(curves)
    every = np.stack(list(curves.values()))  # (curves, runs, rounds)
    with np.errstate(divide="ignore", invalid="ignore"):
        if wanted.show == "difference":
            return {label: np.fmax.reduce(every) - np.fmin.reduce(every)}
        if wanted.show == "percent":
            shares = 100 * every / np.nansum(every, axis=0)  # (curves, runs, rounds)
            return dict(zip(curves, shares, strict=True))
        before = np.concatenate([np.full((*every.shape[:2], 1), np.nan), every[:, :, :-1]], axis=2)
        ratios = every / before  # (curves, runs, rounds), of round 0 NaN
    return {name: values for name, values in zip(curves, ratios, strict=True) if np.isfinite(values).any()}
