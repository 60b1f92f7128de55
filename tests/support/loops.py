"""Toy experiments and runs, without command line and without entry points."""

from pathlib import Path
from typing import Any

import numpy as np
from biasloop_toy import ToyDomain

from biasloop.config.experiment import Experiment
from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.feedback.accumulate import Accumulate
from biasloop.records.record import Record
from biasloop.running.engine import Options, Prepared
from biasloop.store.claims import claimed
from biasloop.store.manifest import read_manifest, round_number, step_of
from biasloop.store.reader import Run

OPTIONS = Options(Path("unused"), interval=1e9)


def toy_experiment(*, loop: dict[str, Any] | None = None, **domain: Any) -> Experiment:
    """The toy loop of 12 rounds, with changes."""
    sizes = {"start": 100, "human": 5, "model": 20, "rounds": 12, **(loop or {})}
    config = ToyDomain.Config(**domain)
    return Experiment.model_validate(
        {
            "name": "toy",
            "domain": {"name": "toy", **config.model_dump()},
            "loop": sizes,
            "bound": {"metric": "share_predicted", "baseline": "share_target", "train": "share_train"},
        }
    )


def toy_prepared(experiment: Experiment, seed: int = 0) -> Prepared:
    """Domain and rule, as `engine.prepare` builds them."""
    config = ToyDomain.Config.model_validate(experiment.domain.settings)
    domain = ToyDomain(config, Context(Path("unused"), Streams((seed, "data"))))
    return Prepared(experiment, seed, domain, Accumulate(experiment.loop, domain, "toy", Streams((seed,))))


def stored_bytes(directory: Path) -> dict[str, bytes]:
    """Every HDF5 file of a run's directory."""
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.h5"))}


def records(run: Run) -> list[Record]:
    """Every step of a run."""
    return [run.read(step) for step in run.manifest.steps()]


def cut(directory: Path, rounds: int = 0) -> None:
    """Make a run what it was when it had so many rounds; files of later ones stay where they are."""
    manifest = read_manifest(directory)
    for name in [name for name in manifest.files if round_number(step_of(name)) >= rounds]:
        manifest.drop(name)
    with claimed(directory) as claim:
        manifest.write(directory, claim)


def assert_same_run(left: Path, right: Path) -> None:
    """Every stored array of two runs is bit-identical."""
    ours, theirs = stored_bytes(left), stored_bytes(right)
    assert ours.keys() == theirs.keys()
    differing = [name for name in ours if ours[name] != theirs[name]]
    assert not differing
    assert np.all([len(data) for data in ours.values()])
