"""`biasloop generate`: what a stored round's model makes of samples."""

from pathlib import Path
from typing import Annotated

import typer

from biasloop.cli.options import Data, Device, Json, Threads, data_directory
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, note, say


def generate(
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="A run's directory.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write: a .csv file.")],
    number: Annotated[
        int | None, typer.Option("--round", min=0, help="Whose model; default: the newest round's.")
    ] = None,
    part: Annotated[str, typer.Option("--of", help='Which samples: "test", "pool" or "reserve".')] = "test",
    count: Annotated[int | None, typer.Option("--count", min=1, help="At most so many.")] = None,
    data: Data = None,
    device: Device = "auto",
    threads: Threads = 0,
    json: Json = False,
) -> None:
    """Label samples with the model of a stored round.

    Example: biasloop generate --run runs/quickstart/seed-0 --output labels.csv
    """
    from biasloop import producing
    from biasloop.engine import Options

    if part not in ("test", "pool", "reserve"):
        raise InvalidInput(f'--of {part}: expected "test", "pool" or "reserve"')
    if output.suffix != ".csv":
        raise InvalidInput(f"--output {output}: labels are written as a .csv file")
    if not output.parent.is_dir():
        raise InvalidInput(f"--output {output}: there is no directory {output.parent}")
    frame, how = producing.labels(run, number, part, count, Options(data_directory(data), device, threads))  # type: ignore[arg-type]
    producing.write_csv(frame, output)
    if how == "refitted":
        note("the round's model is no longer stored; it was fitted again from the round's training set")
    if json:
        emit({"file": str(output), "rows": len(frame), "model": how})
    else:
        say(f"wrote {len(frame):,} labels to {output}")
