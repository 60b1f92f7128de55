"""Several runs of one preset: seeds x a grid of arms, one directory each."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from biasloop import discovery
from biasloop.config.experiment import DomainSection, Experiment
from biasloop.config.presets import MINI, Key, Preset, parse_value
from biasloop.contract.context import Memory
from biasloop.contract.domains import Demands, Domain
from biasloop.errors import InvalidInput
from biasloop.feedback.rule import Rule
from biasloop.running import engine, provenance
from biasloop.running.engine import Options
from biasloop.store import preview
from biasloop.store.manifest import NAME, SETUP
from biasloop.store.reader import Run

RUNS = Path("runs")
MOST_RUNS = 100_000
_LONGEST = 200  # bytes of a name; file systems take 255
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class Planned:
    """One run of a study.

    Attributes:
        arm: `loop.human=1000`, or the name of one of the preset's arms, or both; empty without [grid] and [arms].
        seed: of the run.
        directory: where it lies or will lie.
        experiment: what runs there.
        rounds: how many, as far as settings and pool say.
        done: how many of them are finished.
        labels: human labels that all its rounds take.
        bought: those of them that finished rounds took.
    """

    arm: str
    seed: int
    directory: Path
    experiment: Experiment
    rounds: int
    done: int = 0
    labels: int = field(default=0, compare=False)
    bought: int = field(default=0, compare=False)


def describe(changes: Mapping[str, Any], separator: str = ",") -> str:
    """`loop.human=1000,domain.width=8`: readable, safe as the name of a directory, different for different values."""
    return _cut(separator.join(f"{_safe(key)}={_safe(value)}" for key, value in sorted(changes.items())))


def folder(arm: str | None, chosen: Mapping[str, Any]) -> str:
    """The directory of an arm's runs: its name, and what of the grid it has; empty without either.

    A name that is none for a directory, or that a directory of a run may have, comes with a digest.

    Args:
        arm: one of the preset's [arms].
        chosen: keys of the grid with their values.
    """
    if arm is None:
        return describe(chosen)
    safe = re.sub(r"[^\w.+-]+", "_", arm, flags=re.ASCII).strip("_.+-")
    name = safe if safe == arm and not re.fullmatch(r"seed-\d+", arm) else f"{safe}~{_digest(arm)}"
    return _cut(",".join([name, describe(chosen)] if chosen else [name]))


def _cut(text: str) -> str:
    """As much of a name as a file system takes, with a digest of all of it."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 7]}~{_digest(text)}"


def _safe(value: Any) -> str:
    """The value as it is typed; with a digest where that is no safe name or could be read as another value."""
    return _safe_of(value) if type(value) in {int, str} else _worked_out(value)


@lru_cache(maxsize=20_000, typed=True)  # ten thousand arms have a few hundred of them
def _safe_of(value: int | str) -> str:
    return _worked_out(value)


def _worked_out(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    safe = re.sub(r"[^\w.+-]+", "_", text, flags=re.ASCII).strip("_")
    typed = isinstance(value, int | float) or _as_typed(text) == value
    if typed and safe == text and len(safe) <= _LONGEST_VALUE:
        return safe
    return f"{safe[:_LONGEST_VALUE]}~{_digest(f'{type(value).__name__} {value!r}')}"


def _as_typed(text: str) -> Any:
    """What the text stands for on a command line; nothing if it is refused there."""
    try:
        return parse_value(text)
    except InvalidInput:
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:6]


def default_directory(preset: Preset, changes: Mapping[Key, Any]) -> Path:
    """`runs/PRESET`, with the values that were set as part of the name, so that a variation never collides.

    Those of [resources] make no other run, and the same one goes on with others.
    """
    stem = preset.path.stem + MINI if preset.mini else preset.path.stem
    added = describe({".".join(key): value for key, value in changes.items() if key[0] != "resources"}, "+")
    return RUNS / (f"{stem}+{added}" if added else stem)


