"""`biasloop loop`: run a preset."""

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli.options import Data, Device, Json, Sets, Threads, data_directory, on_notice, tell_whose
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.report.output import emit, note, say, show, table

if TYPE_CHECKING:
    from biasloop.cli.stopping import Stopping
    from biasloop.config.experiment import Experiment
    from biasloop.config.presets import Key, Preset
    from biasloop.running.engine import Options
    from biasloop.running.study import Planned


_MOST_NOTES = 20  # of settings that the reserve is too small for


def loop(
    preset: Annotated[str, typer.Option("--preset", "-p", help="A preset's name, or the path of a TOML file.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to put it; default: runs/PRESET.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help='Which seeds to run: "0-2", "0,4".')] = "0",
    sets: Sets = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="KEY=A,B", help="Run every value (repeatable: every combination)."),
    ] = None,
    data: Data = None,
    device: Device = "auto",
    threads: Threads = None,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep every round's model, not the newest only.")
    ] = False,
    checkpoint: Annotated[
        float,
        typer.Option(
            "--checkpoint",
            min=0,
            help="Seconds between checkpoints in a round, at least.",
        ),
    ] = 30.0,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the plan, run nothing.")] = False,
) -> None:
    """Run a feedback loop: train, evaluate, feed labels back, round after round.

    Running the same command again goes on where it stopped.

    Example: biasloop loop --preset quickstart --seeds 0-2

    Example: biasloop loop --preset quickstart --set loop.human=50 --out my-run
    """
    from biasloop.config import presets
    from biasloop.system import launcher

    if not launcher.first():
        launcher.hush()
    if not math.isfinite(checkpoint):
        raise InvalidInput(f"--checkpoint {checkpoint}: expected a number of seconds, for example 30")
    found, changes = _preset(preset, sets, grid)  # before anything heavier is imported: a refusal answers at once

    from biasloop.config.validation import arms_of

    arms, chosen = arms_of(found), presets.parse_seeds(seeds)
    from biasloop.cli.stopping import Stopping
    from biasloop.running import study
    from biasloop.running.engine import Options

    study.check_processes(arms)
    if not launcher.first():
        if not dry_run:
            _help_first(arms[0][1], chosen[0], Options(data_directory(data), device, threads, on_event=on_notice))
        return
    directory = out or study.default_directory(found, changes)
    stopping = Stopping()
    options = Options(data_directory(data), device, threads, keep_models, checkpoint, on_notice, stopping)
    planned = study.plan(arms, chosen, directory, options)
    tell_whose(found, json=json)
    short = study.shortfalls(planned)
    for text in short[:_MOST_NOTES]:
        note(text)
    if len(short) > _MOST_NOTES:
        note(f"the reserve allows fewer rounds than loop.rounds with {len(short) - _MOST_NOTES:,} more settings")
    if dry_run:
        from biasloop.cli import dry_run as plan

        plan.show_plan(planned, json=json)
        return
    rounds = _run(planned, options, stopping, json=json)
    if stopping():
        note(
            f"stopped; {rounds} finished rounds are kept in {directory}, and what is done of the next; "
            f"this goes on from there:\n  {_again()}"
        )
        raise typer.Exit(stopping.exit_code)
    if json:
        emit({"done": True, "runs": [str(item.directory) for item in planned]})
    else:
        _show_results(planned, directory)


def _preset(name: str, sets: list[str] | None, grid: list[str] | None) -> "tuple[Preset, dict[Key, Any]]":
    """The preset with its overrides, and the keys that were set."""
    from biasloop.config import presets

    changes = presets.parse_sets(sets or [])
    found = presets.read(name).override(changes, "--set")
    varied = presets.parse_grids(grid or [])
    both = [key for key in varied if tuple(key.split(".")) in changes]
    if both:
        raise InvalidInput(f"{both[0]} is given with --set and with --grid; give it once")
    return (found.vary(varied, "--grid") if varied else found), changes


def _run(planned: "list[Planned]", options: "Options", stopping: "Stopping", *, json: bool) -> int:
    """Run everything in view of the person or script; gives how many rounds are finished."""
    from biasloop.report.live.views import JsonView, LiveView, PlainView, View
    from biasloop.running import study

    stopping.shown = not json and sys.stdout.isatty()
    view: View = JsonView() if json else LiveView(len(planned), stopping) if stopping.shown else PlainView()
    try:
        tell = stopping.unless_closed
        outcomes = study.run_all(planned, options, tell(view.start), tell(view.event))
    finally:
        stopping.unless_closed(view.close)()
    return sum(outcome.rounds for outcome in outcomes)


def _help_first(experiment: "Experiment", seed: int, options: "Options") -> None:
    """In a process that is not the first; what only it can know, it says."""
    from biasloop.printable import printable
    from biasloop.running import study
    from biasloop.system import launcher, memory

    try:
        study.help_first(experiment, seed, options)
    except BiasloopError:
        raise  # the first process says so, or is gone
    except Exception as error:  # whatever it is, the person has to know why the command ended
        said = memory.sentence(error) if memory.lacking(error) else f"{type(error).__name__}: {error}"
        text = f"biasloop (process {launcher.rank()} of {launcher.count()}): {said}"
        print(printable(text), file=sys.__stderr__, flush=True)
        raise typer.Exit(1) from error


def _show_results(planned: "list[Planned]", directory: Path) -> None:
    from biasloop.config.presets import parse_seeds
    from biasloop.report.arms import arms, open_runs
    from biasloop.report.tables import summary

    runs, seeds = [item.directory for item in planned], {item.seed for item in planned}
    say()
    opened = open_runs(runs)
    by_setting = summary.by_setting(opened)
    if by_setting:
        show(table(*by_setting, right=range(1, len(by_setting[0])), title="mean and 95 % t interval over runs"))
    else:
        grouped = arms(opened)
        headers = summary.headers(grouped)
        show(table(headers, summary.rows(grouped), right=range(1, len(headers)),
                   title="mean ± standard deviation over seeds" if len(seeds) > 1 else ""))  # fmt: skip
    experiment = planned[0].experiment
    say(f"runs are in {directory}; next:\n  biasloop runs show {shlex.quote(str(runs[0]))}")
    if experiment.bound or experiment.plot.series:
        say(f"  biasloop plot {shlex.quote(str(directory))}")
    if experiment.bound:
        say(f"  biasloop bound --from {shlex.quote(str(runs[0]))}")
    if set(parse_seeds(experiment.seeds)) - seeds:
        say(f"the preset names seeds {experiment.seeds}; to run them:\n  {_again(experiment.seeds)}")


def _again(seeds: str = "") -> str:
    """The command as it was typed, with other seeds if any are given."""
    typed = sys.argv[1:]
    if seeds:
        places = [i for i, word in enumerate(typed) if word == "--seeds"]
        for i in reversed(places):
            del typed[i : i + 2]
        typed = [word for word in typed if not word.startswith("--seeds=")] + ["--seeds", seeds]
    return shlex.join(["biasloop", *typed])
