"""A run that is finished already: what it measured is told from its store, without its data and without its rule."""

from collections.abc import Callable
from pathlib import Path

from biasloop import discovery
from biasloop.config.experiment import Experiment
from biasloop.config.flatten import flatten
from biasloop.running import engine
from biasloop.running.engine import Committed, Event, Outcome
from biasloop.store.entries import PARTIAL
from biasloop.store.manifest import MEMORY, NAME, SETUP, read_manifest, round_name
from biasloop.store.reader import Run
from biasloop.store.remains import unnamed
from biasloop.store.writer import refuse_other


def outcome(experiment: Experiment, seed: int, directory: Path, on_event: Callable[[Event], None]) -> Outcome | None:
    """How a run ended that needs nothing more; None if it is to be made, or gone on with.

    Args:
        experiment: what is to be there.
        seed: of the run.
        directory: where it lies, or will.
        on_event: told of each of its rounds.

    Raises:
        StoreError: another experiment lies there.
        DamagedStore: what lies there cannot be read.
    """
    if not (directory / NAME).is_file():
        return None
    manifest = read_manifest(directory)
    stored = {key: value for key, value in manifest.about.items() if key != MEMORY}
    reason = stored.pop("finished", None)
    left = (directory / PARTIAL).exists() or unnamed(directory, manifest)
    if reason is None or left or stored != engine.about(experiment):
        return None
    run = Run.open(directory)
    defaults = engine.defaults(discovery.load(experiment.domain.name), experiment)
    refuse_other(directory, {**defaults, **flatten(run.identity)}, flatten(experiment.identity(seed)))
    untouched, files = run.pretrained(), run.manifest.files
    if untouched:
        on_event(Committed(-1, untouched, {}, files[f"{SETUP}.h5"].seconds, 0, resumed=True))
    for number, metrics, sizes, seconds in run.summaries():
        on_event(Committed(number, metrics, sizes, seconds, files[f"{round_name(number)}.h5"].bytes, resumed=True))
    return Outcome(directory, reason, len(run.rounds))
