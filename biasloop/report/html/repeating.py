"""How runs are made again: the command, and what they differ in from their preset as it is here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomli_w

from biasloop.config import arms as arms_config
from biasloop.config import presets
from biasloop.config.experiment import Experiment
from biasloop.config.flatten import flatten
from biasloop.config.validation import arms_of
from biasloop.errors import BiasloopError
from biasloop.report.arms import Arm
from biasloop.store.reader import Run

Flat = Mapping[str, Any]


@dataclass(frozen=True)
class Override:
    """A setting that is not as its preset says.

    Attributes:
        arms: labels of the arms that have it so; none where all do.
        key: such as "loop.human".
        value: of the runs; None where they do not have the setting.
        preset: the preset's; None likewise.
    """

    arms: Sequence[str]
    key: str
    value: Any
    preset: Any


@dataclass(frozen=True)
class Repeat:
    """How to make runs again.

    Attributes:
        command: what to type; empty where none is known that makes these very runs.
        overrides: what differs from the preset as it is here.
        note: what has to be known besides, a sentence; empty for nothing.
    """

    command: str
    overrides: Sequence[Override] = ()
    note: str = ""


def repeat(runs: Sequence[Run], arms: Sequence[Arm]) -> Repeat:
    """The command that makes runs of one preset, checked against what the preset comes to here.

    Args:
        runs: of which at least one.
        arms: those with a finished round.
    """
    name = str(runs[0].manifest.about.get("name", ""))
    try:
        preset = presets.read(name)
        planned = arms_of(preset)
    except (BiasloopError, OSError):
        return Repeat("", (), f"The preset {name!r} is not here, so that no command is known to make these runs again.")
    labels = {str(run.run.directory): arm.label for arm in arms for run in arm.runs}
    wanted = {_key(run): run for run in runs}  # one run of each arm
    changes = {key: _changes(run, planned) for key, run in wanted.items()}
    common = _common([*changes.values()])
    overrides = _overrides(wanted, changes, common, labels)
    options = _options(preset, planned, wanted, changes, common)
    made = _made(preset, options)
    if not wanted.keys() <= made:
        note = "The settings differ from those of the preset as it is here, and no one command is known to make them."
        return Repeat("", overrides, note)
    words = ["biasloop", "loop", "--preset", name, "--seeds", seed_ranges([int(run.identity["seed"]) for run in runs])]
    words += [word for option, texts in options.items() for text in texts for word in (option, text)]
    more = len(made) - len(wanted)
    note = f"It makes {more} more than the {len(wanted)} arms that are reported here." if more else ""
    return Repeat(shlex.join(words), overrides, note)


def _settings(run: Run) -> dict[str, Any]:
    """A run's settings by flat key, apart from its seed; with the number of rounds that were planned."""
    identity = {name: value for name, value in run.identity.items() if name != "seed"}
    return _flat(identity, run.manifest.about.get("rounds"))


def _planned(experiment: Experiment) -> dict[str, Any]:
    """The same of what a preset comes to."""
    identity = {name: value for name, value in experiment.identity(0).items() if name != "seed"}
    return _flat(identity, experiment.loop.rounds)


def _flat(identity: Mapping[str, Any], rounds: int | None) -> dict[str, Any]:
    """By flat key, in the types that a file has: no tuples."""
    settings: dict[str, Any] = flatten(json.loads(json.dumps(identity, default=str)))
    return settings if rounds is None else {**settings, "loop.rounds": rounds}


def _key(run: Run) -> str:
    return json.dumps(_settings(run), sort_keys=True)


def _changes(run: Run, planned: Sequence[tuple[Flat, Experiment]]) -> dict[str, tuple[Any, Any]]:
    """What a run has otherwise than the arm of its preset that is the most like it: key -> (value, the preset's)."""
    mine, arm = _settings(run), run.manifest.about.get("arm")
    alike = [experiment for _, experiment in planned if experiment.arm == arm] or [each for _, each in planned]
    every = [_difference(mine, _planned(experiment)) for experiment in alike]
    return min(every, key=len)


