"""`biasloop report`: what stored runs say, as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.options import Data, Json, data_directory
from biasloop.cli.outputs import Force, check_file
from biasloop.cli.stopping import output_of, stoppable
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, say


def report(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY...",
            help="Directories of runs, or with runs below them; or a figure's name.",
            autocompletion=completing.plotted,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="An .html file; default: STUDY-report.html.")
    ] = None,
    force: Force = False,
    title: Annotated[str, typer.Option("--title", help="Of the page; default: the names of the presets.")] = "",
    samples: Annotated[
        int, typer.Option("--samples", min=0, max=100, metavar="N", help="Pictures or texts of a kind at most.")
    ] = 8,
    no_samples: Annotated[bool, typer.Option("--no-samples", help="Show no samples: they may be private.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Write what runs say as one HTML file that loads nothing: settings, figures, tables, samples.

    With --json the same content goes to stdout, and a file is written only where --output names one.

    Example: biasloop report runs/quickstart --output quickstart-report.html

    Example: biasloop report runs/quickstart runs/quickstart-roles --title Quickstarts

    Example: biasloop report fig3-mini --no-samples
    """
    target = output if json else output or _default(Path(studies[0]))
    if target is not None:
        _check(target, force=force)

    from biasloop.report.figures.of_runs import find_layout
    from biasloop.report.html import content
    from biasloop.report.html.page import page
    from biasloop.report.html.plain import plain
    from biasloop.running.engine import Options
    from biasloop.store.files import write_output

    with stoppable(output_of(target or Path("report"))):
        asked = content.Asked(Options(data_directory(data)), 0 if no_samples else samples)
        layout = None if Path(studies[0]).is_dir() else find_layout(studies[0])
        places = [Path(name) for name in studies]
        if layout is None:
            gathered = content.gather(places, asked, title)
        else:
            gathered = content.gather_figure(studies[0], layout, places[1:], asked, title)
        if target is not None:
            write_output(target, page(gathered))
    if json:
        emit(plain(gathered))
    else:
        say(f"wrote {target}")


def _default(first: Path) -> Path:
    """Here, and called as the study: reports do not lie among runs."""
    return Path(f"{first.resolve().name or 'runs'}-report.html")


def _check(target: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written, before anything is read.

    Raises:
        InvalidInput: it cannot, is there already, or is called as no page is.
    """
    if target.suffix.lower() not in {".html", ".htm"}:
        raise InvalidInput(f"--output {target}: a report is an .html file; end its name so")
    check_file("--output", target, force=force)
