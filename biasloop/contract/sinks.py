"""Sinks: what is told of a run beside its store, round by round, to a file, a dashboard or a service.

A sink is told and never asked: whatever it raises, and however long it takes, the run goes on as it would without it
(`docs/sinks.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from biasloop.contract.data import Metric

State = Literal["finished", "stopped", "failed", "elsewhere"]
"""How a run ends: its rounds are done; a person stopped it; an error; another process has taken it over."""

Setting = bool | int | float | str | list["Setting"] | dict[str, "Setting"] | None
"""A value of a preset."""


@dataclass(frozen=True)
class RunDescription:
    """Which run is told about.

    Attributes:
        directory: where its store lies.
        output: a directory for what sinks write of this run, which no other run has; made by who writes there.
        preset: the preset's name.
        arm: what tells it from other runs of its study besides the seed; empty without arms.
        seed: of the run.
        rounds: how many it will have, as far as settings and pool say.
        settings: all that determines its results, by flat key ("loop.human").
    """

    directory: Path
    output: Path
    preset: str
    arm: str
    seed: int
    rounds: int
    settings: Mapping[str, Setting]


@runtime_checkable
class Sink(Protocol):
    """Told of one run; an entry point of the group `biasloop.sinks` names the class, which is made without arguments.

    Its methods are called one after the other, in one thread, which is not the main one. Every process that makes runs
    makes one for each run, and the command makes one more before it begins, so that what is lacking is known: then
    `__init__` raises `biasloop.errors.InvalidInput`, saying what to install.
    """

    def start(self, run: RunDescription) -> None:
        """A run begins, or goes on: all its rounds are told once more from the first, finished ones at once."""

    def round(
        self, number: int, metrics: Mapping[str, Metric], sizes: Mapping[str, int], seconds: float | None
    ) -> None:
        """A round is in the store.

        Args:
            number: of the round; -1 is the untouched model.
            metrics: of its main evaluation, by name.
            sizes: rows of the training set and the like, by name.
            seconds: that it took; None if that was not noted.
        """

    def end(self, state: State, reason: str) -> None:
        """The run has ended; not told of a process that was killed.

        Args:
            state: how.
            reason: a sentence; empty for a run that was stopped.
        """


@runtime_checkable
class CurveSink(Sink, Protocol):
    """A sink that is also told what a round's fits have logged, just before the round."""

    def curve(self, number: int, fit: str, columns: Mapping[str, Sequence[float]]) -> None:
        """What a fit has logged of every epoch.

        Args:
            number: of the round; -1 for what comes before round 0.
            fit: which of the round's fits ("fit", "generator", ...).
            columns: numbers by name, one an epoch each; "epoch" counts from 1.
        """
