"""What a published file is: name, addresses, size and checksum."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all); what had come before counts as done, a start from zero takes it back."""

Notice = Callable[[str], None]
"""Called with one sentence for the person: waiting for another fetch, trying again, going on."""

Examine = Callable[[Path], str | None]
"""Reads a file all through and says why it is not what was published, or None."""

_LENIENCY = 1 << 26  # bytes
_DIGITS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        filename: its name without a directory; also its name once fetched.
        urls: where it is published; tried in this order.
        size: bytes; about, where no checksum is published.
        checksum: `sha256:` or `md5:` followed by hexadecimal digits; empty where none is published.
        examine: what checks the file where no checksum is published; then its size is what the server says.
    """

    filename: str
    urls: tuple[str, ...]
    size: int
    checksum: str = ""
    examine: Examine | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        algorithm, _, digest = self.checksum.partition(":")
        wrong = len(digest) != _DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digest)
        if self.checksum if self.examine else wrong:
            raise ValueError(f"{self.filename}: {self.checksum!r} is not sha256:... or md5:...")
        if self.filename in {"", ".", ".."} or Path(self.filename).name != self.filename:
            raise ValueError(f"{self.filename!r} is not the bare name of a file")

    @property
    def amount(self) -> str:
        """How many bytes, for a message."""
        return f"{self.size:,} bytes" if self.checksum else f"about {self.size:,} bytes"

    @property
    def most(self) -> int:
        """Bytes that it has at most: somebody's server may send without end."""
        return self.size if self.checksum else max(2 * self.size, self.size + _LENIENCY)

    def may_have(self, size: int | None) -> bool:
        """Whether the file can have that many bytes; None if nobody says how many."""
        return size is None or (size == self.size if self.checksum else size <= self.most)

    def same_size(self, path: Path) -> bool:
        """Whether a file of a possible size is there; does not read it."""
        if not path.is_file():
            return False
        size = path.stat().st_size
        return self.may_have(size) and bool(size or self.checksum)

    def intact(self, path: Path) -> bool:
        """Whether the file is there as published: with the right size and checksum, or well examined; reads it all."""
        if not self.same_size(path):
            return False
        if self.examine is not None:
            return self.examine(path) is None
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, self.new_hash)
        return digest.hexdigest() == self.checksum.partition(":")[2]

    def new_hash(self) -> "hashlib._Hash":
        """An empty hash of the kind that the checksum is of."""
        return hashlib.new(self.checksum.partition(":")[0] or "sha256", usedforsecurity=False)
