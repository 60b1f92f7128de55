"""What `biasloop plot RUN...` draws of stored runs: which panels, what stands at the axes and below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.report.arms import arms
from biasloop.report.figures import of_runs
from biasloop.report.figures.panels import Panel
from biasloop.store.reader import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Composed:
    """A figure that is not drawn yet.

    Attributes:
        panels: side by side.
        y_label: of all panels; empty where each has its own.
        x_label: of the lowest panels.
        caption: small print below.
        left_out: metrics of the preset, and arms, that no round has a value of.
    """

    panels: Sequence[Panel]
    y_label: str
    x_label: str
    caption: str
    left_out: Sequence[str] = ()

    def figure(self) -> "Figure":
        """Drawn, with 95 % t intervals as bands."""
        from biasloop.report.figures.canvas import figure_of

        return figure_of(
            [self.panels], y_label=self.y_label, x_label=self.x_label, caption=self.caption, band="interval"
        )


def composed(
    runs: Sequence[Run], metric: str | None = None, x: str | None = None, pool: Sequence[str] = ()
) -> Composed:
    """A figure of runs by round, or against a setting where that or the preset says so.

    Args:
        runs: each with a finished round.
        metric: what to draw; None for what the preset names.
        x: a setting to draw metrics against, or "epoch"; None for what the preset names.
        pool: with `x`, settings whose values are replicates.

    Raises:
        InvalidInput: no run has a value of what is to be drawn, or there is no such setting.
    """
    source = of_runs.source_of(runs[0])
    against = of_runs.against_setting(runs, metric, x, pool)
    if against is not None:
        return Composed(against.panels, "", against.x_label, source)
    drawn = of_runs.by_round(arms(runs), metric)
    caption = ". ".join(part for part in (source, drawn.note) if part)
    return Composed(drawn.panels, drawn.label, "Feedback round", caption, drawn.left_out)
