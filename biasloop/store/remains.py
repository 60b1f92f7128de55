"""What an ordinary kill leaves in a run's directory: it is cleared without a word, since nothing is wrong."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from biasloop.errors import DamagedStore, NewerFormat
from biasloop.store import codec
from biasloop.store.manifest import SETUP, Manifest, round_name, round_number, step_of


def unnamed(directory: Path, manifest: Manifest) -> dict[str, Path]:
    """HDF5 files that lie in a run's directory and do not belong to it, by name."""
    return {path.name: path for path in sorted(directory.glob("*.h5")) if path.name not in manifest.files}


def is_remains(path: Path, manifest: Manifest, others: Collection[str]) -> bool:
    """Whether an ordinary kill left an unnamed file.

    That is a model that later ones had replaced, killed before it was removed; or a model of the step that comes
    next, killed before the step's own file was written.

    Args:
        path: the file.
        manifest: of the run.
        others: names of all unnamed files; a step's file claims its model.
    """
    steps = manifest.steps()
    step = step_of(path.name)
    if step == path.stem:  # no model file
        return False
    if step in steps:
        return step != SETUP and round_number(step) < round_number(steps[-1])
    following = round_name(round_number(steps[-1]) + 1) if steps else SETUP
    return step == following and f"{step}.h5" not in others and not _is_foreign(path, manifest)


def _is_foreign(path: Path, manifest: Manifest) -> bool:
    """Whether a file reads, and belongs to another experiment or another history."""
    try:
        header = codec.read_summary(path.read_bytes(), path.name)[0]
    except NewerFormat:
        return True
    except (OSError, DamagedStore):
        return False
    return (header.experiment, header.parent) != (manifest.experiment, manifest.head)
