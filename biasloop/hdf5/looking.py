"""One look at all that is in a file: links, types, layouts, sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from biasloop.hdf5.chunks import Chunks
from biasloop.hdf5.refusing import (
    DEEPEST,
    LARGEST_ATTRIBUTE,
    LARGEST_UNPACKED,
    MOST_ATTRIBUTES,
    MOST_OBJECTS,
    SMALL,
    USUAL,
    Malformed,
    Unsafe,
)
from biasloop.lazy import h5py
from biasloop.lazy import numpy as np
from biasloop.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from h5py.h5a import AttrID
    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from h5py.h5l import LinkInfo

Value = int | float | str


@dataclass
class Look:
    """What was counted while looking at a file (`biasloop.hdf5.chunks.Count`).

    Attributes:
        size: the file's bytes.
        strings: whether attributes may be strings of variable length.
        seen: addresses of groups and datasets so far.
        in_file: bytes that the datasets so far have in the file.
        once_unpacked: bytes that those of them that are packed have once they are unpacked.
    """

    size: int
    strings: bool
    seen: set[int] = field(default_factory=set)
    in_file: int = 0
    once_unpacked: int = 0

    def once(self, path: str, address: int) -> None:
        """Take notice of a group or dataset: one way leads to each, so nothing is in itself or is read twice.

        Raises:
            Unsafe: it was seen before.
        """
        if address in self.seen:
            raise Unsafe(f"{path} is in the file under another name too")
        self.seen.add(address)

    def members(self, path: str, group: GroupID, depth: int) -> Iterator[tuple[str, str, GroupID | DatasetID]]:
        """Name, path and what it is, of each member of a group.

        Raises:
            Unsafe: a member is no group or dataset of this very file that only this name has.
        """
        if depth > DEEPEST:
            raise Unsafe(f"{path} is more than {DEEPEST} groups deep")
        for raw, kind, address in self._links(path, group):
            inner = f"{path.rstrip('/')}/{printable(raw.decode(errors='backslashreplace'))}"
            name = _text(raw, f"the name of {inner}")
            if kind != h5py.h5l.TYPE_HARD:
                kinds = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}
                raise Unsafe(f"{inner} is {kinds.get(kind, 'a link of an unknown kind')}")
            self.once(inner, address)
            item = h5py.h5o.open(group, raw)
            if not isinstance(item, h5py.h5g.GroupID | h5py.h5d.DatasetID):
                raise Unsafe(f"{inner} is neither a group nor a dataset")
            yield name, inner, item

    def _links(self, path: str, group: GroupID) -> list[tuple[bytes, int, int]]:
        """Name and kind of each link, and where it leads to, if it is hard."""
        links: list[tuple[bytes, int, int]] = []
        room = MOST_OBJECTS - len(self.seen)

        def take(name: bytes, info: LinkInfo) -> bool | None:
            links.append((name, info.type, info.u if info.type == h5py.h5l.TYPE_HARD else 0))
            return True if len(links) > room else None

        group.links.iterate(take, info=True)
        if len(links) > room:
            raise Unsafe(f"{path} brings the groups and datasets of the file beyond {MOST_OBJECTS:,}")
        return links

    def attributes(self, path: str, item: GroupID | DatasetID) -> dict[str, Value]:
        """The attributes of a group or dataset.

        Raises:
            Unsafe: there are too many, or one is no single number or string.
        """
        count = h5py.h5a.get_num_attrs(item)
        if count > MOST_ATTRIBUTES:
            raise Unsafe(f"{path} has {count:,} attributes, and {MOST_ATTRIBUTES:,} are the most")
        attributes: dict[str, Value] = {}
        for index in range(count):
            attribute = h5py.h5a.open(item, index=index)
            name = _text(attribute.name, f"the name of an attribute of {path}")
            attributes[name] = self._attribute(f"the attribute {name!r} of {path}", attribute)
        return attributes

    def _attribute(self, what: str, attribute: AttrID) -> Value:
        kind = attribute.get_type()
        if attribute.shape != ():
            raise Unsafe(f"{what} is not a single value")
        if kind.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
            number = np.empty((), kind.dtype)
            attribute.read(number)
            value: int | float = number.item()
            return value
        if kind.get_class() != h5py.h5t.STRING or (kind.is_variable_str() and not self.strings):
            raise Unsafe(f"{what} is neither a number nor a string of fixed length")
        if kind.get_size() > min(self.size, LARGEST_ATTRIBUTE):
            raise Unsafe(f"{what} claims {kind.get_size():,} bytes, in a file of {self.size:,}")
        text = np.empty((), kind.dtype)
        attribute.read(text)
        return _text(bytes(text.item()), what)

    def dataset(self, path: str, item: DatasetID) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a dataset. Its layout is asked for first: the shape of a virtual one opens other files.

        Raises:
            Unsafe: its values are not numbers or booleans that lie in this file, as many as its shape says.
        """
        made = item.get_create_plist()
        layout = made.get_layout()
        if layout == h5py.h5d.VIRTUAL or made.get_external_count():
            raise Unsafe(f"{path} takes its values from other files or datasets")
        if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
            raise Unsafe(f"{path} is neither in one piece nor in chunks")
        kind, shape = item.get_type(), item.shape
        if kind.committed():
            raise Unsafe(f"{path} has a type that stands elsewhere")
        numeric = kind.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.COMPOUND)
        dtype = kind.dtype if numeric else None
        if dtype is None or shape is None or dtype.kind not in "biufc":
            raise Unsafe(f"{path} holds something else than numbers and booleans")
        claimed = math.prod(shape) * kind.get_size()
        if layout == h5py.h5d.CHUNKED:
            Chunks.of(path, item, made, shape, kind.get_size()).look(self)
        elif claimed:
            offset = item.get_offset()
            stored = item.get_storage_size() if offset is not None else 0
            if claimed != stored:
                raise Unsafe(f"{path} claims {claimed:,} bytes where the file has {stored:,}")
            self.stored(path, stored, offset)
        return shape, dtype

    def stored(self, path: str, size: int, offset: int | None) -> None:
        """Count bytes of the file that a dataset claims; `offset` is None where it has none."""
        self.in_file += size
        if offset is None or offset + size > self.size or self.in_file > self.size:
            raise Unsafe(f"{path} claims bytes that the file does not have")

    def unpacked(self, path: str, size: int) -> None:
        """Count bytes that unpacking a dataset will give."""
        self.once_unpacked += size
        most = min(LARGEST_UNPACKED, USUAL * self.size + SMALL)
        if self.once_unpacked > most:
            raise Unsafe(
                f"{path} brings what is to be unpacked to {self.once_unpacked:,} bytes, and {most:,} are the most "
                f"for a file of {self.size:,}"
            )


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"{what} is not UTF-8") from error
