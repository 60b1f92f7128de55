"""`biasloop plot`: draw runs, or a published figure from the runs found."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.options import Json
from biasloop.cli.outputs import Force, check_figure
from biasloop.cli.stopping import output_of, stoppable
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say

if TYPE_CHECKING:
    from biasloop.report.figures.composed import Composed
    from biasloop.report.figures.of_runs import Figure


def plot(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FIGURE] RUN...",
            help="Directories of runs, a figure's name, or a layout and its runs.",
            autocompletion=completing.plotted,
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help=".png, .pdf or .svg; default: RUN.png.")
    ] = None,
    force: Force = False,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", help="What to draw; default: what the preset names.", autocompletion=completing.metrics
        ),
    ] = None,
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            "--overlay",
            metavar="WHAT",
            help='Released results to draw over runs (repeatable): "published", or a file or directory of results.',
        ),
    ] = None,
    x: Annotated[
        str | None,
        typer.Option("--x", help='A setting to draw metrics against, or "epoch"; default: what the preset names.'),
    ] = None,
    pool: Annotated[
        list[str] | None, typer.Option("--pool", help="Of --x: a setting whose values are replicates (repeatable).")
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Draw nothing: list the figures; with runs, the metrics that they have.")
    ] = False,
    json: Json = False,
) -> None:
    """Draw runs: series with a band over seeds, bound, baseline, calibration error of round 0.

    Example: biasloop plot runs/quickstart --output quickstart.pdf

    Example: biasloop plot runs/ffl-cmnist-mc --metric accuracy --overlay published

    Example: biasloop plot runs/quickstart --x loop.human --metric bias

    Example: biasloop plot --list

    Example: biasloop plot ffl-single runs/quickstart-generations --output single.pdf
    """
    from biasloop.report.figures import of_runs

    if listed:
        _list([Path(name) for name in what or []], json=json)
        return
    if not what:
        raise InvalidInput("name runs to draw, or a figure; `biasloop plot --list` lists the figures")
    layout = None if Path(what[0]).is_dir() else of_runs.find_layout(what[0])
    if layout and overlay:
        raise InvalidInput("--overlay goes with runs, and a figure has curves of its own; leave the figure's name out")
    places = [Path(name) for name in what]
    target = output or _default(what[0], figure=layout is not None)
    if metric and not (layout or overlay or force) and target.is_file():
        _composed(places, metric, x, pool or [])  # a wrong name is told first: another file's name would not mend it
    check_figure("--output", target, force=force)
    with stoppable(output_of(target)):
        if layout and len(what) > 1:
            written = _figure(of_runs.single(layout, places[1:]), target)
        elif layout:
            written = _published(what[0], layout, target)
        elif overlay:
            written = _overlaid(places, target, metric, overlay)
        else:
            written = _runs(places, target, metric, x, pool or [])
    if json:
        emit({"file": str(written)})
    else:
        say(f"wrote {written}")


def _list(places: list[Path], *, json: bool) -> None:
    from biasloop.cli import metrics_list
    from biasloop.report.arms import open_runs

    if places:
        metrics_list.show_metrics(open_runs(places), json=json)
    else:
        metrics_list.show_figures(json=json)


def _default(first: str, *, figure: bool) -> Path:
    """The file that is written if none is named: after the figure, or beside the first run."""
    if figure:
        return Path(f"{first}.png")
    return Path(first).parent / f"{Path(first).resolve().name}.png"


def _published(name: str, layout: Path, target: Path) -> Path:
    from biasloop.report.figures import of_runs

    figure = of_runs.published(name, layout)
    if not (figure.layout.rows or figure.layout.presets):
        raise InvalidInput(f"{name} shows runs that you name, and none is given; type: {', '.join(figure.missing)}")
    if figure.missing:
        note("runs are missing; type:\n" + "\n".join(f"  {command}" for command in figure.missing))
    if not figure.rows:
        raise InvalidInput(f"no run of {name} was found in runs/")
    return _figure(figure, target)


def _figure(figure: "Figure", target: Path) -> Path:
    from biasloop.report.figures.canvas import draw

    if figure.left_out:
        note(f"no run has what these show: {', '.join(figure.left_out)}")
    caption = ". ".join(part for part in (figure.layout.source, figure.layout.certainty) if part)
    return draw(
        figure.rows, target, y_label=figure.layout.y_labels or "", x_label=figure.layout.x_label, caption=caption,
        band=figure.band,
    )  # fmt: skip


def _composed(places: list[Path], metric: str | None, x: str | None, pool: list[str]) -> "Composed":
    from biasloop.report.arms import begun, open_runs
    from biasloop.report.figures.composed import composed

    return composed(begun(open_runs(places)), metric, x, pool)


def _runs(places: list[Path], target: Path, metric: str | None, x: str | None, pool: list[str]) -> Path:
    from biasloop.report.figures.canvas import draw

    figure = _composed(places, metric, x, pool)
    if figure.left_out:
        note(f"no round has a value of {', '.join(figure.left_out)}, which is left out")
    return draw(
        [figure.panels], target, y_label=figure.y_label, x_label=figure.x_label, caption=figure.caption, band="interval"
    )


def _overlaid(places: list[Path], target: Path, metric: str | None, sources: list[str]) -> Path:
    from biasloop.report.arms import arms, begun, open_runs
    from biasloop.report.figures import of_runs, overlay

    runs = begun(open_runs(places))
    grouped = arms(runs)
    panel = overlay.panel_of(grouped, metric)
    others = [] if metric else list(runs[0].manifest.about.get("plot", {}).get("series", []))[1:]
    if others:
        note(f"released results are drawn over the first metric; --metric names others: {', '.join(others)}")
    drawn = overlay.overlays(sources, grouped, metric or overlay.metric_drawn(grouped[0]))
    return overlay.draw(
        panel, drawn, target, y_label=of_runs.axis_label(runs[0], metric),
        caption=overlay.caption(str(runs[0].manifest.about.get("source", "")), drawn),
    )  # fmt: skip
