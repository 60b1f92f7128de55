"""How runs are made again: the command, and what they differ in from their preset as it is here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomli_w

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
    words = ["biasloop", "loop", "--preset", name, "--seeds", seed_ranges([int(run.identity["seed"]) for run in runs])]
    sets = {key: value for key, (value, _) in common.items() if value is not None}
    words += [word for key, value in sets.items() for word in ("--set", f"{key}={_written(value)}")]
    words += _chosen(planned, preset, wanted, sets)
    if not _makes(preset, words, sets, wanted):
        note = "The settings differ from those of the preset as it is here, and no one command is known to make them."
        return Repeat("", overrides, note)
    missing = len(planned) - len(wanted)
    note = ""
    if missing > 0 and "--arm" not in words and "--grid" not in words:
        note = f"It makes {missing} more than the arms that are reported here."
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


def _chosen(
    planned: Sequence[tuple[Flat, Experiment]], preset: presets.Preset, wanted: Mapping[str, Run], sets: Flat
) -> list[str]:
    """Options that leave out what was not run: arms by name, and a grid of the values that were."""
    words = []
    names = dict.fromkeys(str(arm) for run in wanted.values() if (arm := run.manifest.about.get("arm")))
    if names and len(names) < len({experiment.arm for _, experiment in planned}):
        words += [word for name in names for word in ("--arm", name)]
    grid = preset.values.get("grid", {})
    for key, values in grid.items() if isinstance(grid, dict) else ():
        held = [flat[key] for flat in map(_settings, wanted.values()) if key in flat]
        used = list(dict.fromkeys(json.dumps(value) for value in held))
        if key in sets or not used or used == [json.dumps(value) for value in values]:
            continue
        if set(used) != {json.dumps(value) for value in values}:
            words += ["--grid", f"{key}=[{', '.join(_written(json.loads(value)) for value in used)}]"]
    return words


def _makes(preset: presets.Preset, words: Sequence[str], sets: Flat, wanted: Mapping[str, Run]) -> bool:
    """Whether the command comes to all settings that runs have."""
    try:
        asked = preset.override(
            presets.parse_sets([f"{key}={_written(value)}" for key, value in sets.items()]), "--set"
        )
        grids = [words[place + 1] for place, word in enumerate(words) if word == "--grid"]
        asked = asked.vary(presets.parse_grids(grids), "--grid") if grids else asked
        planned = arms_of(asked)
    except BiasloopError:
        return False
    made = {json.dumps(_planned(experiment), sort_keys=True) for _, experiment in planned}
    return wanted.keys() <= made


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
