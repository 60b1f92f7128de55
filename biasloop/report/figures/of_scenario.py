"""Draws a scenario: bias by round with the band of simulations, and bias of the last round by share of human labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.report.figures.canvas import PANEL_HEIGHT, WIDTHS, format_of, save, style
from biasloop.report.figures.lines import BOUND_DASHES, GREEN, HUES, LINE, MARKER, ORANGE, THIN
from biasloop.report.tables.of_scenario import Answer
from biasloop.scenario.planning import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEGEND = 0.45  # inches


def draw(answer: Answer, path: Path) -> Path:
    """Write the figure; its suffix is the format.

    Raises:
        InvalidInput: no such format.
        BiasloopError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    suffix = format_of(path)
    with style():
        figure = Figure(figsize=(WIDTHS[2], PANEL_HEIGHT + _LEGEND), layout="constrained")
        FigureCanvasAgg(figure)
        rounds, shares = figure.subplots(1, 2)
        _by_round(rounds, answer)
        _by_share(shares, answer)
        entries = {
            label: line
            for axes in (rounds, shares)
            for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=3)
        save(figure, path, suffix)
    return path


def _by_round(axes: Axes, answer: Answer) -> None:
    """Bias of the predictions by round, in percentage points."""
    from matplotlib.ticker import MaxNLocator

    course, simulated = answer.outcome.course, answer.simulated
    x = range(len(course.bias))
    if simulated is not None:
        low, high = simulated.band()
        axes.fill_between(x, 100 * low, 100 * high, color=HUES[0], alpha=0.18, lw=0, label="95 % of simulations")
    axes.plot(x, [100 * bias for bias in course.bias], color=HUES[0], lw=LINE, label="expected bias")
    if answer.bounded_apart:
        sign = -1 if course.bias[-1] < 0 else 1
        bound = [100 * sign * value for value in course.bound]
        axes.plot(x, bound, color=ORANGE, lw=THIN, dashes=BOUND_DASHES, label="bound")
    if answer.level is not None:
        levels = (
            (answer.level, -answer.level)
            if min(course.bias) < 0 < max(course.bias)
            else ((answer.level,) if course.bias[-1] >= 0 else (-answer.level,))
        )
        for level in levels:
            axes.axhline(100 * level, color=GREEN, lw=THIN, ls=":", label="level to keep to")
    axes.set_xlabel("Feedback round")
    axes.set_ylabel("Bias (% points)")
    axes.set_title(f"{answer.outcome.human:,} human labels a round" if answer.outcome.human else "No human labels")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlim(0, len(course.bias) - 1)
    axes.axhline(0, lw=0)  # so that the axis reaches 0


def _by_share(axes: Axes, answer: Answer) -> None:
    """The last round's bound by the share of human labels among new samples, with the one that was chosen."""
    delta = abs(answer.scenario.model.delta)
    chosen = answer.outcome
    every = sorted([*answer.shares, chosen], key=lambda outcome: outcome.share)
    axes.plot(*_points(every), color=HUES[3], lw=LINE, label="bound of the last round")
    axes.plot(*_points(answer.shares), ls="", marker="o", ms=MARKER, color=HUES[3], mec="white", mew=0.4)
    axes.plot(*_points([chosen]), ls="", marker="D", ms=MARKER + 1.5, color=HUES[1], mec="white", mew=0.4,
              label="this scenario")  # fmt: skip
    axes.axhline(100 * delta, color="#8C8C8C", lw=THIN, dashes=(1.5, 1.5), label="error of one model")
    if answer.level is not None:
        axes.axhline(100 * answer.level, color=GREEN, lw=THIN, ls=":", label="level to keep to")
    axes.set_xlabel("Labelled by people, % of a round's new samples")
    axes.set_ylabel("Bias at most (% points)")
    axes.set_title("In the last round, by share of human labels")
    axes.set_ylim(bottom=0)


def _points(outcomes: list[Outcome]) -> tuple[list[float], list[float]]:
    """Share and bound of the last round, both in percent."""
    return [100 * outcome.share for outcome in outcomes], [100 * outcome.course.bound[-1] for outcome in outcomes]
