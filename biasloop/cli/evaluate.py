"""`biasloop evaluate`: metrics of somebody's predictions, or of stored runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli import judging
from biasloop.cli.examples import Command, Group
from biasloop.cli.options import Data, Json, data_directory
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, say, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biasloop.engine import Options
    from biasloop.store.reader import Run

ANNOTATORS = "annotators"  # what is asked for like a metric, and is a table over runs

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Compute metrics of a file of predictions, or of stored runs.\n\n"
    "Example: biasloop evaluate shares predictions.csv --predicted label --task truth",
)
app.add_typer(judging.app)


@app.command("shares", cls=Command)
def shares(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV or JSONL with a header.")],
    predicted: Annotated[str, typer.Option("--predicted", help="Column of predictions.")],
    task: Annotated[str | None, typer.Option("--task", help="Column of true labels.")] = None,
    json: Json = False,
) -> None:
    """How often each value is predicted, and by how much that differs from the truth.

    Example: biasloop evaluate shares predictions.csv --predicted label --task truth
    """
    from biasloop import predictions
    from biasloop.report import tables

    columns = predictions.read_columns(file, [predicted, *([task] if task else [])])
    rows = predictions.shares(columns[predicted], columns[task] if task else None)
    if json:
        emit({"n": len(columns[predicted]), "shares": [row.as_json() for row in rows]})
        return
    cells = [
        [row.value, tables.percent(row.predicted.value), tables.interval(*row.interval)]
        + (
            [tables.percent(row.true.value), f"{row.bias.value:+.4f} ± {row.bias.error:.4f}"]
            if row.true and row.bias
            else []
        )
        for row in rows
    ]
    headers = ["value", "predicted", "95 % interval"] + (["true", "bias ± standard error"] if task else [])
    show(
        table(
            headers,
            cells,
            right=range(1, 5),
            title=f"{tables.counted(len(columns[predicted]), 'row')} of {file}",
        )
    )


@app.command("run", cls=Command)
def run(
    places: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.")],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help='Only these (repeatable); "annotators": those of all runs, pooled.'),
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Compute every metric of stored runs anew, from their per-sample outputs, without a model.

    Example: biasloop evaluate run runs/quickstart/loop.human=20/seed-0 --metric worst_class_recall

    Example: biasloop evaluate run runs/quickstart-generations --metric annotators
    """
    from biasloop.engine import Options
    from biasloop.report.series import open_runs

    wanted = metric or []
    found = open_runs(places)
    if ANNOTATORS in wanted:
        if len(wanted) > 1:
            raise InvalidInput(f"--metric {ANNOTATORS} is a table of its own; ask for other metrics by themselves")
        _annotators(found, json=json)
        return
    options = Options(data_directory(data))
    computed = [(str(one.directory), _recomputed(one.directory, wanted, options)) for one in found]
    if json:
        answers = [{"run": name, "rounds": rounds} for name, rounds in computed]
        emit(answers[0] if len(answers) == 1 else answers)
        return
    for name, rounds in computed:
        _show(rounds, name if len(computed) > 1 else "")


def _recomputed(place: Path, wanted: "Sequence[str]", options: "Options") -> list[dict[str, Any]]:
    """Metrics of every round of a run, all or those wanted."""
    from biasloop.engine import reopen, replay

    stored, prepared = reopen(place, options)
    measured = {
        number: prepared.rule.measure(number, record, record.evaluations["test"].tables)
        for number, record in replay(stored, prepared.rule)
    }
    if not measured:
        raise InvalidInput(f"{place} has no finished round yet; the same `biasloop loop` goes on with it")
    known = list(dict.fromkeys(name for found in measured.values() for name in found))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InvalidInput(f"{place} has no metric {unknown[0]!r}; it has {', '.join(known)}")
    return [
        {
            "round": number,
            "metrics": {
                name: {"value": m.value, "n": m.n, "se": m.error}
                for name, m in found.items()
                if not wanted or name in wanted
            },
        }
        for number, found in measured.items()
    ]


def _show(rounds: list[dict[str, Any]], title: str) -> None:
    from biasloop.report import tables

    names = list(dict.fromkeys(name for row in rounds for name in row["metrics"]))
    cells = [
        [str(row["round"])]
        + [
            tables.measured(row["metrics"][n]["value"], row["metrics"][n]["se"]) if n in row["metrics"] else ""
            for n in names
        ]
        for row in rounds
    ]
    if title:
        say(title)
    show(table(["round", *names], cells, right=range(len(names) + 1)))


def _annotators(found: "list[Run]", *, json: bool) -> None:
    """A row for each annotator and split."""
    from biasloop.report import tables
    from biasloop.report.annotators import MEASURES, pooled

    rows = pooled(found)
    if json:
        emit({"runs": len(found), "annotators": [row.as_json() for row in rows]})
        return
    cells = []
    for row in rows:
        numbers = [row.summary(measure) for measure in MEASURES]
        texts = [tables.measured(*one) if one else tables.MISSING for one in numbers]
        cells.append([row.annotator, row.split, str(row.runs), *texts])
    headers = ["annotator", "split", "n", *(measure.replace("_", " ") for measure in MEASURES)]
    say(f"annotators of {tables.counted(len(found), 'run')}, mean ± population standard deviation")
    show(table(headers, cells, right=range(2, len(headers))))
