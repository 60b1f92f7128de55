"""`biasloop runs`: list, show, compare, verify and repair stored runs."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli import completing
from biasloop.cli.compare import compare
from biasloop.cli.examples import Command, Group
from biasloop.cli.options import Json
from biasloop.cli.runs_diff import diff
from biasloop.cli.runs_list import show_list
from biasloop.report.output import emit, measurement, note, say, show, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from biasloop.contract.data import Metric

app = typer.Typer(
    cls=Group,
    help="List, show, compare, verify or repair stored runs.\n\nExample: biasloop runs verify runs/quickstart",
    invoke_without_command=True,
)
_RUNS = Path("runs")
MOST = 8  # columns of metrics that a terminal has room for
Directory = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.", autocompletion=completing.runs)]


@app.callback()
def runs(context: typer.Context, json: Json = False) -> None:
    """List, show, compare, verify or repair stored runs."""
    if context.invoked_subcommand is None:
        show_list([_RUNS], json=json)


@app.command("list", cls=Command)
def list_runs(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DIR...", help="Where to look; default: runs.", show_default=False, autocompletion=completing.runs
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the runs at or below directories: finished, running and where, stopped, or failed and why.

    Example: biasloop runs list runs

    Example: biasloop runs list runs /shared/runs --json
    """
    show_list(directories or [_RUNS], json=json)


@app.command("show", cls=Command)
def show_run(directory: Directory, json: Json = False) -> None:
    """Print what a run is and what each round measured.

    Example: biasloop runs show runs/quickstart/loop.human=20/seed-0
    """
    import tomli_w

    from biasloop.running.provenance import COMPARED
    from biasloop.store.reader import Run

    run = Run.open(directory)
    rounds: list[dict[str, Any]] = [
        {"round": number, "metrics": _values(metrics), "sizes": sizes, "seconds": seconds}
        for number, metrics, sizes, seconds in run.summaries()
    ]
    untouched = run.pretrained()
    if untouched:
        rounds.insert(0, {"round": -1, "metrics": _values(untouched), "sizes": {}, "seconds": None})
    if json:
        experiment = {**run.identity, **{k: v for k, v in run.manifest.about.items() if k != "rounds"}}
        experiment["loop"] = {**experiment["loop"], "rounds": run.manifest.about.get("rounds")}
        emit({"experiment": experiment, "rounds": rounds, "environments": run.manifest.environments})
        return
    if run.manifest.about.get("arm"):
        say(f"# arm: {run.manifest.about['arm']}")
    say(tomli_w.dumps(run.identity).rstrip())
    every = list(dict.fromkeys(name for row in rounds for name in row["metrics"]))
    names = _columns(run.manifest.about, every)
    columns = [_column([row["metrics"].get(name) for row in rounds]) for name in names]
    cells = [[str(row["round"]), *values] for row, *values in zip(rounds, *columns, strict=True)]
    show(table(["round", *names], cells, right=range(len(names) + 1)))
    if len(every) > len(names):
        say(f"{len(every) - len(names)} more metrics with --json")
    alike = {tuple(str(made.get(name)) for name in COMPARED) for made in run.manifest.environments}
    if len(alike) > 1:
        say(f"made in {len(alike)} segments (other versions, device or threads)")


def _column(metrics: "Sequence[dict[str, Any] | None]") -> list[str]:
    """A metric round by round, all with the same decimals; nothing where a round has none of the name."""
    from biasloop.report.tables import formatting

    values = [math.nan if each is None or each["value"] is None else each["value"] for each in metrics]
    texts = formatting.column(values)
    return ["" if each is None else text for each, text in zip(metrics, texts, strict=True)]


def _values(metrics: "Mapping[str, Metric]") -> dict[str, dict[str, Any]]:
    return {name: measurement(metric) for name, metric in metrics.items()}


def _columns(about: dict[str, Any], every: list[str]) -> list[str]:
    """The metrics that the preset speaks of, then those that are about the whole."""
    from biasloop.report.run_diff import spoken_of

    chosen = [name for name in spoken_of(about) if name in every]
    return [*chosen, *(name for name in every if "." not in name and name not in chosen)][:MOST]


app.command("diff", cls=Command)(diff)
app.command("compare", cls=Command)(compare)


@app.command("verify", cls=Command)
def verify(folder: Directory, json: Json = False) -> None:
    """Check every file of every run at or below a directory.

    Example: biasloop runs verify runs/quickstart
    """
    from biasloop.errors import InvalidInput
    from biasloop.store.finding import find_runs, nearby
    from biasloop.store.repair import verify as check

    directories = find_runs(folder) if folder.is_dir() else []
    if not directories:
        raise InvalidInput(f"there is no run at {folder}; {nearby(folder)}`biasloop runs` lists them")
    checked = {str(directory): check(directory) for directory in directories}
    if json:
        emit([{"run": run, "problems": problems} for run, problems in checked.items()])
    for run, problems in checked.items():
        for problem in problems:
            note(problem)
        if not json and not problems:
            say(f"{run}: every file is whole")
    if any(checked.values()):
        raise typer.Exit(1)


@app.command("repair", cls=Command)
def repair(directory: Directory, json: Json = False) -> None:
    """Move the first damaged round and all later ones aside; nothing is deleted.

    Example: biasloop runs repair runs/quickstart/loop.human=20/seed-0
    """
    from biasloop.store.repair import repair as mend

    report = mend(directory)
    if json:
        emit(
            {
                "run": str(directory),
                "kept": report.kept,
                "aside": report.aside,
                "folder": str(report.folder or ""),
            }
        )
        return
    if report.folder:
        say(f"moved {', '.join(report.aside)} to {report.folder}")
    if report.anew:
        say("made manifest.json anew; what it said besides the files is written again by the same `biasloop loop`")
    from biasloop.report.tables import formatting

    say(f"{directory} has {formatting.counted(report.kept, 'whole round')}; the same `biasloop loop` goes on with it")
