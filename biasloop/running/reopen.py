"""A stored run opened again: with its data, to generate from it, or without them, to measure what is stored."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from biasloop.config.experiment import Experiment
from biasloop.config.resources import Resources
from biasloop.errors import DamagedStore, InvalidInput
from biasloop.feedback.rule import Rule
from biasloop.records.record import Record
from biasloop.running import provenance
from biasloop.running.engine import Options, Prepared, known, prepare
from biasloop.store.entries import EXPERIMENT
from biasloop.store.manifest import SETUP
from biasloop.store.reader import Run
from biasloop.system import threads


def reopen(directory: Path, options: Options) -> tuple[Run, Prepared]:
    """A stored run with its domain, its data and its rule, to generate from.

    Without `options.threads` it computes with as many as its newest step was made with: then a model that has to be
    fitted again has the same bits, and gives the same labels. What [resources] the preset had is not asked.

    Raises:
        DamagedStore: what is stored of its settings is no experiment of this biasloop, or the data are others.
    """
    stored, prepared = _opened(directory, options, prepare)
    prepared.rule.prepare()
    if stored.manifest.steps():
        provenance.check_data(directory, stored.read(SETUP), prepared.domain)
    return stored, prepared


def reread(directory: Path, options: Options) -> tuple[Run, Rule]:
    """A stored run and its rule, to measure again what is stored; nothing of its data need be there.

    Raises:
        DamagedStore: what is stored of its settings is no experiment of this biasloop.
    """
    stored, prepared = without_data(directory, options)
    return stored, prepared.rule


def without_data(directory: Path, options: Options) -> tuple[Run, Prepared]:
    """A stored run with its domain and its rule; nothing of its data need be there.

    Raises:
        DamagedStore: what is stored of its settings is no experiment of this biasloop.
    """
    return _opened(directory, options, known)


def _opened(
    directory: Path, options: Options, make: Callable[[Experiment, int, Options], Prepared]
) -> tuple[Run, Prepared]:
    stored = Run.open(directory)
    try:
        return stored, make(*_experiment_of(stored), options)
    except ValidationError as error:  # of the experiment, or of its domain's settings
        first = error.errors()[0]
        raise _no_experiment(directory, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _no_experiment(directory: Path, reason: str) -> DamagedStore:
    return DamagedStore(f"{directory / EXPERIMENT} holds no experiment that this biasloop knows ({reason})")


def _experiment_of(stored: Run) -> tuple[Experiment, int]:
    """The experiment of a stored run, and its seed."""
    identity = stored.identity
    name = str(stored.manifest.about.get("name", stored.directory.name))
    try:
        settings = {key: identity[key] for key in ("compat", "domain", "loop")}
        settings |= {key: identity[key] for key in ("selection",) if key in identity}
        loop, seed = {**identity["loop"], "rounds": max(1, len(stored.rounds))}, int(identity["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise _no_experiment(stored.directory, f"{type(error).__name__}: {error}") from error
    experiment = Experiment.model_validate({"name": name, **settings, "loop": loop})
    return experiment.model_copy(update={"resources": Resources(threads=_threads_of(stored))}), seed


def _threads_of(stored: Run) -> int | None:
    """CPU threads that the newest step of a run was made with; None if it is not said, or cannot be had here."""
    steps, environments = stored.manifest.steps(), stored.manifest.environments
    number = stored.manifest.files[f"{steps[-1]}.h5"].environment if steps else None
    text = str(environments[number].get("threads")) if number is not None else ""
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) and 1 <= int(text) <= threads.most() else None


def replay(stored: Run, rule: Rule, until: int | None = None, *, models: bool = True) -> Iterator[tuple[int, Record]]:
    """Absorb a stored run's steps in order, yielding each round after it was absorbed.

    Args:
        stored: the run.
        rule: a fresh rule of its experiment.
        until: the last round to absorb; None for all.
        models: whether models are read, too; nothing is measured by them.

    Raises:
        InvalidInput: the run has no such round.
    """
    if until is not None and until not in stored.rounds:
        raise InvalidInput(f"{stored.directory} has no round {until}; it has rounds 0 to {len(stored.rounds) - 1}")
    for step in stored.manifest.steps():
        record = stored.read(step, models=models)
        rule.absorb(record)
        if step != SETUP:
            number = int(step.removeprefix("round-"))
            yield number, record
            if number == until:
                return
