"""`biasloop loop`: run a preset."""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biasloop.cli.options import (
    Arms,
    Data,
    Device,
    Json,
    PresetName,
    Sets,
    Sinks,
    Threads,
    data_directory,
    debugging,
    on_notice,
    tell_whose,
)  # fmt: skip
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.report.output import note

if TYPE_CHECKING:
    from biasloop.cli.study import Engine
    from biasloop.config.experiment import Experiment
    from biasloop.config.presets import Key, Preset
    from biasloop.running.engine import Options

    Combinations = list[tuple[dict[str, Any], Experiment]]


_MOST_NOTES = 20  # of settings that the reserve is too small for


def loop(
    preset: PresetName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where to put it; default: runs/PRESET.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help='Which seeds to run: "0-2", "0,4".')] = "0",
    sets: Sets = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="KEY=A,B", help="Run every value (repeatable: every combination)."),
    ] = None,
    arm: Arms = None,
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
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=0, help="Runs at once, each a process; 0: as many as cores, GPUs and memory last for."
        ),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End without the runs that other processes make now.")
    ] = False,
    engine: Annotated[str, typer.Option("--engine", metavar="local|ray", help="Where to make the runs.")] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="Of a Ray cluster; default: one that is started here.")
    ] = None,
    sink: Sinks = None,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the plan, run nothing.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="With --dry-run: make two rounds, which are not kept, to tell the time.")
    ] = False,
) -> None:
    """Run a feedback loop: train, evaluate, feed labels back, round after round.

    Running the same command again goes on where it stopped.

    Example: biasloop loop --preset quickstart --seeds 0-2

    Example: biasloop loop --preset quickstart --set loop.human=50 --output my-run

    Example: biasloop loop --preset quickstart --seeds 0-5 --jobs 2
    """
    from biasloop.cli.study import Engine
    from biasloop.config import presets
    from biasloop.system import launcher

    if not launcher.first():
        launcher.hush()
    if not math.isfinite(checkpoint):
        raise InvalidInput(f"--checkpoint {checkpoint}: expected a number of seconds, for example 30")
    where = Engine(engine, jobs, address)
    where.check(device)
    if measure and not dry_run:
        raise InvalidInput("--measure goes with --dry-run; add it, or leave --measure out")
    overridden, changes = _preset(preset, sets, grid, arm)  # before anything heavier: a refusal answers at once

    from biasloop.config.validation import arms_of
    from biasloop.running import study
    from biasloop.running.engine import Options
    from biasloop.running.sinks.choosing import chosen as chosen_sinks

    arms, chosen = arms_of(overridden), presets.parse_seeds(seeds)
    options = Options(
        data_directory(data),
        device,
        threads,
        keep_models,
        checkpoint,
        on_notice,
        wait=not no_wait,
        debug=debugging(),
        sinks=chosen_sinks(sink),
    )
    if not launcher.first():
        _help_first(arms, chosen, options, dry_run=dry_run)
        return
    directory = output or study.default_directory(overridden, changes)
    _plan_and_make(overridden, arms, chosen, directory, options, where, json=json, dry_run=dry_run, measure=measure)


def _plan_and_make(
    preset: "Preset", arms: "Combinations", seeds: list[int], directory: Path, options: "Options", where: "Engine",
    *, json: bool, dry_run: bool, measure: bool,
) -> None:  # fmt: skip
    """Plan all runs, and make them unless only the plan was asked for."""
    from biasloop.cli.stopping import Stopping
    from biasloop.cli.study import make
    from biasloop.running import helping, resources, study

    helping.check_processes(arms)
    stopping = Stopping()
    options = replace(options, stopping=stopping)
    planned = study.plan(arms, seeds, directory, options)
    tell_whose(preset, json=json)
    _tell_shortfalls(study.shortfalls(planned))
    left = (item.experiment for item in planned if item.done < item.rounds)
    unset = "" if json else resources.unset_threads(left, options)
    if unset:
        note(unset)
    if dry_run:
        from biasloop.cli import dry_run as plan

        plan.show_plan(planned, options, jobs=where.jobs, measure=measure, json=json)
    else:
        make(planned, directory, options, stopping, where, json=json)


def _tell_shortfalls(short: list[str]) -> None:
    for text in short[:_MOST_NOTES]:
        note(text)
    if len(short) > _MOST_NOTES:
        note(f"the reserve allows fewer rounds than loop.rounds with {len(short) - _MOST_NOTES:,} more settings")


def _preset(
    name: str, sets: list[str] | None, grid: list[str] | None, named: list[str] | None
) -> "tuple[Preset, dict[Key, Any]]":
    """The preset with its overrides, and the keys that were set."""
    from biasloop.config import presets
    from biasloop.config.requested import requested

    changes = presets.parse_sets(sets or [])
    return requested(name, changes, presets.parse_grids(grid or []), named or []), changes


def _help_first(arms: "Combinations", seeds: list[int], options: "Options", *, dry_run: bool) -> None:
    """In a process that is not the first; what only it can know, it says."""
    from biasloop.printable import printable
    from biasloop.running import helping
    from biasloop.system import launcher, memory

    helping.check_processes(arms)
    if dry_run:
        return
    try:
        helping.help_first(arms[0][1], seeds[0], options)
    except BiasloopError:
        raise  # the first process says so, or is gone
    except Exception as error:  # whatever it is, the person has to know why the command ended
        said = memory.sentence(error) if memory.lacking(error) else f"{type(error).__name__}: {error}"
        text = f"biasloop (process {launcher.rank()} of {launcher.count()}): {said}"
        print(printable(text), file=sys.__stderr__, flush=True)
        raise typer.Exit(1) from error
