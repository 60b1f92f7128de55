"""What lies where a run is to be written, found out without writing: what the run would refuse, and what is done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from biasloop.config.flatten import flatten
from biasloop.errors import StoreError
from biasloop.store.entries import EXPERIMENT
from biasloop.store.manifest import NAME, SETUP
from biasloop.store.reader import Run
from biasloop.store.writer import refuse_foreign, refuse_other

_LONGEST = 255  # bytes of a name, on nearly every file system


def rounds_done(directory: Path, identity: Mapping[str, Any], defaults: Mapping[str, Any]) -> int:
    """How many rounds of an experiment are finished in a directory, which may be missing.

    Args:
        directory: of the run.
        identity: what a run there has to be of, as `RunWriter.create_or_resume` is given it.
        defaults: likewise.

    Raises:
        StoreError: another experiment, or something that is no run, lies there; it cannot be written.
        DamagedStore: what lies there cannot be read.
    """
    if not os.path.lexists(directory):
        return 0
    if not directory.is_dir():
        raise StoreError(f"{directory} is a file, so that no run can lie there; use another --output")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StoreError(f"{directory} cannot be written; make it writable, or use another --output")
    if not (directory / EXPERIMENT).exists():
        refuse_foreign(directory)
        return 0
    if not (directory / NAME).exists() and not any(directory.glob("*.h5")):
        return 0
    stored = Run.open(directory)
    refuse_other(directory, {**defaults, **flatten(stored.identity)}, flatten(identity))
    return sum(step != SETUP for step in stored.manifest.steps())


def is_absent(directory: Path, absent: set[Path], writable: set[Path]) -> bool:
    """Whether nothing lies where a run is to be written; then a directory can be made there.

    Args:
        directory: of a run.
        absent: directories that are known not to be there; those above this one are added.
        writable: directories in which others can be made; the one in which this can be made is added.

    Raises:
        StoreError: it is not there and cannot be made, saying what is in the way.
    """
    above = directory.parent
    if above not in absent and os.path.lexists(directory):
        return False
    missing = [directory]
    while above not in absent and not os.path.lexists(above) and above != above.parent:
        missing.append(above)
        above = above.parent
    if above not in absent and not above.is_dir():
        raise StoreError(f"{above} is no directory, so that no run can lie in {directory}; use another --output")
    long = [path.name for path in missing if len(os.fsencode(path.name)) > _LONGEST]
    if long:
        raise StoreError(f"{long[-1][:80]}... is too long for the name of a directory; use another --output")
    if above not in absent and above not in writable:
        _require_writable(above, directory)
        writable.add(above)
    absent.update(missing[1:])
    return True


def _require_writable(above: Path, directory: Path) -> None:
    try:
        # Nothing but making one tells: a file system may be read-only for everybody, or refuse for reasons of its own.
        Path(mkdtemp(prefix=".biasloop-", dir=above)).rmdir()
    except OSError as error:
        raise StoreError(f"{directory} cannot be written ({above}: {error.strerror}); use another --output") from error
