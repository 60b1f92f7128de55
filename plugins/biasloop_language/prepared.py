"""Columns in an HDF5 file of the directory of prepared data: what is slow to make is made once for all runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop import hdf5
from biasloop.contract.context import Context
from biasloop.contract.data import Array, Column, Frame
from biasloop.errors import DownloadError

if TYPE_CHECKING:  # HDF5 is loaded when prepared data are read, not with the plugin
    import h5py

    from biasloop.hdf5 import Group

_CHUNK = 768 * 1024  # bytes
_FILE = "columns.h5"


def prepared(context: Context, name: str, build: Callable[[], Frame]) -> Frame:
    """Columns that are built at most once and read from then on.

    Args:
        context: whose data directory keeps them.
        name: says what they are and what they were made from; a changed input needs another name.
        build: makes them.

    Raises:
        DownloadError: if the file does not read; it can be deleted, and is then made anew.
    """
    directory = context.prepared(name, lambda folder: _write(folder / _FILE, build()))
    try:
        with hdf5.opened(directory / _FILE, strings=True) as file:
            return Frame({column: _read(file.group(column)) for column in str(file.attributes["columns"]).split()})
    except (hdf5.Malformed, OSError, KeyError, ValueError, IndexError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DownloadError(
            f"{directory / _FILE} is damaged ({reason}); delete {directory}, and the same command makes it anew"
        ) from error


def _write(path: Path, frame: Frame) -> None:
    import h5py

    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        file.attrs["columns"] = " ".join(frame.columns)
        for name, column in frame.columns.items():
            group = file.create_group(name)
            group.attrs["role"] = column.role
            _put(group, "values", column.values)
            if column.offsets is not None:
                _put(group, "offsets", column.offsets)


def _put(group: h5py.Group, name: str, array: Array) -> None:
    if not array.size:  # HDF5 knows no chunks of nothing
        group.create_dataset(name, data=array)
        return
    rows = max(1, _CHUNK // array[:1].nbytes)
    chunks = (min(rows, len(array)), *array.shape[1:])
    group.create_dataset(name, data=array, chunks=chunks, fletcher32=True, track_times=False)


def _read(group: Group) -> Column:
    offsets = group.dataset("offsets").read() if "offsets" in group else None
    return Column(group.dataset("values").read(), offsets, str(group.attributes["role"]))
