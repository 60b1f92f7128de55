"""`biasloop compare` and `biasloop runs compare`: arms of a study against one of them, seed by seed."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biasloop.cli import completing
from biasloop.cli.options import Json
from biasloop.cli.outputs import Force, check_file
from biasloop.errors import InvalidInput
from biasloop.report.output import emit, hint, note, say, show, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from biasloop.report.comparison import Comparison
    from biasloop.report.tables.comparing import Cells
    from biasloop.store.reader import Run

_MOST_ARMS = 12  # that the end of a study compares; `biasloop compare` has all


def compare(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DIR...", help="Directories of runs.", show_default=False, autocompletion=completing.runs
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="ARM", help="The arm to compare with, or its directory's name; default: the preset's first."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help='A metric, or "bias"; may be repeated. Default: bias, the preset\'s, label error.',
            autocompletion=completing.metrics,
        ),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option("--round", min=0, help="Which round; default: the last that most of each arm have."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="How many seeds such a difference needs.")] = False,
    effect: Annotated[
        list[float] | None,
        typer.Option("--effect", metavar="SD", help="With --plan: an effect in standard deviations (repeatable)."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the comparison as CSV, too.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Compare the arms of a study, paired by seed: mean difference, t interval, and an e-value.

    An e-value of 20 or more, at any look, is a difference with at most 5 % false alarms however often one looks.

    Example: biasloop compare runs/quickstart

    Example: biasloop compare runs/quickstart --plan

    Example: biasloop compare --plan --effect 1.5

    Example: biasloop runs compare runs/quickstart-selection --to uniform --metric worst_class_recall
    """
    if effect and not plan:
        raise InvalidInput("--effect says what --plan is to find; add --plan, or leave --effect out")
    if plan and output is not None:
        raise InvalidInput("--output writes a comparison, and --plan makes none; leave one of them out")
    if effect or (plan and not directories):
        if directories or to or metric or number is not None:
            raise InvalidInput("--effect is planned without a study; leave directories, --to, --metric and --round out")
        _plan_effects(effect or [], json=json)
        return
    if not directories:
        raise InvalidInput("which study? type: biasloop compare DIR; `biasloop runs` lists the runs there are")
    check_file("--output", output, force=force)

    from biasloop.report import comparison as comparing
    from biasloop.report.arms import open_runs

    compared = comparing.compare(open_runs(directories), to=to, metrics=metric or (), number=number)
    for text in compared.notes:
        note(text)
    if plan:
        _plan_study(compared, json=json)
        return
    if output is not None:
        from biasloop.report.tables import comparing as tables
        from biasloop.store.files import write_output

        write_output(output, tables.as_csv(compared).encode())
        note(f"wrote {output}")
    _tell(compared, directories, json=json)


def _tell(compared: "Comparison", directories: "Sequence[Path]", *, json: bool) -> None:
    from biasloop.report.comparison import FEW
    from biasloop.report.tables import comparing

    if json:
        emit(comparing.as_json(compared))
        return
    _show(comparing.arms_table(compared), f"mean ± half of its 95 % t interval over seeds, in round {compared.round}")
    if len(compared.arms) == 1:
        say("there is one arm, which nothing can be compared with; more come from --grid, --arm or another preset")
        return
    for name in compared.metrics:
        rows = compared.of(name)
        _show(comparing.differences_table(rows), comparing.title(rows, compared.labels))
    if compared.seeds < FEW:
        again = shlex.join(["biasloop", "compare", *map(str, directories), "--plan"])
        hint(f"fewer than four seeds: an interval says little yet; this says how many it needs:\n  {again}")


def _plan_effects(effects: "Sequence[float]", *, json: bool) -> None:
    from biasloop.report import planning
    from biasloop.report.tables import comparing

    rows = planning.of_effects(effects)
    if json:
        emit([comparing.needed_as_json(row) for row in rows])
        return
    _show(comparing.needed_table(rows), "seeds that an effect needs, in standard deviations")
    _explain()


def _plan_study(compared: "Comparison", *, json: bool) -> None:
    from biasloop.metrics import power
    from biasloop.report import planning
    from biasloop.report.labels import heading
    from biasloop.report.tables import comparing

    rows = planning.of_comparison(compared)
    if json:
        emit([comparing.planned_as_json(row) for row in rows])
        return
    if not rows:
        raise InvalidInput(
            "there is no difference to plan for: no other arm shares a seed with "
            f"{compared.reference or 'the only one'!r}; `biasloop compare --plan --effect 1.5` plans for an effect"
        )
    for name in compared.metrics:
        title = f"seeds that a difference in {heading(name, compared.labels)} needs, against {compared.reference}"
        _show(comparing.planned_table([row for row in rows if row.metric == name]), title)
    _explain()
    have = min(row.seeds for row in rows)
    if have > 1:
        say(f"{have} seeds: differences from {power.detectable(have):.2f} s.d. on are found in 80 % of studies, paired")
    say("effects of few seeds are too large more often than too small: plan for the lower end of the interval")


def _explain() -> None:
    say("paired: seeds with which a t test of differences over shared seeds finds the effect in 80 / 90 % of studies")
    say("unpaired: the same of arms that share no seeds, an arm; the effect is in standard deviations of one arm")
    say("e-value: seeds after which it is 20 in 50, 80 % of studies, where somebody looks after every seed")


def _show(cells: "Cells", title: str) -> None:
    columns, rows = cells
    left = {"arm", "metric"}
    right = [index for index, name in enumerate(columns) if name not in left]
    show(table(columns, rows, right=right, title=title))


def show_end(runs: "Sequence[Run]") -> bool:
    """What a study that has ended shows of its arms: differences of the first metric, where there is something to pair.

    Returns:
        Whether there was.
    """
    from biasloop.report import comparison as comparing
    from biasloop.report.arms import begun
    from biasloop.report.paired import arms_of_studies
    from biasloop.report.tables import comparing as tables

    every = arms_of_studies(begun(runs))
    if not 2 <= len(every) <= _MOST_ARMS or all(len(arm.runs) < 2 for arm in every):
        return False
    compared = comparing.compare_arms(every, runs)
    if compared.seeds < 2:
        return False
    rows = compared.of(compared.metrics[0])
    _show(tables.differences_table(rows, values=False), tables.title(rows, compared.labels))
    return True
