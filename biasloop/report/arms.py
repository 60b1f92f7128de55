"""Stored runs as series: grouped by arm, metric over rounds, baseline, bound."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biasloop.config import presets
from biasloop.config.arms import ARMS
from biasloop.config.experiment import BoundSection
from biasloop.config.flatten import flatten
from biasloop.contract.data import Floats, Metric
from biasloop.errors import InvalidInput
from biasloop.feedback import rules
from biasloop.feedback.rule import LoopBound, RuleSettings
from biasloop.report.bounds import bound_over_rounds, per_round_bound
from biasloop.report.unnamed import bound_lines
from biasloop.store.finding import find_runs, nearby
from biasloop.store.reader import Run

NAN = float("nan")
OPTIONS = "selection.options."  # begins the keys of options of an arm's selector


@dataclass(frozen=True)
class Measured:
    """One run: its metrics round by round.

    Attributes:
        run: the stored run.
        metrics: per round.
        sizes: per round.
        seconds: per round; None for an adopted one.
    """

    run: Run
    metrics: list[dict[str, Metric]]
    sizes: list[dict[str, int]]
    seconds: list[float | None]

    @classmethod
    def read(cls, run: Run) -> "Measured":
        """Read a run's metrics, without its tables."""
        rows = list(run.summaries())
        return cls(run, [row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows])

    @property
    def loop(self) -> RuleSettings:
        """Sizes and variants of the loop."""
        return rules.settings_of({**self.run.identity["loop"], "rounds": max(1, len(self.metrics))})

    @property
    def loop_bound(self) -> LoopBound:
        """The bound of the run's rule.

        Raises:
            InvalidInput: none is known of it, or not with the run's settings.
        """
        known = self.loop.bound()
        if known is None:
            raise InvalidInput(f'{self.run.directory}: no bound is known of loop.rule = "{self.loop.rule}"')
        return known

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.run.identity["seed"])

    @property
    def finished(self) -> bool:
        """Whether it has all the rounds that it was to have."""
        return bool(self.run.manifest.about.get("finished"))

    @property
    def bound_section(self) -> BoundSection | None:
        """Which metric the bound speaks of, if the preset said."""
        section = self.run.manifest.about.get("bound")
        if not section:
            return None
        return BoundSection.model_validate({key: section[key] for key in BoundSection.model_fields if key in section})

    def values(self, name: str) -> Floats:
        """A metric over rounds; NaN where a round has none."""
        return np.array([row[name].value if name in row else NAN for row in self.metrics], np.float64)

    def has(self, *names: str) -> bool:
        """Whether a round measured all of the metrics."""
        return any(all(name in row for name in names) for row in self.metrics)

    def needs_bound(self) -> BoundSection:
        """The bound's section.

        Raises:
            InvalidInput: the run's preset has no [bound], or the run has no round with that metric yet.
        """
        section = self.bound_section
        if section is None:
            why = f"{self.run.directory}: its preset has no [bound] section, so no metric to bound is named"
            lines = bound_lines(self.metrics)
            cure = "add these lines to it and type the same `biasloop loop` again, which trains nothing anew:\n" + lines
            raise InvalidInput(f"{why}; {cure if lines else '[bound] takes a metric, and its baseline by true labels'}")
        if not self.metrics:
            raise InvalidInput(
                f"{self.run.directory} has no finished round yet; the same `biasloop loop` goes on with it"
            )
        first = self.metrics[: section.lag + 1][-1]  # the newest, of a run that has no such round yet
        for name in (section.metric, section.baseline):
            if name not in first:
                raise InvalidInput(
                    f"{self.run.directory} has no metric {name!r} that [bound] names; it has {', '.join(first)}"
                )
        return section

    def bias(self) -> Floats:
        """The bound's metric minus its baseline, over rounds."""
        section = self.needs_bound()
        return self.values(section.metric) - self.values(section.baseline)

    def bound(self, delta: float | None = None) -> Floats:
        """Theorem 1 over the run's rounds, from the calibration error of round 0."""
        lag = self.needs_bound().lag
        first = self.bias()[lag] if delta is None else delta
        return bound_over_rounds(self.loop_bound, float(first), len(self.metrics) - 1, lag)

    def per_round_bound(self) -> Floats | None:
        """The same with the calibration error measured each round, if the preset names the training share."""
        section = self.needs_bound()
        if section.train is None or section.train not in self.metrics[0]:
            return None
        models = len(self.metrics) - section.lag
        deltas = self.values(section.metric)[section.lag :] - self.values(section.train)[:models]  # (models,)
        return per_round_bound(self.loop_bound, deltas, section.lag)


@dataclass(frozen=True)
class Arm:
    """Runs that differ in their seed alone, or in settings whose values are replicates too."""

    label: str
    runs: list[Measured]

    @property
    def rounds(self) -> int:
        """Rounds that every run of the arm has."""
        return min(len(run.metrics) for run in self.runs)

    @property
    def replicates(self) -> str:
        """What a legend calls the runs: they differ in more than their seed if two have the same."""
        return "seed" if len({run.seed for run in self.runs}) == len(self.runs) else "run"

    def stacked(self, per_run: Sequence[Floats]) -> Floats:
        """`(runs, rounds)`, cut to the shortest run."""
        return np.stack([row[: self.rounds] for row in per_run])


