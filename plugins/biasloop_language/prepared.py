"""Columns that are made once for all runs, and those of an earlier version, which are taken over.

A network that was pre-trained before goes on with the same bits, and prompts need no archive a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop import hdf5
from biasloop.contract.context import Context
from biasloop.contract.data import Column, Frame

if TYPE_CHECKING:
    from biasloop.datasets.decoded import Writer
    from biasloop.hdf5 import Group

_FILE = "columns.h5"  # of an earlier version


def prepared(context: Context, name: str, build: Callable[[], Frame]) -> Frame:
    """Columns that are built at most once and mapped into memory from then on.

    Args:
        context: whose data directory keeps them.
        name: says what they are and what they were made from; a changed input needs another name.
        build: makes them, unless an earlier version left them.

    Raises:
        DownloadError: if they do not read; their directory can be deleted, and is then made anew.
    """
    from biasloop.datasets.decoded import decoded

    def make(writer: Writer) -> None:
        earlier = _of_earlier(context, name)
        for column, values in (build() if earlier is None else earlier).columns.items():
            writer.append(column, values)

    return decoded(context, name, make).frame


def is_prepared(context: Context, name: str) -> bool:
    """Whether they were built before, by this version or an earlier one."""
    from biasloop.datasets.decoded import is_decoded

    return is_decoded(context, name) or context.is_prepared(name)


class _NotThere(Exception):
    """What an earlier version left is damaged."""


def _of_earlier(context: Context, name: str) -> Frame | None:
    """Columns in an HDF5 file, if they are there and are as they were made."""
    if not context.is_prepared(name):
        return None
    try:
        directory = context.prepared(name, _never)
        with hdf5.opened(directory / _FILE, strings=True) as file:
            return Frame({column: _read(file.group(column)) for column in str(file.attributes["columns"]).split()})
    except (_NotThere, hdf5.Malformed, OSError, KeyError, ValueError, IndexError):
        return None


def _never(directory: Path) -> None:
    raise _NotThere


def _read(group: Group) -> Column:
    offsets = group.dataset("offsets").read() if "offsets" in group else None
    return Column(group.dataset("values").read(), offsets, str(group.attributes["role"]))
