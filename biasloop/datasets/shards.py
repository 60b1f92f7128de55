"""Shards of samples as webdataset has them: tars in which members of one key follow each other.

`000000017.jpg`, `000000017.json` and `000000017.txt` are one sample: its key is the name up to the first dot behind the
last slash, and its parts are called by the rest. Order is that of the archive, in samples and in their parts.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np

from biasloop.contract.data import Ints
from biasloop.datasets import tars
from biasloop.datasets.tars import Member, TarWriter
from biasloop.errors import DamagedShard, InvalidInput
from biasloop.system.new_files import beside

T = TypeVar("T")
PICTURES = ("jpg", "jpeg", "png", "webp")
"""What the parts are called that hold a picture."""
INDEX = ".index.npz"
"""What is put behind the name of a shard to name its index."""


@dataclass(frozen=True)
class Sample:
    """A sample: its key, and the contents of its parts by name, in order."""

    key: str
    parts: Mapping[str, bytes]

    @property
    def picture(self) -> str | None:
        """Which part is its picture."""
        return next((name for name in self.parts if name.lower() in PICTURES), None)


class ShardWriter:
    """Writes samples one after another: a plain tar whose bytes depend on them alone."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._tar, self._keys = TarWriter(write), set[str]()

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._tar.size

    def add(self, sample: Sample) -> None:
        """Write a sample.

        Raises:
            InvalidInput: its key is there already, it has no parts, or a name that would be read as another.
        """
        if sample.key in self._keys:
            raise InvalidInput(f"the key {sample.key!r} comes twice in one shard; keys have to be different")
        if not sample.parts:
            raise InvalidInput(f"the sample {sample.key!r} has no parts, so a shard would not show it")
        self._keys.add(sample.key)
        for part, content in sample.parts.items():
            name = f"{sample.key}.{part}"
            if split(name) != (sample.key, part) or not part:
                raise InvalidInput(f"{name!r} would be read as another key than {sample.key!r}; use one without a dot")
            self._tar.add(name, content)

    def end(self) -> str:
        """Write the end of the archive; its SHA-256."""
        return self._tar.end()


def split(name: str) -> tuple[str, str]:
    """Key and part that the name of a member says."""
    folder, slash, last = name.rpartition("/")
    stem, _, part = last.partition(".")
    return folder + slash + stem, part


def samples(path: Path) -> Iterator[Sample]:
    """All samples of a shard in its order, each whole in memory; plain, or packed by gzip under whatever name.

    Raises:
        InvalidInput: it cannot be read.
        DamagedShard: it is cut off, has a member that is refused, or a key or a part twice.
    """
    with tars.opened(path) as stream:
        contents = ((member, tars.read(stream, member, path)) for member in tars.members(stream, path))
        for key, parts in _grouped(contents, path):
            yield Sample(key, dict(parts))


def _grouped(members: Iterator[tuple[Member, T]], path: Path) -> Iterator[tuple[str, list[tuple[str, T]]]]:
    """Parts of each key, with what comes with them."""
    keys: set[str] = set()
    parts: list[tuple[str, T]] = []
    last = ""
    for member, content in members:
        key, part = split(member.name)
        if parts and key != last:
            yield last, parts
            parts = []
        if not parts:
            if key in keys:
                raise DamagedShard(f"{path} has the key {key!r} twice; a key has to be that of one sample")
            keys.add(key)
        elif any(part == name for name, _ in parts):
            raise DamagedShard(f"{path} has the member {member.name!r} twice")
        last = key
        parts.append((part, content))
    if parts:
        yield last, parts


