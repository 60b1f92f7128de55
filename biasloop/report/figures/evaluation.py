"""What `biasloop evaluate` found, as a figure: cells, a reliability diagram, rates by group, shares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from biasloop.report.figures.canvas import format_of, save, style
from biasloop.report.figures.lines import GREY, HUES, LIGHT_GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from biasloop.evaluations import EvaluationResult

WIDTH, HEIGHT = 3.4, 2.6  # inches
_MOST_WRITTEN = 60  # cells with their number in them
_MOST_GROUPS = 60  # in one figure
_RATES = ("accuracy", "selection_rate", "tpr", "fpr")


def draw(kind: str, answer: EvaluationResult, path: Path, title: str, names: Sequence[str] = ()) -> Path:
    """Draw an answer.

    Args:
        kind: "amplification", "calibration", "fairness", "shares" or "memorization".
        answer: what was found.
        path: the file to write; its suffix is the format.
        title: stands above.
        names: what attribute and task are called.

    Raises:
        InvalidInput: the suffix is none that can be written.
        BiasloopError: the file cannot be written.
    """
    suffix = format_of(path)
    drawing = {
        "amplification": _cells,
        "calibration": _reliability,
        "fairness": _rates,
        "shares": _shares,
        "memorization": _ngrams,
    }[kind]
    with style():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        FigureCanvasAgg(figure)
        drawing(figure, answer, names)
        figure.suptitle(title, fontsize=8)
        save(figure, path, suffix)
    return path


def _cells(figure: Figure, answer: EvaluationResult, names: Sequence[str]) -> None:
    """Amplification by attribute and task; orange where predictions exaggerate."""
    attributes, tasks = answer.details["attributes"], answer.details["tasks"]
    values = np.array([[math.nan if v is None else v for v in row] for row in answer.details["cells"]])
    if len(attributes) > _MOST_GROUPS:
        figure.supxlabel(f"the first {_MOST_GROUPS} of {len(attributes):,} groups", fontsize=7)
        attributes, values = attributes[:_MOST_GROUPS], values[:_MOST_GROUPS]
    figure.set_size_inches(max(WIDTH, 0.42 * len(tasks) + 1.5), max(1.9, 0.3 * len(attributes) + 1.2))
    axes = figure.subplots()
    known = np.abs(values[~np.isnan(values)])  # (cells with a number,)
    top = max(float(known.max()) if len(known) else 0.0, 1e-3)
    axes.grid(visible=False)
    image = axes.imshow(values, cmap="PuOr_r", vmin=-top, vmax=top, aspect="auto")
    axes.set_xticks(range(len(tasks)), tasks, rotation=0 if len(tasks) < 6 else 60)
    axes.set_yticks(range(len(attributes)), attributes)
    if values.size <= _MOST_WRITTEN:
        for (a, t), value in np.ndenumerate(values):
            dark = abs(value) > 0.6 * top
            text = "" if math.isnan(value) else f"{value:+.3f}"
            axes.text(t, a, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
    if names:
        axes.set_ylabel(names[0])
        axes.set_xlabel(names[1])
    figure.colorbar(image, ax=axes, label="amplification")


def _reliability(figure: Figure, answer: EvaluationResult, _: Sequence[str]) -> None:
    """Accuracy against confidence by bin, and below how many rows each bin has."""
    figure.set_size_inches(WIDTH, 3.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    bins = answer.details["bins"]
    left = np.array([entry["edges"][0] for entry in bins])
    width = np.array([entry["edges"][1] for entry in bins]) - left
    filled = [entry for entry in bins if entry["n"]]
    upper.plot([0, 1], [0, 1], color=LIGHT_GREY, lw=0.8, ls="--", zorder=1)
    start, span = (np.array([v for v, entry in zip(x, bins, strict=True) if entry["n"]]) for x in (left, width))
    upper.bar(start, [entry["accuracy"] for entry in filled], span, align="edge", color=HUES[0], alpha=0.35, lw=0)
    accuracy = np.array([entry["accuracy"] for entry in filled])
    ends = np.array([_wilson(entry) for entry in filled]).T  # (2, bins with rows)
    confidence = [entry["confidence"] for entry in filled]
    upper.errorbar(
        confidence, accuracy, np.abs(ends - accuracy), fmt="o", ms=3, color=HUES[0], elinewidth=0.8, zorder=3
    )
    upper.set_ylabel("accuracy")
    upper.set_ylim(0, 1.02)
    upper.text(0.02, 0.94, f"ECE {answer.metrics['ece']:.4f}", transform=upper.transAxes, fontsize=7, va="top")
    lower.bar(left, [entry["n"] for entry in bins], width, align="edge", color=GREY, lw=0)
    lower.set_ylabel("rows")
    lower.set_xlabel("confidence")
    lower.set_xlim(0, 1)


def _wilson(entry: Mapping[str, Any]) -> tuple[float, float]:
    from biasloop.metrics.intervals import wilson

    return wilson(round(entry["accuracy"] * entry["n"]), entry["n"])


def _rates(figure: Figure, answer: EvaluationResult, names: Sequence[str]) -> None:
    """Rates by group with their intervals; what is 0/0 is left out.

    Of several attributes the groups of each come before their combinations; of very many groups the largest are drawn.
    """
    parts = [*answer.parts.values(), answer]
    groups = {name: group for part in parts for name, group in part.details["by_group"].items()}
    if len(groups) > _MOST_GROUPS:
        largest = sorted(groups, key=lambda name: -groups[name]["n"])[:_MOST_GROUPS]
        figure.supxlabel(f"the {_MOST_GROUPS} largest of {len(groups):,} groups", fontsize=7)
        chosen = set(largest)
        groups = {name: group for name, group in groups.items() if name in chosen}
    figure.set_size_inches(2 * WIDTH, max(1.8, 0.2 * len(groups) + 1.1))
    every = figure.subplots(1, len(_RATES), sharey=True)
    for axes, rate in zip(every, _RATES, strict=True):
        axes.grid(visible=True, axis="x")
        for y, group in enumerate(groups.values()):
            measured = group[rate]
            if measured["value"] is not None:
                _whisker(axes, measured["value"], measured["interval"], y)
        axes.set_title(rate.replace("_", " "))
        axes.set_xlim(-0.02, 1.02)
    every[0].set_yticks(range(len(groups)), list(groups))
    every[0].set_ylim(len(groups) - 0.5, -0.5)
    if names:
        every[0].set_ylabel(names[0])


def _shares(figure: Figure, answer: EvaluationResult, _: Sequence[str]) -> None:
    """Bars of the shares predicted, with intervals, and a mark where the true share is."""
    rows = answer.details["shares"]
    figure.set_size_inches(WIDTH, max(1.8, 0.2 * len(rows) + 1.0))
    axes = figure.subplots()
    places = np.arange(len(rows))
    value = np.array([row["predicted"] for row in rows])
    ends = np.array([row["interval"] for row in rows]).T
    axes.grid(visible=True, axis="x")
    axes.barh(places, value, 0.7, color=HUES[0], alpha=0.5, lw=0, label="predicted")
    axes.errorbar(value, places, xerr=np.abs(ends - value), fmt="none", ecolor=HUES[0], elinewidth=0.9)
    if rows and "true" in rows[0]:
        axes.plot([row["true"] for row in rows], places, "|", ms=9, mew=1.6, color=HUES[1], label="true")
        figure.legend(loc="outside lower center", ncols=2)
    axes.set_yticks(places, [row["value"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("share")


def _ngrams(figure: Figure, answer: EvaluationResult, _: Sequence[str]) -> None:
    """Share of n-grams known, by length."""
    figure.set_size_inches(WIDTH, 1.9)
    axes = figure.subplots()
    known = [row for row in answer.rows if row["share"] is not None]
    axes.grid(visible=True, axis="x")
    for y, row in enumerate(known):
        _whisker(axes, row["share"], [row["low"], row["high"]] if row["low"] is not None else None, y)
    axes.set_yticks(range(len(known)), [f"{row['ngram']} words" for row in known])
    axes.set_ylim(max(len(known), 1) - 0.5, -0.5)
    axes.set_xlabel("share of n-grams in training texts")


def _whisker(axes: Axes, value: float, ends: Sequence[float] | None, y: int) -> None:
    if ends is not None:
        axes.plot(ends, [y, y], color=HUES[0], lw=1.0)
    axes.plot([value], [y], "o", ms=3.2, color=HUES[0])