def open_runs(paths: Sequence[Path]) -> list[Run]:
    """The runs at or below the given directories, each once.

    Raises:
        InvalidInput: a directory holds none.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        below = find_runs(path) if path.is_dir() else []
        if not below:
            raise InvalidInput(f"there is no run at {path}; {nearby(path)}`biasloop runs` lists them")
        for directory in below:
            found.setdefault(directory.resolve(), Run.open(directory))
    return list(found.values())


def begun(runs: Sequence[Run]) -> list[Run]:
    """Those of the runs that have a finished round.

    Raises:
        InvalidInput: none has.
    """
    found = [run for run in runs if run.rounds]
    if not found:
        raise InvalidInput(f"{runs[0].directory} has no finished round yet; the same `biasloop loop` goes on with it")
    return found


def arms(runs: Sequence[Run]) -> list[Arm]:
    """Runs grouped by what they share besides the seed; labelled by what differs.

    They come in the order of the preset's [arms], where that is known, those of one name in the order given.
    Arms that the presets name are called so, and by what differs as far as several have one name (`arm_names`).
    Settings whose values the preset calls replicates ([plot] `pool`) count as the seed does.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        shared = _without(run.identity, {"seed", *run.manifest.about.get("plot", {}).get("pool", [])})
        groups.setdefault(json.dumps(shared, sort_keys=True), []).append(run)
    groups = _in_order(groups, preset_order(runs)) if len(groups) > 1 else groups
    settings = [flatten(json.loads(key)) for key in groups]
    names = arm_names(list(groups.values())) or [""] * len(groups)
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for name, mine in zip(names, settings, strict=True):
        alike.setdefault(name, []).append(mine)
    return [
        _arm(
            name,
            mine,
            alike[name],
            [Measured.read(run) for run in sorted(group, key=lambda r: int(r.identity["seed"]))],
        )
        for name, mine, group in zip(names, settings, groups.values(), strict=True)
    ]


def preset_order(runs: Sequence[Run]) -> list[str]:
    """The names of [arms] of the preset that all runs are of; none where the preset is not there (any more)."""
    about = [run.manifest.about for run in runs]
    studies = {str(each.get("name", "")) for each in about}
    if len(studies) > 1 or not any(each.get("arm") for each in about):
        return []
    try:
        tables = presets.read(studies.pop()).values.get(ARMS, {})
    except InvalidInput:
        return []
    return [*tables] if isinstance(tables, dict) else []


def _in_order(groups: Mapping[str, list[Run]], order: Sequence[str]) -> dict[str, list[Run]]:
    """The same groups, those of arms that an order has first and in it."""
    rank = {name: number for number, name in enumerate(order)}
    ranks = {key: rank.get(str(group[0].manifest.about.get("arm")), len(order)) for key, group in groups.items()}
    return {key: groups[key] for key in sorted(groups, key=ranks.__getitem__)}


def _arm(name: str, mine: Mapping[str, Any], every: Sequence[Mapping[str, Any]], runs: list[Measured]) -> Arm:
    return Arm(", ".join(part for part in (name, _label(mine, every, runs[0].loop)) if part), runs)


def arm_names(groups: Sequence[Sequence[Run]]) -> list[str] | None:
    """What the presets of runs call the arm of each group; None where runs of a group have several names, or none."""
    every = [{run.manifest.about.get("arm") for run in group} for group in groups]
    names = [str(name) for alike in every for name in alike if name and len(alike) == 1]
    return names if len(names) == len(groups) else None


def _without(settings: Mapping[str, Any], keys: set[str], prefix: str = "") -> dict[str, Any]:
    """Nested settings without those of the given flat keys."""
    return {
        key: _without(value, keys, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if f"{prefix}{key}" not in keys
    }


def _label(mine: Mapping[str, Any], every: Sequence[Mapping[str, Any]], loop: RuleSettings) -> str:
    """What distinguishes an arm: as its rule calls it where only settings of [loop] differ, else the differing keys.

    Args:
        mine: settings of the arm by flat key.
        every: those of all arms of that name.
        loop: of the arm.
    """
    keys = sorted({key for flat in every for key in flat if any(other.get(key) != flat[key] for other in every)})
    if "selection.name" in keys:  # which says whose options an arm has
        keys = [key for key in keys if not key.startswith(OPTIONS) or (key in mine and _varies(key, every))]
    if not keys:
        return ""
    sections = {key.partition(".")[0] for key in keys}
    called = loop.arm_label([key.partition(".")[2] for key in keys]) if sections == {"loop"} else None
    return called or ", ".join(f"{key} = {mine.get(key, 'not set')}" for key in keys)


def _varies(key: str, every: Sequence[Mapping[str, Any]]) -> bool:
    """Whether arms that have a setting differ in it."""
    return len({str(flat[key]) for flat in every if key in flat}) > 1
