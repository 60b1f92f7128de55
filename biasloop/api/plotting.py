"""Figures of stored runs for a notebook: what `biasloop plot` writes into a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.api.runs import Run
from biasloop.api.studies import Study, open_study
from biasloop.api.warned import warn
from biasloop.report.arms import begun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 160  # of a page


def plot(
    what: Study | Run | str | Path | Sequence[Run],
    metric: str | None = None,
    *,
    x: str | None = None,
    pool: Sequence[str] = (),
) -> Figure:
    """Draw runs: series with a band over seeds, bound, baseline, calibration error of round 0.

    Args:
        what: a study, a run, some runs, or a directory of them.
        metric: what to draw; None for what the preset names.
        x: a setting to draw metrics against, or "epoch"; None for what the preset names, else rounds.
        pool: with `x`, settings whose values are replicates.

    Returns:
        A figure of its own (none of pyplot's), which a notebook shows and `savefig` writes.

    Raises:
        InvalidInput: no run has a finished round or a value of what is to be drawn, or there is no such setting.
    """
    from biasloop.report.figures.composed import composed

    runs = [what] if isinstance(what, Run) else open_study(what).runs if isinstance(what, str | Path) else what
    stored = [run.stored for run in (runs.runs if isinstance(runs, Study) else runs)]
    figure = composed(begun(stored), metric, x, pool)
    if figure.left_out:
        warn(f"no round has a value of {', '.join(figure.left_out)}, which is left out")
    return _shown(figure.figure())


def _shown(figure: Figure) -> Figure:
    """The figure, which a notebook shows whether or not pyplot was ever imported there."""

    def png() -> bytes:
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=_DPI)
        return data.getvalue()

    figure._repr_png_ = png  # type: ignore[attr-defined]
    return figure
