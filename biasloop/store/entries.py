"""What a run's directory consists of: files and folders of its own, never links to others."""

import os
from pathlib import Path

from biasloop.errors import DamagedStore
from biasloop.system.claims import OF_RUN

MANIFEST = "manifest.json"
EXPERIMENT = "experiment.toml"
PARTIAL = "partial"
ASIDE = "aside"
_FILES = (MANIFEST, EXPERIMENT)
_FOLDERS = (PARTIAL, ASIDE)


def check_entries(directory: Path) -> None:
    """Refuse a run of which a part is a link, a pipe or the like: it would be written, or read, somewhere else.

    The directory itself, and what is above it, may be links.

    Raises:
        DamagedStore: naming what is no file or folder of the run's own.
    """
    for entry in _listed(directory):
        name = entry.name
        if name in _FOLDERS or name.startswith(OF_RUN):
            _require(entry, folder=True)
        elif name in _FILES or name.endswith(".h5"):
            _require(entry, folder=False)
        if name in _FOLDERS:
            for inner in _listed(directory / name):
                _require(inner, folder=name == ASIDE)


def _listed(directory: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _require(entry: os.DirEntry[str], *, folder: bool) -> None:
    if entry.is_dir(follow_symlinks=False) if folder else entry.is_file(follow_symlinks=False):
        return
    if entry.name in (MANIFEST, EXPERIMENT) and not entry.is_symlink():
        return  # said by whoever reads it, with the way on
    kind = "folder" if folder else "file"
    raise DamagedStore(
        f"{entry.path} is {'a link' if entry.is_symlink() else f'no {kind}'}, and a run consists of files and folders "
        "of its own; remove it, or put there what it leads to"
    )
