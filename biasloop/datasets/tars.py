"""Plain tar archives, written with the same bytes for the same members, and read by their heads alone.

A head is 512 bytes (POSIX ustar); nothing of the writer's machine is in it: no owner, no time. Read are also what other
writers add: long names (GNU), extended headers (pax), and a whole archive packed by gzip, whatever its name ends in.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from biasloop.errors import DamagedShard, InvalidInput
from biasloop.system.regular import require_regular

BLOCK = 512
_RECORD = 20 * BLOCK  # what tar pads an archive to
_LARGEST = 1 << 28  # bytes of a member, generously
_LONGEST = 1 << 14  # bytes of an extended header
_FILE, _SKIPPED = b"0\x007", b"5g"  # kinds of members: files; directories, and headers that hold for all
_PAX, _LONG_NAME = b"x", b"L"
_PRIME = 65_521  # of Adler-32, whose lower half is a sum of bytes, and as fast as no loop of Python is


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: where its bytes are."""

    name: str
    offset: int
    size: int


class TarWriter:
    """Writes members one after another, mode 644, without times or owners.

    Attributes:
        size: bytes written.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.size = 0
        self._write, self._sum = write, hashlib.sha256()

    def add(self, name: str, content: bytes) -> None:
        """Write a member.

        Raises:
            InvalidInput: its name is longer than 100 bytes, or one that is refused when it is read.
        """
        encoded = name.encode()
        if why := _unsafe(name):
            raise InvalidInput(f"a member of a shard cannot be called {name!r}: {why}")
        if len(encoded) > 100:
            raise InvalidInput(f"the name of a member of a shard has 100 bytes at most; {name[:40]!r}... is longer")
        self._put(_head(encoded, len(content)) + content + bytes(-len(content) % BLOCK))

    def end(self) -> str:
        """Write the end of the archive; its SHA-256."""
        self._put(bytes(2 * BLOCK + -(self.size + 2 * BLOCK) % _RECORD))
        return self._sum.hexdigest()

    def _put(self, data: bytes) -> None:
        self._write(data)
        self._sum.update(data)
        self.size += len(data)


def _head(name: bytes, size: int) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (0o644, 0, 0, size, 0)  # mode, uid, gid, size, mtime
    head = name.ljust(100, b"\0") + numbers + b" " * 8 + b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """An archive's bytes, unpacked if it is packed by gzip.

    Raises:
        InvalidInput: it is no file that can be read.
        DamagedShard: what is read inside is damaged.
    """
    require_regular(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not packed:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(IO[bytes], unpacked)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedShard(f"{path} is damaged ({error}); get or make it again") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror or error})") from error


def members(stream: IO[bytes], path: Path) -> Iterator[Member]:
    """The files of an archive in its order; their contents are passed over unless who iterates reads them.

    Args:
        stream: at the start of the archive, as `opened` gives it.
        path: named in errors.

    Raises:
        DamagedShard: it is cut off or altered, or has a link, a device, or a name that leads out of its directory.
    """
    position, long_name, size_said = 0, "", -1
    while True:
        stream.seek(position)
        head = stream.read(BLOCK)
        if head == bytes(BLOCK):
            while isinstance(stream, gzip.GzipFile) and stream.read(1 << 20):
                pass  # at its end its checksum is compared
            return
        if len(head) < BLOCK:
            raise _cut(path)
        size, kind, start = _checked_size(head, path, position), head[156:157], position + BLOCK
        if kind in (_PAX, _LONG_NAME):
            if size > _LONGEST:
                raise DamagedShard(f"{path} has an extended header of {size:,} bytes; {_LONGEST:,} are read at most")
            text = stream.read(size)
            if len(text) < size:
                raise _cut(path)
            if kind == _LONG_NAME:
                long_name = _decoded(text.rstrip(b"\0"), path)
            else:
                long_name, size_said = _records(text, path, long_name, size_said)
        else:
            size = size if size_said < 0 else size_said
            name = long_name or _name(head, path)
            long_name, size_said = "", -1
            if kind in _FILE:
                yield _safe(Member(name, start, size), path)
            elif kind not in _SKIPPED:
                raise DamagedShard(f"{path}: its member {name!r} is no file (a link or a device); it is not read")
        position = start + size + -size % BLOCK


def read(stream: IO[bytes], member: Member, path: Path) -> bytes:
    """The bytes of a member.

    Raises:
        DamagedShard: the archive ends before they do.
    """
    if stream.tell() != member.offset:
        stream.seek(member.offset)
    content = stream.read(member.size)
    if len(content) < member.size:
        raise _cut(path)
    return content


def _checked_size(head: bytes, path: Path, position: int) -> int:
    """Bytes of a member, if the sum over its head is as it says."""
    try:
        said = int(head[148:156].strip(b" \0") or b"x", 8)
        size = int.from_bytes(head[125:136], "big") if head[124] & 0x80 else int(head[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        said = size = -1
    expected = said + sum(head[148:156]) - 8 * ord(" ") + 1
    if size < 0 or zlib.adler32(head) & 0xFFFF != expected % _PRIME:
        raise DamagedShard(f"{path} is no whole tar: what stands at byte {position:,} is no head of a member")
    return size


def _name(head: bytes, path: Path) -> str:
    prefix = head[345:500].split(b"\0", 1)[0] if head[257:263] == b"ustar\0" else b""
    name = head[:100].split(b"\0", 1)[0]
    return _decoded(prefix + b"/" + name if prefix else name, path)


def _records(text: bytes, path: Path, name: str, size: int) -> tuple[str, int]:
    """Name and size that the records of a pax header say, "LENGTH KEY=VALUE" each; other keys are passed over."""
    while text:
        length, _, _ = text.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(text):
            raise DamagedShard(f"{path} has an extended header that is damaged; get or make it again")
        key, _, value = text[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"path":
            name = _decoded(value, path)
        elif key == b"size" and value.isdigit():
            size = int(value)
        elif key.startswith(b"GNU.sparse"):
            raise DamagedShard(f"{path} has a sparse file, which is not read; make it again without")
        text = text[int(length) :]
    return name, size


def _decoded(name: bytes, path: Path) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise DamagedShard(f"{path}: the name of its member {name!r} is no UTF-8") from error


def _safe(member: Member, path: Path) -> Member:
    if why := _unsafe(member.name):
        raise DamagedShard(f"{path}: its member {member.name!r} is not read: {why}")
    if member.size > _LARGEST:
        raise DamagedShard(f"{path}: its member {member.name!r} has {member.size:,} bytes; {_LARGEST:,} are the most")
    return member


def _unsafe(name: str) -> str:
    """Why a name is refused; empty if it is not."""
    if not name.isprintable() or not name:
        return "its name has to be of letters that print"
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        return "its name leads out of the directory"
    return ""


def _cut(path: Path) -> DamagedShard:
    return DamagedShard(f"{path} is cut off before its end; get or make it again")
