"""What a published file is: name, addresses, size and checksum."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all); what had come before counts as done, a start from zero takes it back."""

Notice = Callable[[str], None]
"""Called with one sentence for the person: waiting for another fetch, trying again, going on."""

_DIGITS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        filename: its name without a directory; also its name once fetched.
        urls: where it is published; tried in this order.
        size: bytes.
        checksum: `sha256:` or `md5:` followed by hexadecimal digits.
    """

    filename: str
    urls: tuple[str, ...]
    size: int
    checksum: str

    def __post_init__(self) -> None:
        algorithm, _, digest = self.checksum.partition(":")
        if len(digest) != _DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digest):
            raise ValueError(f"{self.filename}: {self.checksum!r} is not sha256:... or md5:...")
        if self.filename in {"", ".", ".."} or Path(self.filename).name != self.filename:
            raise ValueError(f"{self.filename!r} is not the bare name of a file")

    def same_size(self, path: Path) -> bool:
        """Whether a file of the right size is there; does not read it."""
        return path.is_file() and path.stat().st_size == self.size

    def intact(self, path: Path) -> bool:
        """Whether the file is there with the right size and checksum; reads it all."""
        if not self.same_size(path):
            return False
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, self.new_hash)
        return digest.hexdigest() == self.checksum.partition(":")[2]

    def new_hash(self) -> "hashlib._Hash":
        """An empty hash of the kind that the checksum is of."""
        return hashlib.new(self.checksum.partition(":")[0], usedforsecurity=False)
