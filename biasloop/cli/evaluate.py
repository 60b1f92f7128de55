"""`biasloop evaluate`: metrics of somebody's predictions, or of a stored run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from biasloop.cli.examples import Command, Group
from biasloop.cli.options import Data, Json, data_directory
from biasloop.report.output import emit, show, table

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Compute metrics of a file of predictions, or of a stored run.\n\n"
    "Example: biasloop evaluate shares predictions.csv --predicted label --task truth",
)


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
    place: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    metric: Annotated[list[str] | None, typer.Option("--metric", help="Only these (repeatable).")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Compute every metric of a stored run anew, from its per-sample outputs, without a model.

    Example: biasloop evaluate run runs/quickstart/loop.human=20/seed-0 --metric worst_class_recall
    """
    from biasloop.engine import Options, reopen, replay
    from biasloop.errors import InvalidInput
    from biasloop.report import tables

    stored, prepared = reopen(place, Options(data_directory(data)))
    measured = {
        number: prepared.rule.measure(number, record, record.evaluations["test"].tables)
        for number, record in replay(stored, prepared.rule)
    }
    if not measured:
        raise InvalidInput(f"{place} has no finished round yet; the same `biasloop loop` goes on with it")
    known = list(dict.fromkeys(name for found in measured.values() for name in found))
    unknown = [name for name in metric or [] if name not in known]
    if unknown:
        raise InvalidInput(f"{place} has no metric {unknown[0]!r}; it has {', '.join(known)}")
    rounds: list[dict[str, Any]] = [
        {
            "round": number,
            "metrics": {
                name: {"value": m.value, "n": m.n, "se": m.error}
                for name, m in found.items()
                if not metric or name in metric
            },
        }
        for number, found in measured.items()
    ]
    if json:
        emit({"run": str(place), "rounds": rounds})
        return
    names = list(dict.fromkeys(name for row in rounds for name in row["metrics"]))
    cells = [
        [str(row["round"])]
        + [
            tables.measured(row["metrics"][n]["value"], row["metrics"][n]["se"]) if n in row["metrics"] else ""
            for n in names
        ]
        for row in rounds
    ]
    show(table(["round", *names], cells, right=range(len(names) + 1)))
