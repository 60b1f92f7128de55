"""`biasloop export`: what stored runs measured as CSV or Parquet files, and a round's model for other programs."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.options import Data, Device, Json, data_directory, on_notice
from biasloop.cli.outputs import check_directory
from biasloop.cli.stopping import stoppable
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say


def export(
    places: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.", autocompletion=completing.runs)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write; of csv also a FILE.csv.")
    ] = Path("exports"),
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help='"csv": one tidy table of metrics; "parquet": metrics, ledger and per-sample tables; "hf": a round\'s '
            'model as a Hugging Face directory; "released": the files of a published study\'s code; or such a layout '
            'by its name: "bias-amp" (images), "ffl" (generators).',
            autocompletion=completing.formats,
        ),
    ] = "csv",
    number: Annotated[
        int | None,
        typer.Option(
            "--round",
            help="Of hf: whose model, default: the newest round's; of parquet: of which the per-sample tables are.",
        ),
    ] = None,
    device: Device = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Write what runs measured as CSV or Parquet files, or a round's model for other programs.

    Example: biasloop export runs/quickstart --output tables

    Example: biasloop export runs/bias-amp-fashion-small --format bias-amp

    Example: biasloop export runs/quickstart-language/seed-0 --format hf --round 3 --output model
    """
    from biasloop.report.tables import exporting, formatting

    if form == exporting.MODEL:
        _export_model(places, number, output, data, device, force=force, json=json)
        return
    if number is not None and form != exporting.TABLES:
        raise InvalidInput(
            f"--round goes with --format {exporting.MODEL} or {exporting.TABLES}; leave it out: all rounds are written"
        )
    from biasloop.report.arms import open_runs
    from biasloop.running.engine import Options

    check_directory("--output", output.parent if exporting.is_file(output) else output)
    with stoppable(lambda: f"every file that is in {output} is whole; the same command with --force writes them all"):
        runs = open_runs(places)
        if form == exporting.TIDY:
            written = exporting.export_metrics(runs, output, force=force)
        elif form == exporting.TABLES:
            from biasloop.report.tables.parquet import export_parquet, of_other_exports

            written = export_parquet(runs, output, number=number, force=force)
            if others := of_other_exports(output, written):
                note(
                    f"{formatting.counted(len(others), 'file')} beside them, such as {others[0]}, are of an earlier "
                    "export; remove them, or give another --output, before the folder is read as one table"
                )
        else:
            options = Options(data_directory(data), on_event=on_notice)
            written = exporting.export_released(runs, output, options, layout=form, force=force)
    if json:
        files = [{"file": str(file.path), "rows": file.rows} for file in written]
        emit({"format": form, "runs": len(runs), "files": files})
        return
    for folder, count in Counter(file.path.parent for file in written).items():
        say(f"wrote {formatting.counted(count, 'file')} to {folder}")


def _export_model(
    places: list[Path], number: int | None, output: Path, data: Path | None, device: str, *, force: bool, json: bool
) -> None:
    """A round's model as a directory."""
    from biasloop.report.arms import open_runs
    from biasloop.report.tables.exporting import MODEL
    from biasloop.running.engine import Options
    from biasloop.running.model_export import export_model

    runs = [run.directory for run in open_runs(places)]
    if len(runs) != 1:
        raise InvalidInput(f"--format {MODEL} writes the model of one run, and there are {len(runs)}; name {runs[0]}")
    check_directory("--output", output)
    with stoppable(lambda: f"nothing was written to {output}"):
        options = Options(data_directory(data), device, on_event=on_notice)
        exported = export_model(runs[0], number, output, options, force=force)
    if json:
        emit({"format": MODEL, **asdict(exported), "directory": str(exported.directory)})
        return
    again = " (fitted again: the run held it no longer)" if exported.how == "refitted" else ""
    say(f"wrote the model of round {exported.round}{again} to {exported.directory}; {exported.format.library} loads it "
        f"by {exported.format.loader}.from_pretrained")  # fmt: skip