def _difference(mine: Flat, theirs: Flat) -> dict[str, tuple[Any, Any]]:
    keys = sorted(mine.keys() | theirs.keys())
    return {key: (mine.get(key), theirs.get(key)) for key in keys if mine.get(key) != theirs.get(key)}


def _common(every: Sequence[Mapping[str, tuple[Any, Any]]]) -> dict[str, tuple[Any, Any]]:
    """What all arms have changed alike."""
    first = every[0]
    return {key: pair for key, pair in first.items() if all(key in each and each[key][0] == pair[0] for each in every)}


def _overrides(
    wanted: Mapping[str, Run],
    changes: Mapping[str, Mapping[str, tuple[Any, Any]]],
    common: Mapping[str, tuple[Any, Any]],
    labels: Mapping[str, str],
) -> list[Override]:
    lines = [Override((), key, value, before) for key, (value, before) in common.items()]
    for settings, run in wanted.items():
        label = labels.get(str(run.directory), str(run.directory))
        lines += [
            Override((label,), key, value, before)
            for key, (value, before) in changes[settings].items()
            if key not in common
        ]
    return lines


def _options(
    preset: presets.Preset,
    planned: Sequence[tuple[Flat, Experiment]],
    wanted: Mapping[str, Run],
    changes: Mapping[str, Mapping[str, tuple[Any, Any]]],
    common: Mapping[str, tuple[Any, Any]],
) -> dict[str, list[str]]:
    """What is typed beside the preset: what all runs have otherwise, values that were varied, and arms by name."""
    sets = [f"{key}={_written(value)}" for key, (value, _) in common.items() if value is not None]
    grid = preset.values.get("grid", {})
    varied = [*(grid if isinstance(grid, dict) else ()), *(key for each in changes.values() for key in each)]
    every = [_settings(run) for run in wanted.values()]
    grids = []
    for key in dict.fromkeys(key for key in varied if key not in common):
        used = [json.loads(text) for text in dict.fromkeys(json.dumps(flat[key]) for flat in every if key in flat)]
        planned_values = grid.get(key) if isinstance(grid, dict) else None
        if used and not (isinstance(planned_values, list) and _same(used, planned_values)):
            grids.append(f"{key}=[{', '.join(map(_written, used))}]")
    names = dict.fromkeys(str(arm) for run in wanted.values() if (arm := run.manifest.about.get("arm")))
    all_arms = {experiment.arm for _, experiment in planned}
    return {"--set": sets, "--grid": grids, "--arm": [*names] if len(names) < len(all_arms) else []}


def _same(used: Sequence[Any], values: Sequence[Any]) -> bool:
    return sorted(map(json.dumps, used)) == sorted(map(json.dumps, values))


def _made(preset: presets.Preset, options: Mapping[str, Sequence[str]]) -> set[str]:
    """The settings of all arms that a command with these options makes; none where it is refused."""
    try:
        asked = arms_config.only(preset.override(presets.parse_sets(options["--set"]), "--set"), options["--arm"])
        asked = asked.vary(presets.parse_grids(options["--grid"]), "--grid") if options["--grid"] else asked
        planned = arms_of(asked)
    except BiasloopError:
        return set()
    return {json.dumps(_planned(experiment), sort_keys=True) for _, experiment in planned}


def _written(value: Any) -> str:
    """A value as `--set` reads it."""
    text = tomli_w.dumps({"value": value}, multiline_strings=False).strip()
    return " ".join(text.removeprefix("value = ").split("\n")) if text.startswith("value = ") else json.dumps(value)


def seed_ranges(seeds: Sequence[int]) -> str:
    """Seeds as `--seeds` reads them: "0-5", "0,2"."""
    ordered = sorted(set(seeds))
    parts: list[list[int]] = []
    for seed in ordered:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
