"""Open a file, look at all of it, and give its groups and datasets."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.errors import InvalidInput
from biasloop.hdf5.looking import Look, Value
from biasloop.hdf5.refusing import FAILURES, Malformed, reason
from biasloop.hdf5.window import Window
from biasloop.lazy import h5py
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from h5py.h5d import DatasetID
    from h5py.h5f import FileID
    from h5py.h5g import GroupID

    from biasloop.contract.data import Array

_numbers = itertools.count()  # names for files without one: HDF5 takes two of one name for one file


@dataclass(frozen=True)
class Dataset:
    """A dataset that was looked at: its values are in the file, and are as many as it says.

    Attributes:
        path: where in the file.
        attributes: by name.
        shape: of the values.
        dtype: of numbers or booleans.
    """

    path: str
    attributes: Mapping[str, Value]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _id: DatasetID = field(repr=False)

    def read(self) -> Array:
        """All values; a scalar of NumPy where the shape is ().

        Raises:
            Malformed: a checksum is wrong, or what is packed does not unpack.
        """
        values = np.empty(self.shape, self.dtype)
        if values.size:
            self._fill(values, h5py.h5s.ALL, h5py.h5s.ALL)
        unwrapped: Array = values[()]
        return unwrapped

    def rows(self, start: int, stop: int) -> Array:
        """The rows from `start` to before `stop`, both within the dataset.

        Raises:
            Malformed: as `read`.
        """
        values = np.empty((stop - start, *self.shape[1:]), self.dtype)
        if values.size:
            rows = self._id.get_space()
            rows.select_hyperslab((start, *(0 for _ in self.shape[1:])), values.shape)
            self._fill(values, h5py.h5s.create_simple(values.shape), rows)
        return values

    def _fill(self, values: Array, target: object, source: object) -> None:
        try:
            self._id.read(target, source, values)
        except FAILURES as error:
            raise Malformed(reason(error)) from error


@dataclass(frozen=True)
class Group:
    """A group that was looked at, with all that is in it.

    Attributes:
        path: where in the file.
        attributes: by name.
        members: by name, in the order of their names.
    """

    path: str
    attributes: Mapping[str, Value]
    members: Mapping[str, Group | Dataset]

    def __contains__(self, name: str) -> bool:
        return name in self.members

    def group(self, name: str) -> Group:
        """A member that has to be a group.

        Raises:
            Malformed: it is not there, or no group.
        """
        member = self.members.get(name)
        if not isinstance(member, Group):
            raise Malformed(f"{self.path} has no group {name!r}")
        return member

    def dataset(self, name: str) -> Dataset:
        """A member that has to be a dataset.

        Raises:
            Malformed: it is not there, or no dataset.
        """
        member = self.members.get(name)
        if not isinstance(member, Dataset):
            raise Malformed(f"{self.path} has no dataset {name!r}")
        return member

    def groups(self) -> dict[str, Group]:
        """All members, which have to be groups.

        Raises:
            Malformed: one is a dataset.
        """
        return {name: self.group(name) for name in self.members}

    def datasets(self) -> dict[str, Dataset]:
        """All members, which have to be datasets.

        Raises:
            Malformed: one is a group.
        """
        return {name: self.dataset(name) for name in self.members}


@contextmanager
def opened(
    source: Path | bytes | Window,
    *,
    strings: bool = False,
    first: Callable[[Mapping[str, Value]], None] | None = None,
) -> Iterator[Group]:
    """The root of a file, once everything in it was looked at. Its datasets can be read inside.

    Args:
        source: the file, its bytes, or the part of an open one that holds them. Of the latter two a dataset should be
            read at once, since no chunk of it is held for the next time.
        strings: attributes may be strings of variable length.
        first: told the root's attributes before anything else is looked at; may refuse the file by them.

    Raises:
        Unsafe: it has what no file of biasloop has: links, values in other files, more values than it can hold.
        Malformed: it is damaged, or no HDF5 file.
    """
    file = None
    try:
        try:
            file = _open(source)
            root = _root(file, Look(_size(source), strings), first)
        except FAILURES as error:
            raise Malformed(reason(error)) from error
        yield root
    finally:
        if file is not None and file.valid:
            file.close()


def _size(source: Path | bytes | Window) -> int:
    if isinstance(source, bytes):
        return len(source)
    return source.size if isinstance(source, Window) else source.stat().st_size


def _open(source: Path | bytes | Window) -> FileID:
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    if not isinstance(source, Path):
        access.set_cache(0, 0, 0, 0.0)  # else each dataset that was read holds chunks of it until the file is closed
    if isinstance(source, bytes):
        access.set_fapl_core(1 << 16, False)
        access.set_file_image(source)
        return h5py.h5f.open(b"image-%d" % next(_numbers), h5py.h5f.ACC_RDONLY, access)
    if isinstance(source, Window):
        access.set_fileobj_driver(h5py.h5fd.fileobj_driver, source)
        return h5py.h5f.open(b"window-%d" % next(_numbers), h5py.h5f.ACC_RDONLY, access)
    try:
        require_regular(source)
    except InvalidInput as error:
        raise Malformed(str(error)) from error
    access.set_file_locking(False, True)
    return h5py.h5f.open(bytes(source), h5py.h5f.ACC_RDONLY, access)


def _root(file: FileID, look: Look, first: Callable[[Mapping[str, Value]], None] | None) -> Group:
    root = h5py.h5o.open(file, b"/")
    attributes = look.attributes("/", root)
    if first is not None:
        first(attributes)
    look.once("/", h5py.h5o.get_info(root).addr)
    return Group("/", attributes, _members(look, "/", root, 1))


def _members(look: Look, path: str, group: GroupID, depth: int) -> dict[str, Group | Dataset]:
    members: dict[str, Group | Dataset] = {}
    for name, inner, item in look.members(path, group, depth):
        attributes = look.attributes(inner, item)
        if isinstance(item, h5py.h5g.GroupID):
            members[name] = Group(inner, attributes, _members(look, inner, item, depth + 1))
        else:
            members[name] = Dataset(inner, attributes, *look.dataset(inner, item), item)
    return members
