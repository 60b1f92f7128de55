"""Find damage in a run, and move what is damaged aside; nothing is deleted."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from biasloop.errors import DamagedStore, InvalidInput, NewerFormat, StoreError
from biasloop.store import codec
from biasloop.store.aside import set_aside
from biasloop.store.claims import claimed
from biasloop.store.codec import Header
from biasloop.store.entries import EXPERIMENT, check_entries
from biasloop.store.files import remove_temporaries, sha256
from biasloop.store.finding import check_run
from biasloop.store.manifest import (
    NAME,
    SETUP,
    Entry,
    Manifest,
    model_file,
    read_manifest,
    round_number,
)
from biasloop.store.reader import Run, altered, read_identity
from biasloop.store.remains import is_remains, unnamed


@dataclass(frozen=True)
class Repaired:
    """What a repair did.

    Attributes:
        kept: whole rounds.
        aside: names of files that were moved.
        folder: where they are; None if nothing was moved.
        anew: whether the manifest was made anew; what it said of the run besides its files is lost.
    """

    kept: int
    aside: list[str]
    folder: Path | None
    anew: bool = False


def verify(directory: Path) -> list[str]:
    """Every problem of a run, one sentence each: sizes, SHA-256, HDF5 checksums, and the chain of parents."""
    try:
        run = Run(directory, read_manifest(directory))
    except StoreError as error:
        return [str(error)]
    problems = []
    try:
        run.identity  # noqa: B018 (reading it compares it with the manifest)
    except DamagedStore as error:
        problems.append(str(error))
    parent = ""
    for step in run.manifest.steps():
        for name in (f"{step}.h5", model_file(step)):
            if name not in run.manifest.files:
                continue
            try:
                header, _ = codec.decode(run.content(name), str(directory / name))
                _check_chain(run, name, header, step, parent)
            except DamagedStore as error:
                problems.append(str(error))
        parent = run.manifest.files[f"{step}.h5"].sha256
    return problems


def _check_chain(run: Run, name: str, header: Header, step: str, parent: str) -> None:
    if (header.name, header.experiment, header.parent) != (step, run.manifest.experiment, parent):
        raise run.damaged(name, "does not belong where it stands")


def repair(directory: Path) -> Repaired:
    """Keep the longest whole history; move the first damaged round and all later ones aside.

    A missing or damaged manifest is made anew from the files.

    Raises:
        InvalidInput: there is no run.
        DamagedStore: its `experiment.toml` cannot be read, or is not the one that the rounds were made with.
        StoreError: the run is being written.
        NewerFormat: a newer biasloop wrote it.
    """
    check_entries(directory)
    check_run(directory)
    if not (directory / EXPERIMENT).is_file():
        raise InvalidInput(f"{directory} is not a run: it has no {EXPERIMENT}")
    with claimed(directory) as claim:
        remove_temporaries(directory)
        old = _old_manifest(directory)
        manifest = _longest_history(directory, old)
        orphans = unnamed(directory, manifest)
        for name in [name for name in orphans if old and name not in old.files]:
            if is_remains(orphans[name], manifest, orphans):
                claim.remove(orphans.pop(name))
        aside = [*orphans.values(), *([directory / NAME] if old is None and (directory / NAME).exists() else [])]
        folder = set_aside(directory, aside, claim) if aside else None
        if old is None or old.files.keys() != manifest.files.keys():
            manifest.about.pop("finished", None)
            manifest.write(directory, claim)
        elif old.files != manifest.files:
            manifest.write(directory, claim)
        rounds = sum(step != SETUP for step in manifest.steps())
        return Repaired(rounds, [path.name for path in aside], folder, old is None)


def _old_manifest(directory: Path) -> Manifest | None:
    """The manifest that is there, unless it is damaged or of another experiment than files and `experiment.toml`.

    Raises:
        DamagedStore: `experiment.toml` is not the one that the files were made with.
        NewerFormat: a newer biasloop wrote the manifest or a file.
    """
    try:
        manifest = read_manifest(directory)
    except NewerFormat:
        raise
    except DamagedStore:
        manifest = None
    experiment = sha256((directory / EXPERIMENT).read_bytes())
    made_with = {header.experiment for header in _headers(directory)} or {
        manifest.experiment if manifest else experiment
    }
    if experiment not in made_with:
        raise altered(directory)
    read_identity(directory)
    return manifest if manifest and manifest.experiment == experiment else None


def _headers(directory: Path) -> Iterator[Header]:
    """Of every step's file that reads."""
    for path in directory.glob("*.h5"):
        if not path.name.startswith("model-"):
            with suppress(DamagedStore, OSError):
                yield codec.read_summary(path.read_bytes(), path.name)[0]


def _longest_history(directory: Path, old: Manifest | None) -> Manifest:
    """A manifest of the longest history that starts at the set-up and is whole.

    A lost model costs no round: the engine fits it again when the run goes on.
    """
    experiment = sha256((directory / EXPERIMENT).read_bytes())
    manifest = Manifest(experiment, dict(old.about) if old else {}, list(old.environments) if old else [])
    steps = sorted((p.stem for p in directory.glob("*.h5") if not p.name.startswith("model-")), key=_position)
    parent, history = "", []
    for number, step in enumerate(steps, -1):
        entries = _step_entries(directory, step, number, experiment, parent, old)
        if not entries:
            break
        history.append(entries)
        parent = entries[0].sha256
    if old is None and _contradicted(directory, history, steps, experiment):
        history.pop()
    for entries in history:
        for entry in entries:
            manifest.add(entry)
    return manifest


def _contradicted(directory: Path, history: list[list[Entry]], steps: list[str], experiment: str) -> bool:
    """Whether the step after a history, which is whole but for its parent, was made after another last step.

    Without a manifest that is all there is to show that the last step's file was altered.
    """
    if not 0 < len(history) < len(steps):
        return False
    step = steps[len(history)]
    try:
        header = codec.read_summary((directory / f"{step}.h5").read_bytes(), step)[0]
    except (OSError, DamagedStore):
        return False
    follows = (header.name, header.experiment, _position(step)) == (step, experiment, len(history) - 1)
    return follows and header.parent != history[-1][0].sha256


def _position(step: str) -> int:
    with suppress(ValueError):
        return round_number(step)
    return 10**9


def _step_entries(
    directory: Path, step: str, number: int, experiment: str, parent: str, old: Manifest | None
) -> list[Entry]:
    """Entries of a step and, if it is whole, of its model file; nothing if the step is damaged."""
    entries = []
    for name in (f"{step}.h5", model_file(step)):
        entry = _entry(directory, name, (step, experiment, parent), old)
        if entry is not None and _position(step) == number:
            entries.append(entry)
        elif name == f"{step}.h5":
            return []
    return entries


def _entry(directory: Path, name: str, expected: tuple[str, str, str], old: Manifest | None) -> Entry | None:
    try:
        data = (directory / name).read_bytes()
        header, _ = codec.decode(data, str(directory / name))
    except NewerFormat:
        raise
    except (OSError, DamagedStore):
        return None
    known, digest = old.files.get(name) if old else None, sha256(data)
    if (header.name, header.experiment, header.parent) != expected or (known and known.sha256 != digest):
        return None
    # A size that somebody edited is no reason to lose what else is known of the file.
    return replace(known, bytes=len(data)) if known else Entry(name, len(data), digest)
