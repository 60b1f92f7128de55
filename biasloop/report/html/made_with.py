"""What runs were made with, and how far they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biasloop.report.html.stored import ReadOnce
from biasloop.running.provenance import COMPARED
from biasloop.store import claims
from biasloop.store.manifest import SETUP

HOST = "host"  # of an environment: told as how many, since a report is passed on


@dataclass(frozen=True)
class Segment:
    """What rounds were made with.

    Attributes:
        environment: versions, device and threads, by name.
        runs: with rounds that were made so.
        rounds: made so.
        machines: how many there were.
    """

    environment: Mapping[str, str]
    runs: int
    rounds: int
    machines: int


@dataclass(frozen=True)
class RunLine:
    """A stored run.

    Attributes:
        path: as it was found.
        arm: its arm's label; empty for the only one, or without a finished round.
        seed: of the run.
        rounds: finished.
        planned: how many there are to be; None where that was left to the data.
        state: "finished", "running", "stopped" or "failed".
        reason: why it ended.
        seconds: that its finished steps took, as far as known.
        segments: how many sets of versions, device and threads made it.
    """

    path: str
    arm: str
    seed: int
    rounds: int
    planned: int | None
    state: str
    reason: str
    seconds: float
    segments: int


def segments(runs: Sequence[ReadOnce]) -> list[Segment]:
    """The sets of versions, devices and threads that rounds were made with; that of most rounds first."""
    made: dict[tuple[tuple[str, str], ...], tuple[set[str], set[str], list[str]]] = {}
    for run in runs:
        environments = run.manifest.environments
        for step in run.manifest.steps():
            number = run.manifest.files[f"{step}.h5"].environment
            if number is None:
                continue
            told = {name: str(value) for name, value in environments[number].items()}
            key = tuple((name, value) for name, value in sorted(told.items()) if name != HOST)
            directories, hosts, steps = made.setdefault(key, (set(), set(), []))
            directories.add(str(run.directory))
            hosts.add(told.get(HOST, ""))
            steps.append(step)
    lines = [
        Segment(_ordered(dict(key)), len(directories), sum(step != SETUP for step in steps), len(hosts))
        for key, (directories, hosts, steps) in made.items()
    ]
    return sorted(lines, key=lambda segment: -segment.rounds)


def _ordered(environment: Mapping[str, str]) -> dict[str, str]:
    """What results depend on first."""
    first = [name for name in COMPARED if name in environment]
    return {name: environment[name] for name in [*first, *(name for name in environment if name not in first)]}


def run_lines(runs: Sequence[ReadOnce], arms: Mapping[str, str]) -> list[RunLine]:
    """A line for each run.

    Args:
        runs: all of a study.
        arms: path -> label of its arm.
    """
    return [_line(run, arms.get(str(run.directory), "")) for run in runs]


def _line(run: ReadOnce, arm: str) -> RunLine:
    files, told = run.manifest.files, run.manifest.about
    seconds = [files[f"{step}.h5"].seconds for step in run.manifest.steps()]
    known = [value for value in seconds if value is not None]
    state, reason = _state(run)
    planned = told.get("rounds")
    return RunLine(
        str(run.directory), arm, int(run.identity["seed"]), len(run.rounds),
        planned if isinstance(planned, int) else None, state, reason, sum(known) if known else math.nan, _sets(run),
    )  # fmt: skip


def _state(run: ReadOnce) -> tuple[str, str]:
    told = run.manifest.about
    if told.get("finished") is not None:
        return "finished", str(told["finished"])
    if claims.holder(run.directory) is not None:
        return "running", ""
    return ("failed", str(told["failed"])) if told.get("failed") is not None else ("stopped", "")


def _sets(run: ReadOnce) -> int:
    return len({tuple(str(made.get(name)) for name in COMPARED) for made in run.manifest.environments})
