"""Files and directories that a command is to write, refused by their option before anything is computed."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from biasloop.errors import InvalidInput

Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]


def check_new(option: str, path: Path, *, force: bool) -> None:
    """Whether a file may be written there: none is replaced unless that was asked for. A pipe or a device is none.

    Args:
        option: that names it.
        path: the file.
        force: whether --force was given.

    Raises:
        InvalidInput: there is one.
    """
    if not force and path.is_file():
        raise InvalidInput(f"{option} {path}: this file is there already; --force replaces it, or choose another")


def check_file(option: str, path: Path | None, *, force: bool) -> None:
    """Whether a file can be written there; its directory has to exist. A pipe or a device is left to its opening.

    Args:
        option: that names it.
        path: None where the option was not given.
        force: whether a file that is there may be replaced.

    Raises:
        InvalidInput: it cannot.
    """
    if path is None or (path.exists() and not path.is_file() and not path.is_dir()):
        return
    check_new(option, path, force=force)
    if path.is_dir():
        raise InvalidInput(f"{option} {path}: this is a directory; name a file in it")
    if not path.parent.is_dir():
        raise InvalidInput(f"{option} {path}: there is no directory {path.parent}; make it or choose another")
    _check_writable(option, path, path.parent)


def check_figure(option: str, path: Path, *, force: bool) -> None:
    """Whether a figure can be written there; the directories above it are made.

    Args:
        option: that names it.
        path: the file, whose ending tells the format.
        force: whether a file that is there may be replaced.

    Raises:
        InvalidInput: it cannot, or the ending is that of no format.
    """
    from biasloop.report.figures.canvas import format_of

    format_of(path)
    if path.is_dir():
        raise InvalidInput(f"{option} {path}: this is a directory; name a file in it")
    check_new(option, path, force=force)


def check_directory(option: str, path: Path) -> None:
    """Whether files can be written in a directory, which may have to be made with those above it.

    Args:
        option: that names it.
        path: the directory.

    Raises:
        InvalidInput: they cannot.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise InvalidInput(f"{option} {path}: {there} is a file; name a directory")
    _check_writable(option, path, there)


def _check_writable(option: str, path: Path, directory: Path) -> None:
    """By a file without a name: permissions alone do not tell, of a system's own directories for example."""
    try:
        with TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InvalidInput(
            f"{option} {path}: no file can be made in the directory {directory} ({error.strerror or error}); choose "
            "another"
        ) from error
