"""`biasloop plot`: draw runs, or a published figure from the runs found."""

from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli.options import Json
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say


def plot(
    what: Annotated[
        list[str], typer.Argument(metavar="RUN...|FIGURE", help="Directories of runs, or a figure's name.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help=".png, .pdf or .svg.")] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="What to draw; default: what the preset names.")
    ] = None,
    json: Json = False,
) -> None:
    """Draw runs: series with a band over seeds, bound, baseline, calibration error of round 0.

    Example: biasloop plot runs/quickstart --out quickstart.pdf
    """
    from biasloop.report import plots

    layout = plots.find_layout(what[0]) if len(what) == 1 and not Path(what[0]).is_dir() else None
    written = _published(what[0], layout, out) if layout else _runs([Path(name) for name in what], out, metric)
    if json:
        emit({"file": str(written)})
    else:
        say(f"wrote {written}")


def _published(name: str, layout: Path, out: Path | None) -> Path:
    from biasloop.report import plots
    from biasloop.report.figures import draw

    figure = plots.published(name, layout)
    if figure.missing:
        note("runs are missing; type:\n" + "\n".join(f"  {command}" for command in figure.missing))
    if not figure.rows:
        raise InvalidInput(f"no run of {name} was found in runs/")
    caption = ". ".join(part for part in (figure.layout.source, figure.layout.certainty) if part)
    return draw(
        figure.rows, out or Path(f"{name}.png"), y_label=figure.layout.y_labels or "",
        x_label=figure.layout.x_label, caption=caption,
    )  # fmt: skip


def _runs(places: list[Path], out: Path | None, metric: str | None) -> Path:
    from biasloop.report import plots
    from biasloop.report.figures import draw
    from biasloop.report.series import arms, begun, open_runs

    found = begun(open_runs(places))
    grouped = arms(found)
    source = str(found[0].manifest.about.get("source", ""))
    target = out or places[0].parent / f"{places[0].resolve().name}.png"
    return draw(
        [[plots.panel("", grouped, metric)]], target, y_label=plots.axis_label(found[0], metric),
        caption=source, band="interval",
    )  # fmt: skip
