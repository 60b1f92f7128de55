"""`biasloop runs compare`: arms of a study against one of them, seed by seed."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.options import Json
from biasloop.report.output import emit, finite, note, say, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biasloop.metrics.intervals import Spread
    from biasloop.report.arms import Arm
    from biasloop.report.paired import Paired
    from biasloop.store.reader import Run

_FEW = 4  # seeds below which an interval is said to be a guess


def compare(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Directories of runs.", autocompletion=completing.runs)
    ],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="ARM", help="The arm to compare with, or its directory's name; default: the preset's first."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A metric; may be repeated. Default: the preset's.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--round", min=0, help="Which round; default: the last that all runs have.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare the arms of a study, paired by seed: mean difference, t interval, and an e-value.

    An e-value of 20 or more, at any look, is a difference with at most 5 % false alarms however often one looks.

    Example: biasloop runs compare runs/quickstart-selection --to uniform --metric worst_class_recall
    """
    from biasloop.report.arms import begun, open_runs
    from biasloop.report.paired import arms_of_studies, first_of_preset, last_common, paired, reference_arm
    from biasloop.report.tables import summary

    runs = open_runs(directories)
    every = arms_of_studies(begun(runs))
    chosen = last_common(every) if number is None else number
    to = to or first_of_preset(every)
    section = every[0].runs[0].run.manifest.about.get("plot", {})
    names = metric or list(dict.fromkeys([*section.get("series", []), summary.quality_of(every)]))
    base = reference_arm(every, to)
    measured = {
        name
        for run in base.runs
        for row in run.metrics[chosen : chosen + 1]
        for name, metric in row.items()
        if math.isfinite(metric.value)
    }
    compared = metric or [name for name in names if name in measured]
    for name in [name for name in names if name not in compared]:
        note(f"{name} is not compared: no run of {base.label!r} has a number of it; `--metric NAME` names others")
    rows = paired(every, to, compared, chosen)
    _tell_left_out(runs, every, rows, chosen, asked=number is not None)
    if json:
        emit([_answer(row) for row in rows])
        return
    for name in dict.fromkeys(row.metric for row in rows):
        _show(name, [row for row in rows if row.metric == name])
    if min((len(row.seeds) for row in rows), default=0) < _FEW:
        say("fewer than four seeds: an interval says little yet")


def _tell_left_out(
    runs: "Sequence[Run]", every: "Sequence[Arm]", rows: "Sequence[Paired]", number: int, *, asked: bool
) -> None:
    """Name the runs that ended before others did, or before the round that was asked for, and arms without a row."""
    without = [run for run in runs if len(run.rounds) <= number]
    if without:
        names = ", ".join(f"{run.directory} ({len(run.rounds)} finished rounds)" for run in without)
        note(f"not compared, for want of round {number}: {names}")
    if not asked and any(len(run.rounds) > number + 1 for run in runs):
        names = ", ".join(str(run.directory) for run in runs if len(run.rounds) == number + 1)
        note(f"round {number} is compared, the last of {names}; `--round N` compares a later one, of runs that have it")
    compared: dict[str, list[str]] = {arm.label: [] for arm in every}
    for row in rows:
        compared[row.arm].append(row.metric)
    for label, metrics in compared.items():
        lacking = [name for name in dict.fromkeys(row.metric for row in rows) if name not in metrics]
        if lacking:
            beside = f"no seed of it and of {rows[0].arm} has them in round {number}"
            note(f"{label} is left out of {', '.join(lacking)}: {beside}")


def _show(metric: str, rows: "list[Paired]") -> None:
    from biasloop.report.tables import formatting

    cells = [
        [
            row.arm, formatting.count(len(row.seeds)), formatting.number(row.value.mean),
            *(
                [formatting.MISSING] * 3
                if index == 0
                else [
                    f"{row.difference.mean:+.4f}", formatting.interval(row.difference.low, row.difference.high),
                    formatting.MISSING if math.isnan(row.evidence) else f"{row.evidence:.3g}",
                ]
            ),
        ]
        for index, row in enumerate(rows)
    ]  # fmt: skip
    columns = ["arm", "seeds", "mean", "difference", "95 % interval", "e-value"]
    show(
        table(columns, cells, right=(1, 2, 3, 4, 5), title=f"{metric}, against {rows[0].arm}, in round {rows[0].round}")
    )


def _answer(row: "Paired") -> object:
    def spread(values: "Spread") -> dict[str, object]:
        return {"mean": values.mean, "std": values.std, "low": values.low, "high": values.high, "n": values.n}

    return finite({
        "metric": row.metric, "arm": row.arm, "round": row.round, "seeds": list(row.seeds), "value": spread(row.value),
        "difference": spread(row.difference), "e_value": row.evidence,
    })  # fmt: skip
