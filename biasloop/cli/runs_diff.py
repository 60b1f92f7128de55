"""`biasloop runs diff`: in what two runs differ."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli import completing
from biasloop.cli.options import Json
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, measurement, note, say, show, table

if TYPE_CHECKING:
    from biasloop.contract.data import Metric
    from biasloop.report.run_diff import Compared, Difference
    from biasloop.store.reader import Run

_MOST = 8  # metrics that are printed without --all


def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A run's directory.", autocompletion=completing.runs)],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another's.", autocompletion=completing.runs)],
    number: Annotated[
        int | None, typer.Option("--round", min=0, help="Which round's metrics; default: the newest that both have.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every metric, not only the first few.")] = False,
    json: Json = False,
) -> None:
    """Say in what two runs differ: settings, versions and device, then what they measured.

    Example: biasloop runs diff runs/quickstart/loop.human=20/seed-0 runs/quickstart/loop.human=100/seed-0
    """
    from biasloop.report import run_diff
    from biasloop.store.reader import Run

    runs = [Run.open(directory) for directory in (first, second)]
    a, b = runs
    chosen = _round(runs, number)
    settings = run_diff.settings(a.identity, b.identity)
    made_with = run_diff.made_with(a.manifest.environments, b.manifest.environments)
    about = [run.manifest.about for run in runs]
    compared = [] if chosen is None else run_diff.metrics(_metrics(a, chosen), _metrics(b, chosen), about)
    if json:
        emit(_answer(runs, settings, made_with, chosen, compared))
        return
    columns = _columns(about)
    _show_differences("settings", settings, columns)
    _show_differences("made with", made_with, columns)
    if chosen is None:
        note("the runs have no finished round in common, so that nothing measured can be compared")
    else:
        _show_metrics(chosen, compared, columns, every=every)


def _columns(about: list[dict[str, Any]]) -> list[str]:
    """What the runs are called: A and B, with the names of their arms."""
    arms = [each.get("arm") for each in about]
    return [f"{letter} ({arm})" if arm else letter for letter, arm in zip("AB", arms, strict=True)]


def _round(runs: "list[Run]", asked: int | None) -> int | None:
    """The round whose metrics are compared; None if there is none that both have."""
    if asked is None:
        return max({*runs[0].rounds} & {*runs[1].rounds}, default=None)
    for run in runs:
        if asked not in run.rounds:
            raise InvalidInput(f"--round {asked}: {run.directory} has {len(run.rounds)} rounds, counted from 0")
    return asked


def _metrics(run: "Run", number: int) -> "dict[str, Metric]":
    return next(metrics for _, metrics, _, _ in run.summaries([number]))


def _answer(
    runs: "list[Run]", settings: "list[Difference]", made_with: "list[Difference]", number: int | None,
    compared: "list[Compared]",
) -> dict[str, Any]:  # fmt: skip
    return {
        "runs": [str(run.directory) for run in runs],
        "arms": [str(run.manifest.about.get("arm", "")) for run in runs],
        "settings": [vars(difference) for difference in settings],
        "made_with": [vars(difference) for difference in made_with],
        "round": number,
        "metrics": {
            each.name: {
                "first": None if each.first is None else measurement(each.first),
                "second": None if each.second is None else measurement(each.second),
                "difference": each.difference,
                "se": each.error,
            }
            for each in compared
        },
    }


def _show_differences(title: str, differences: "list[Difference]", columns: list[str]) -> None:
    if not differences:
        say(f"{title}: equal")
        return
    rows = [[each.key, str(each.first), str(each.second)] for each in differences]
    show(table([title, *columns], rows))


def _show_metrics(number: int, compared: "list[Compared]", columns: list[str], *, every: bool) -> None:
    from biasloop.report.tables import formatting

    def cell(metric: "Metric | None") -> str:
        return formatting.MISSING if metric is None or not metric.n else formatting.number(metric.value)

    shown = compared if every else compared[:_MOST]
    rows = [
        [each.name, cell(each.first), cell(each.second), formatting.measured(each.difference, each.error)]
        for each in shown
    ]
    show(table(["metric", *columns, "B - A"], rows, right=(1, 2, 3), title=f"round {number}"))
    if any(not math.isnan(each.error) for each in shown):
        say("± is the standard error of the difference as if the runs were independent; runs that share a test set "
            "are not, and differ by less chance")  # fmt: skip
    if len(shown) < len(compared):
        say(f"{len(compared) - len(shown)} more metrics with --all")
