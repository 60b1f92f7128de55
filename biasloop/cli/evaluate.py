"""`biasloop evaluate`: metrics of somebody's predictions, or of stored runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli import completing, evaluate_embeddings, evaluate_file
from biasloop.cli.examples import Command, Group
from biasloop.cli.options import Data, Json, data_directory, on_notice
from biasloop.errors import InvalidInput, near
from biasloop.report.output import emit, measurement, say, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biasloop.running.engine import Options
    from biasloop.store.reader import Run

_MOST_COLUMNS = 7  # metrics side by side
_MOST_ROUNDS = 3  # side by side
_MOST_NAMED, _MOST_NEAR = 25, 3  # metrics in a message
ANNOTATORS = "annotators"  # what is asked for like a metric, and is a table over runs

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Compute metrics of a file of predictions, of embeddings of images, or of stored runs.\n\n"
    "Example: biasloop evaluate shares predictions.csv --predicted label --task truth",
    epilog="Exit code 4: a gate (--fail-above, --fail-below) was crossed.",
)
app.add_typer(evaluate_file.app)
app.add_typer(evaluate_embeddings.app)


@app.command("run", cls=Command)
def run(
    places: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.", autocompletion=completing.runs)
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help='Only these (repeatable); "annotators": those of all runs, pooled.',
            autocompletion=completing.metrics,
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="Name the metrics that there are, with their labels, and compute nothing.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Compute every metric of stored runs anew, from their per-sample outputs, without a model.

    Example: biasloop evaluate run runs/quickstart/loop.human=20/seed-0 --metric worst_class_recall

    Example: biasloop evaluate run runs/quickstart-generations --metric annotators

    Example: biasloop evaluate run runs/quickstart --list
    """
    from biasloop.report.arms import open_runs
    from biasloop.running.engine import Options

    wanted = metric or []
    runs = open_runs(places)
    if listed:
        from biasloop.cli.metrics_list import show_metrics

        show_metrics(runs, json=json)
        return
    if ANNOTATORS in wanted:
        if len(wanted) > 1:
            raise InvalidInput(f"--metric {ANNOTATORS} is a table of its own; ask for other metrics by themselves")
        _annotators(runs, json=json)
        return
    options = Options(data_directory(data), on_event=on_notice)
    computed = [(str(stored.directory), _recomputed(stored.directory, wanted, options)) for stored in runs]
    if json:
        answers = [{"run": name, "rounds": rounds} for name, rounds in computed]
        emit(answers[0] if len(answers) == 1 else answers)
        return
    for name, rounds in computed:
        _show(rounds, name if len(computed) > 1 else "")


def _recomputed(directory: Path, wanted: "Sequence[str]", options: "Options") -> list[dict[str, Any]]:
    """Metrics of every round of a run, all or those wanted."""
    from biasloop.running.remeasure import remeasured

    measured = remeasured(directory, options)
    if not measured:
        raise InvalidInput(f"{directory} has no finished round yet; the same `biasloop loop` goes on with it")
    known = list(dict.fromkeys(name for again in measured.values() for name in again.metrics))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        hint = near(unknown[0], known, most=_MOST_NEAR)
        there = f"it has {', '.join(known)}" if len(known) <= _MOST_NAMED else f"--list names its {len(known)} metrics"
        raise InvalidInput(f"{directory} has no metric {unknown[0]!r}; {there}{hint}")
    return [
        {
            "round": number,
            "metrics": {
                name: measurement(metric) for name, metric in again.metrics.items() if not wanted or name in wanted
            },
            "as_stored": [name for name in again.as_stored if not wanted or name in wanted],
        }
        for number, again in measured.items()
    ]


def _show(rounds: list[dict[str, Any]], title: str) -> None:
    names = list(dict.fromkeys(name for row in rounds for name in row["metrics"]))
    if title:
        say(title)
    if len(names) <= _MOST_COLUMNS:
        cells = [[str(row["round"]), *(_cell(row, name) for name in names)] for row in rounds]
        show(table(["round", *names], cells, right=range(len(names) + 1)))
    else:  # a line a metric, which a terminal has room for
        shown = rounds if len(rounds) <= _MOST_ROUNDS else [rounds[0], *rounds[1 - _MOST_ROUNDS :]]
        cells = [[name, *(_cell(row, name) for row in shown)] for name in names]
        show(table(["metric", *(f"round {row['round']}" for row in shown)], cells, right=range(1, len(shown) + 1)))
        if len(shown) < len(rounds):
            say(f"{len(rounds) - len(shown)} rounds between are left out; --json, or a --metric, has all")
    as_stored = list(dict.fromkeys(name for row in rounds for name in row["as_stored"]))
    if as_stored:
        say(f"as the round measured it, for it needs more than is stored: {', '.join(as_stored)}")


def _cell(row: dict[str, Any], name: str) -> str:
    """A metric of a round; nothing where it has none of the name."""
    return _measured(row["metrics"][name]) if name in row["metrics"] else ""


def _measured(metric: dict[str, Any]) -> str:
    from biasloop.report.tables import formatting

    return formatting.MISSING if metric["value"] is None else formatting.measured(metric["value"], metric["se"])


def _annotators(runs: "list[Run]", *, json: bool) -> None:
    """A row for each annotator and split."""
    from biasloop.report.tables import formatting
    from biasloop.report.tables.annotators import MEASURES, pooled

    rows = pooled(runs)
    if json:
        emit({"runs": len(runs), "annotators": [row.as_json() for row in rows]})
        return
    cells = []
    for row in rows:
        numbers = [row.summary(measure) for measure in MEASURES]
        texts = [formatting.measured(*summary) if summary else formatting.MISSING for summary in numbers]
        cells.append([row.annotator, row.split, str(row.runs), *texts])
    headers = ["annotator", "split", "n", *(measure.replace("_", " ") for measure in MEASURES)]
    say(f"annotators of {formatting.counted(len(runs), 'run')}, mean ± population standard deviation")
    show(table(headers, cells, right=range(2, len(headers))))
