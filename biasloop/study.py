"""Several runs of one preset: seeds x a grid of arms, one directory each."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from biasloop import engine
from biasloop.engine import Event, Options, Outcome, Prepared
from biasloop.errors import InvalidInput
from biasloop.experiment import Experiment
from biasloop.presets import Key, Preset

RUNS = Path("runs")
_LONGEST = 80


@dataclass(frozen=True)
class Planned:
    """One run of a study.

    Attributes:
        arm: `loop.human=1000`, or empty without a grid.
        seed: of the run.
        directory: where it lies or will lie.
        prepared: everything decided, nothing started.
    """

    arm: str
    seed: int
    directory: Path
    prepared: Prepared


def parse_seeds(text: str) -> list[int]:
    """`0-2`, `0,3,5-7` or `5` as a list of seeds.

    Raises:
        InvalidInput: anything else.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise InvalidInput(
                f"seeds {text!r}: expected a list of whole numbers or ranges, for example 0-2 or 0,3,5-7"
            )
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    return list(dict.fromkeys(seeds))


def describe(changes: Mapping[str, Any], separator: str = ",") -> str:
    """`loop.human=1000,domain.width=8`: readable, safe as the name of a directory, different for different values."""
    return separator.join(f"{key}={_safe(value)}" for key, value in sorted(changes.items()))


def _safe(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    safe = re.sub(r"[^\w.+-]+", "_", text).strip("_")
    if safe != text or len(safe) > _LONGEST:
        safe = f"{safe[:_LONGEST]}~{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    return safe


def default_directory(preset: Preset, changes: Mapping[Key, Any]) -> Path:
    """`runs/PRESET`, with the values that were set as part of the name, so that a variation never collides."""
    stem = preset.path.stem if "/" in preset.name or preset.name.endswith(".toml") else preset.name
    added = describe({".".join(key): value for key, value in changes.items()}, "+")
    return RUNS / (f"{stem}+{added}" if added else stem)


def plan(
    arms: Sequence[tuple[Mapping[str, Any], Experiment]],
    seeds: Sequence[int],
    directory: Path,
    options: Options,
) -> list[Planned]:
    """Every run of a study, seed by seed, decided before the first one starts.

    Raises:
        BiasloopError: whatever keeps any of them from starting.
    """
    planned = []
    for seed in seeds:
        for chosen, experiment in arms:
            arm = describe(chosen)
            place = directory / arm / f"seed-{seed}" if arm else directory / f"seed-{seed}"
            planned.append(Planned(arm, seed, place, engine.prepare(experiment, seed, options)))
    return planned


def run_all(
    planned: Sequence[Planned],
    options: Options,
    on_start: Callable[[Planned], None],
    on_event: Callable[[Event], None],
) -> list[Outcome]:
    """Run after run, until all are done or the person asks to stop."""
    options = replace(options, on_event=on_event)
    outcomes = []
    for item in planned:
        on_start(item)
        outcomes.append(engine.run(item.prepared, item.directory, options))
        if not outcomes[-1].reason:
            break
    return outcomes
