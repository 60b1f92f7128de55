"""`biasloop export`: what stored runs measured, as CSV files."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli.options import Data, Json, data_directory, on_notice
from biasloop.cli.outputs import check_directory
from biasloop.cli.stopping import stoppable
from biasloop.report.output import emit, say


def export(
    places: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write; of csv also a FILE.csv.")
    ] = Path("exports"),
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help='"csv": one tidy table of metrics; "released": the files of a published study\'s code; or such a '
            'layout by its name: "bias-amp" (images), "ffl" (generators).',
        ),
    ] = "csv",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Write what runs measured as CSV files.

    Example: biasloop export runs/quickstart --output tables

    Example: biasloop export runs/bias-amp-fashion-small --format bias-amp
    """
    from biasloop.report.arms import open_runs
    from biasloop.report.tables import exporting, formatting
    from biasloop.running.engine import Options

    check_directory("--output", output.parent if exporting.is_file(output) else output)
    with stoppable(lambda: f"every file that is in {output} is whole; the same command with --force writes them all"):
        runs = open_runs(places)
        if form == exporting.TIDY:
            written = exporting.export_metrics(runs, output, force=force)
        else:
            options = Options(data_directory(data), on_event=on_notice)
            written = exporting.export_released(runs, output, options, layout=form, force=force)
    if json:
        files = [{"file": str(file.path), "rows": file.rows} for file in written]
        emit({"format": form, "runs": len(runs), "files": files})
        return
    for folder, count in Counter(file.path.parent for file in written).items():
        say(f"wrote {formatting.counted(count, 'file')} to {folder}")
