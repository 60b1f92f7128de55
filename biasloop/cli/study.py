"""Makes the planned runs of `biasloop loop` in view of a person or a script, and tells how they ended."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from biasloop.cli import compare
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.report.output import emit, hint, hushed, note, say, show, table, was_noted

if TYPE_CHECKING:
    from biasloop.cli.stopping import Stopping
    from biasloop.config.experiment import Experiment
    from biasloop.report.live.view import View
    from biasloop.running.engine import Event, Options
    from biasloop.running.executors import Executor
    from biasloop.running.study import Planned
    from biasloop.running.tasks import Ended
    from biasloop.store.reader import Run

ENGINES = ("local", "ray")
ELSEWHERE = 5
"""The exit code where other processes make some of the runs, and were not waited for."""


@dataclass(frozen=True)
class Engine:
    """Where runs are made.

    Attributes:
        name: "local" or "ray".
        jobs: runs at once; 0 for as many as there is room for; None where it was not said.
        address: of a Ray cluster; None for one on this machine.
    """

    name: str = "local"
    jobs: int | None = None
    address: str | None = None

    def check(self, device: str) -> None:
        """Refuse what cannot be, before anything is spent.

        Raises:
            InvalidInput: what does not go together, an engine that there is not, or one that is not installed.
        """
        from biasloop.system import launcher

        if self.name not in ENGINES:
            raise InvalidInput(f"--engine {self.name}: expected {' or '.join(ENGINES)}")
        if self.address is not None and self.name != "ray":
            raise InvalidInput("--address is that of a Ray cluster; add --engine ray, or leave it out")
        if not self.alone and launcher.count() > 1:
            raise InvalidInput(
                "a launcher started several processes for each run, which --jobs and --engine ray cannot do; start the "
                "command without the launcher, or without these options"
            )
        if not self.alone and device.startswith("cuda:"):
            raise InvalidInput(
                f"--device {device}: runs that go on at once are given their GPUs; use --device cuda, and "
                f"CUDA_VISIBLE_DEVICES={device.removeprefix('cuda:')} to leave out the others"
            )
        if self.name == "ray":
            from biasloop.running import ray_cluster

            ray_cluster.require()

    @property
    def alone(self) -> bool:
        """Whether one run is made at a time, in this process."""
        return self.name == "local" and self.jobs in (None, 1)

    def executor(self, planned: "Sequence[Planned]", options: "Options") -> "tuple[Executor, int]":
        """Who makes the runs, and how many go on at once."""
        if self.name == "ray":
            from biasloop.running.on_ray import OnRay

            return OnRay(self.address), self.jobs or len(planned)
        if self.alone:
            from biasloop.running.executors import InProcess

            return InProcess(), 1
        from biasloop.running.workers import Workers, at_once

        jobs = self.jobs or 0
        return Workers(jobs), at_once(planned, options, jobs)


@dataclass
class _Watched:
    """A view that outlives its terminal: one that has gone is a wish to stop, and no error.

    It is not told again what was noted while runs were planned.
    """

    view: "View"
    stopping: "Stopping"

    def start(self, planned: "Planned") -> None:
        self.stopping.unless_closed(self.view.start)(planned)

    def event(self, planned: "Planned", event: "Event") -> None:
        from biasloop.running.engine import Notice

        if isinstance(event, Notice) and was_noted(event.text):
            return
        self.stopping.unless_closed(self.view.event)(planned, event)

    def end(self, ended: "Ended") -> None:
        self.stopping.unless_closed(self.view.end)(ended)


def make(
    planned: "list[Planned]", directory: Path, options: "Options", stopping: "Stopping", engine: Engine, *, json: bool
) -> None:
    """Make all runs, and tell how they ended.

    Raises:
        BiasloopError: the only run failed.
        typer.Exit: the person asked to stop, a run failed, or other processes make some.
    """
    executor, at_once = engine.executor(planned, options)
    several = not engine.alone and len(planned) > 1
    view = _view(planned, at_once, stopping, several=several, json=json)
    try:
        ended = executor.run(planned, options, _Watched(view, stopping))
    finally:
        stopping.unless_closed(view.close)()
    failed = [item for item in ended if item.error]
    if stopping():
        _tell_stopped(ended, directory)
        _tell_failed(failed, directory)
        raise typer.Exit(stopping.exit_code)
    done = [item.planned for item in ended if item.outcome]
    if json:
        emit(_told(planned, ended))
    if failed and len(planned) == 1:
        raise failed[0].cause or _Failed(failed[0])
    if done and not json:
        _show_results(sorted(done, key=planned.index) if len(done) < len(planned) else planned, directory)
    _tell_elsewhere([item for item in ended if item.held])
    _tell_failed(failed, directory)
    if failed:
        raise typer.Exit(1)
    if any(item.held for item in ended):
        raise typer.Exit(ELSEWHERE)


def _told(planned: "list[Planned]", ended: "list[Ended]") -> dict[str, Any]:
    """The last object for scripts: runs that are done, and reasons of the others."""
    others = {item.planned.directory: item.error or item.held for item in ended if item.outcome is None}
    done = [str(item.directory) for item in planned if item.directory not in others]
    named = {"failed": [item for item in ended if item.error], "elsewhere": [item for item in ended if item.held]}
    reasons = {
        name: [{"run": str(item.planned.directory), "reason": item.error or item.held} for item in items]
        for name, items in named.items()
        if items
    }
    return {"done": not others, "runs": done, **reasons}


class _Failed(BiasloopError):
    """The only run failed, in another process."""

    def __init__(self, ended: "Ended") -> None:
        super().__init__(ended.error)
        self.exit_code = ended.code


def _view(planned: "list[Planned]", at_once: int, stopping: "Stopping", *, several: bool, json: bool) -> "View":
    stopping.shown = not json and not hushed() and sys.stdout.isatty()
    if json:
        from biasloop.report.live.scripts import JsonView

        return JsonView(len(planned))
    if hushed():
        from biasloop.report.live.silent import SilentView

        return SilentView()
    if not stopping.shown:
        from biasloop.report.live.plain import PlainView

        return PlainView(planned, at_once, several=several)
    if several:
        from biasloop.report.live.several import StudyView

        return StudyView(planned, at_once, stopping)
    from biasloop.report.live.single import LiveView

    return LiveView(planned, stopping)


def _tell_stopped(ended: "list[Ended]", directory: Path) -> None:
    rounds = sum(item.outcome.rounds for item in ended if item.outcome)
    note(
        f"stopped; {rounds} finished rounds are kept in {directory}, and what is done of the next; "
        f"this goes on from there:\n  {again()}"
    )


def _tell_elsewhere(elsewhere: "list[Ended]") -> None:
    """Runs that were not waited for."""
    for item in elsewhere:
        note(item.held)
    if elsewhere:
        note(f"the same command makes what others leave of these:\n  {again()}")


def _tell_failed(failed: "list[Ended]", directory: Path) -> None:
    """Each failed run with its reason and the command that tries it once more."""
    if failed:
        note(f"{len(failed):,} {'run' if len(failed) == 1 else 'runs'} failed:", urgent=True)
    for item in failed:
        note(f"  {item.planned.directory}: {item.error}\n    {retry(item.planned, directory)}", urgent=True)


def _show_results(planned: "Sequence[Planned]", directory: Path) -> None:
    from biasloop.config.presets import parse_seeds
    from biasloop.report.arms import arms, open_runs
    from biasloop.report.tables import summary

    runs, seeds = [item.directory for item in planned], {item.seed for item in planned}
    hint()
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
    several = len(seeds) > 1 and len({item.arm for item in planned}) > 1
    if several:
        compare.show_end(opened)
    if hushed():
        return
    say(f"runs are in {directory}; next:\n  biasloop runs show {shlex.quote(str(runs[0]))}")
    _suggest(experiment, opened, directory)
    if several:
        say(f"  biasloop compare {shlex.quote(str(directory))}")
    if "seeds" in experiment.model_fields_set and set(parse_seeds(experiment.seeds)) - seeds:
        say(f"the preset names seeds {experiment.seeds}; to run them:\n  {again(experiment.seeds)}")


def _suggest(experiment: "Experiment", runs: "list[Run]", directory: Path) -> None:
    """What draws runs and holds one against its bound, as far as they have what the preset names for that."""
    from biasloop.report.figures import of_runs
    from biasloop.report.tables.against_bound import first_bounded

    begun = [run for run in runs if run.rounds]
    if (experiment.bound or experiment.plot.series) and begun and of_runs.is_drawn(begun):
        say(f"  biasloop plot {shlex.quote(str(directory))}")
    bounded = first_bounded(begun) if experiment.bound else None
    if bounded:
        say(f"  biasloop bound --from {shlex.quote(str(bounded.directory))}")


def again(seeds: str = "") -> str:
    """The command as it was typed, with other seeds if any are given."""
    typed = sys.argv[1:]
    return shlex.join(["biasloop", *([*_without(typed, "--seeds"), "--seeds", seeds] if seeds else typed)])


def retry(planned: "Planned", directory: Path) -> str:
    """The command that makes this run alone, in the same place: that of its seed where an arm cannot be typed so."""
    every, name = _without(sys.argv[1:], "--seeds"), planned.experiment.arm
    if name:
        every = [*_without(every, "--arm"), "--arm", name]
    typed, grid = _without(every, "--grid"), planned.arm.removeprefix(name or "").removeprefix(", ")
    parts = [part.partition("=") for part in grid.split(",")] if grid else []
    if any("~" in value or not value for _, _, value in parts):
        typed = every
    else:
        typed += [word for key, _, value in parts for word in ("--grid", f"{key}={value}")]
    output = [] if any(map(_names_output, typed)) else ["--output", str(directory)]
    return shlex.join(["biasloop", *typed, *output, "--seeds", str(planned.seed)])


def _names_output(word: str) -> bool:
    """Whether a word of the command says where its runs are put."""
    return word.partition("=")[0] in ("--output", "--out") or word.startswith("-o")


def _without(typed: "Sequence[str]", option: str) -> list[str]:
    """The words without an option and its value, however often it was given."""
    left: list[str] = []
    words = iter(typed)
    for word in words:
        if word == option:
            next(words, None)
        elif not word.startswith(f"{option}="):
            left.append(word)
    return left