def plan(
    arms: Sequence[tuple[Mapping[str, Any], Experiment]],
    seeds: Sequence[int],
    directory: Path,
    options: Options,
) -> list[Planned]:
    """Every run of a study, seed by seed, decided before the first one starts.

    Raises:
        InvalidInput: there are more than 100,000 of them.
        BiasloopError: whatever keeps any of them from starting, as far as it can be known without training.
    """
    if len(arms) * len(seeds) > MOST_RUNS:
        raise InvalidInput(f"{len(arms):,} settings with {len(seeds):,} seeds each are more than {MOST_RUNS:,} runs")
    _require_directory(options.data)
    checks = _Checks(seeds[0], options)
    begun = os.path.lexists(directory)
    expected = [_Expected.of(checks.rule(experiment), begun=begun) for _, experiment in arms]
    names = [(called(experiment.arm, chosen), folder(experiment.arm, chosen)) for chosen, experiment in arms]
    absent: set[Path] = set()
    writable: set[Path] = set()
    return [
        Planned(
            arm,
            seed,
            path,
            experiment,
            of_arm.rounds,
            done,
            of_arm.labels,
            of_arm.bought[min(done, of_arm.rounds)] if done else 0,
        )
        for seed in seeds
        for (arm, below), (_, experiment), of_arm in zip(names, arms, expected, strict=True)
        for path in [directory / below / f"seed-{seed}" if below else directory / f"seed-{seed}"]
        for done in [0 if preview.is_absent(path, absent, writable) else checks.done(path, experiment, seed)]
    ]


def called(arm: str | None, chosen: Mapping[str, Any]) -> str:
    """What people and scripts read of an arm: its name as it stands in the preset, and what of the grid it has."""
    return ", ".join(part for part in (arm, describe(chosen)) if part)


@dataclass(frozen=True)
class _Expected:
    """What a rule says of a run; the rule itself would hold the data.

    Attributes:
        rounds: how many it has.
        labels: human labels that they take.
        bought: those that so many rounds take, by their number; empty where none is finished.
    """

    rounds: int
    labels: int
    bought: Sequence[int] = ()

    @classmethod
    def of(cls, rule: Rule, *, begun: bool) -> "_Expected":
        rounds = rule.expected_rounds()
        bought = [rule.human_labels(done) for done in range(rounds + 1)] if begun else ()
        return cls(rounds, rule.human_labels(rounds), bought)


def _require_directory(data: Path) -> None:
    """Refuse a data directory that is none and cannot become one."""
    above = next(path for path in (data, *data.parents) if path.exists() or path == path.parent)
    if not above.is_dir():
        raise InvalidInput(f"{above} is no directory, so that no data can lie in {data}; use another --data")


@dataclass
class _Checks:
    """Everything that can be known of arms before they run: what is lacking, whether the pool suffices.

    Arms of one section [domain] share a domain, which is checked once; domains share what they read (`Context.once`).

    Attributes:
        seed: of the runs.
        options: where data lie, and where to compute.
    """

    seed: int
    options: Options
    _memory: Memory = field(default_factory=dict)
    _section: DomainSection | None = None
    _domain: Domain | None = None
    _demands: set[Demands] = field(default_factory=set)
    _compared: list[DomainSection] = field(default_factory=list)

    def rule(self, experiment: Experiment) -> Rule:
        """The rule of an experiment, prepared; whatever keeps a run from starting is raised."""
        if self._domain is None or experiment.domain is not self._section:  # equal ones of a grid are one object
            self._domain = engine.domain_of(experiment, self.seed, self.options, self._memory)
            self._section, self._demands = experiment.domain, set()
        prepared = engine.known(experiment, self.seed, self.options, self._domain)
        demands = experiment.loop.demands()
        if demands not in self._demands:
            engine.check(self._domain, experiment, self.options)
            self._demands.add(demands)
        prepared.rule.prepare()
        return prepared.rule

    def done(self, path: Path, experiment: Experiment, seed: int) -> int:
        """How many rounds of a run are finished; that it has other data is raised, of one run of a section [domain]."""
        defaults = engine.defaults(discovery.load(experiment.domain.name), experiment)
        rounds = preview.rounds_done(path, experiment.identity(seed), defaults)
        if (path / NAME).exists() and not any(experiment.domain is section for section in self._compared):
            stored = Run.open(path)
            if SETUP in stored.manifest.steps():
                self._compared.append(experiment.domain)
                domain = engine.domain_of(experiment, seed, self.options, self._memory)
                provenance.check_data(path, stored.read(SETUP), domain)
        return rounds


def shortfalls(planned: Sequence[Planned]) -> list[str]:
    """Where a run has fewer rounds than its settings ask for, each of them once."""
    short = [
        f"the reserve allows {item.rounds:,} rounds{f' with {item.arm}' if item.arm else ''}; loop.rounds asks for "
        f"{item.experiment.loop.rounds:,}"
        for item in planned
        if item.experiment.loop.rounds is not None and item.rounds < item.experiment.loop.rounds
    ]
    return list(dict.fromkeys(short))