@dataclass(frozen=True)
class Index:
    """Where everything is in a shard.

    Attributes:
        keys: of samples, in order.
        parts: names that parts have, each once.
        first: `(samples + 1,)` where the members of each sample begin, and where the last one's end.
        part: `(members,)` which of `parts` each is.
        offset: `(members,)` byte at which each begins, of the unpacked archive.
        size: `(members,)` bytes.
    """

    keys: Sequence[str]
    parts: Sequence[str]
    first: Ints
    part: Ints
    offset: Ints
    size: Ints

    @staticmethod
    def built(path: Path) -> Index:
        """Reads all heads of a shard.

        Raises:
            InvalidInput, DamagedShard: as `samples`.
        """
        keys, groups = [], []
        with tars.opened(path) as stream:
            for key, parts in _grouped(((member, member) for member in tars.members(stream, path)), path):
                keys.append(key)
                groups.append(parts)
        names = list(dict.fromkeys(part for part, _ in chain(*groups)))
        code = {name: number for number, name in enumerate(names)}
        listed = list(chain(*groups))
        return Index(
            keys,
            names,
            np.cumsum([0, *map(len, groups)], dtype=np.int64),
            np.array([code[part] for part, _ in listed], np.int64),
            np.array([member.offset for _, member in listed], np.int64),
            np.array([member.size for _, member in listed], np.int64),
        )

    @staticmethod
    def of(path: Path) -> Index:
        """The index beside a shard, if it is of the shard as it is now; else it is built, and left there if it can be.

        Raises:
            InvalidInput, DamagedShard: as `samples`.
        """
        stored = path.with_name(path.name + INDEX)
        with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
            return Index._loaded(stored, looks(path))
        index = Index.built(path)
        with suppress(OSError):  # a directory that others have shared for reading
            index._store(stored, looks(path))
        return index

    @staticmethod
    def _loaded(path: Path, state: tuple[int, int]) -> Index:
        with np.load(path, allow_pickle=False) as arrays:
            if arrays["shard"].tolist() != list(state):
                raise ValueError("the shard is another")
            keys, parts = (bytes(arrays[name]).decode().split("\n")[:-1] for name in ("keys", "parts"))
            return Index(keys, parts, *(arrays[name] for name in ("first", "part", "offset", "size")))

    def _store(self, path: Path, state: tuple[int, int]) -> None:
        keys, parts = (
            np.frombuffer("".join(f"{text}\n" for text in listed).encode(), np.uint8)
            for listed in (self.keys, self.parts)
        )
        packed = io.BytesIO()
        np.savez_compressed(
            packed, shard=np.array(state), keys=keys, parts=parts, first=self.first, part=self.part,
            offset=self.offset, size=self.size,
        )  # fmt: skip
        temporary = beside(path, ".tmp-")
        try:
            temporary.write_bytes(packed.getvalue())
            os.replace(temporary, path)  # noqa: PTH105
        finally:
            temporary.unlink(missing_ok=True)


def looks(path: Path) -> tuple[int, int]:
    """Bytes and time of change of a shard: others once it is another.

    Raises:
        InvalidInput: it is not there.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror or error})") from error
    return state.st_size, state.st_mtime_ns


@dataclass(frozen=True)
class Shard:
    """A shard whose samples are read in any order; of one packed by gzip, only forward reading is fast."""

    path: Path

    @cached_property
    def index(self) -> Index:
        """Where everything is in it."""
        return Index.of(self.path)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Where each key is."""
        return {key: position for position, key in enumerate(self.index.keys)}

    def read(self, positions: Sequence[int]) -> Iterator[Sample]:
        """The samples at some places, in the order asked for.

        Raises:
            InvalidInput, DamagedShard: as `samples`.
        """
        index = self.index
        with tars.opened(self.path) as stream:
            for position in positions:
                parts = {}
                for row in range(index.first[position], index.first[position + 1]):
                    member = Member("", int(index.offset[row]), int(index.size[row]))
                    parts[index.parts[index.part[row]]] = tars.read(stream, member, self.path)
                yield Sample(index.keys[position], parts)

    def texts(self, part: str) -> Iterator[tuple[str, str]]:
        """Keys and one part of all samples that have it, as text; nothing else is read of a plain shard.

        Raises:
            InvalidInput, DamagedShard: as `samples`; it is no UTF-8.
        """
        index = self.index
        code = index.parts.index(part) if part in index.parts else -1
        sample_of = np.repeat(np.arange(len(index.keys)), np.diff(index.first))  # (members,)
        with tars.opened(self.path) as stream:
            for row in np.flatnonzero(index.part == code).tolist():
                key = index.keys[sample_of[row]]
                content = tars.read(stream, Member("", int(index.offset[row]), int(index.size[row])), self.path)
                try:
                    yield key, content.decode()
                except UnicodeDecodeError as error:
                    raise DamagedShard(f"{self.path}: {key}.{part} is no UTF-8; make it again") from error
