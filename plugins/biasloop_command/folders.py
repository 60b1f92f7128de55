"""A model as a folder of files, and as named arrays."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from biasloop.errors import DamagedStore
from biasloop.lazy import numpy as np
from biasloop_command.programs import Program, ProgramFailed, escaped

if TYPE_CHECKING:
    from biasloop.contract.data import Arrays


def collect(folder: Path, program: Program, megabytes: int) -> Arrays:
    """The files of a folder that a program has filled: `(bytes,)` uint8 by path below it, with `/` between parts.

    Raises:
        ProgramFailed: if there is no file, anything but files and folders, a name that is not UTF-8, or too much; if
            the folder is there no longer, or a link stands for it.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ProgramFailed(f"{program} left no folder {{model}}, or a link in its stead; leave files in the one given")
    files = _files(folder, program)
    if not files:
        raise ProgramFailed(f"{program} left no file in {{model}}, the folder for its model")
    size = sum(path.stat().st_size for path in files.values())
    if size > megabytes * 1_000_000:
        raise _too_large(size, program, megabytes)
    return {name: np.frombuffer(path.read_bytes(), np.uint8) for name, path in files.items()}


def check_growing(folder: Path, program: Program, megabytes: int) -> None:
    """Look at a folder that a program is still filling; it may hold more for a while, but not twice as much.

    Raises:
        ProgramFailed: if it does.
    """
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it may be gone again
                size += Path(parent, name).lstat().st_size
    if size > 2 * megabytes * 1_000_000:
        raise _too_large(size, program, megabytes)


def _too_large(size: int, program: Program, megabytes: int) -> ProgramFailed:
    return ProgramFailed(
        f"{program} left a model of {size / 1e6:,.1f} MB, and domain.model_megabytes allows {megabytes:,}; "
        "leave in {model} only what predicting needs, or allow more"
    )


def _files(folder: Path, program: Program) -> dict[str, Path]:
    files = {}
    for directory, inside, names in os.walk(folder):
        for entry in sorted([*inside, *names]):
            path = Path(directory, entry)
            name = path.relative_to(folder).as_posix()
            if not name.isascii():
                _check_name(name, program)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise ProgramFailed(
                    f"{program} left {escaped(name)} in {{model}}, which is a link or a device; leave files only"
                )
            if path.is_file():
                files[name] = path
    return dict(sorted(files.items()))


def _check_name(name: str, program: Program) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ProgramFailed(f"{program} left a file in {{model}} whose name is not UTF-8: {name!r}") from error


def restore(model: Arrays, folder: Path) -> None:
    """Write the files of a model below a folder.

    Raises:
        DamagedStore: if a path would lead out of it.
    """
    for name, content in model.items():
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name:
            raise DamagedStore(f"a stored model has a file {name!r}, which would not lie in the model's folder")
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.tobytes())


def named(model: Arrays) -> Arrays:
    """The same with names that no store reads as places: percent-encoded, `a%2Fb.txt`."""
    return {quote(name, safe=""): content for name, content in model.items()}


def unnamed(arrays: Arrays) -> Arrays:
    """The reverse of `named`."""
    return {unquote(name): content for name, content in arrays.items()}
