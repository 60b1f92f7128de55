"""The part of a file that has come: kept beside its final name, continued by whoever fetches it next.

`.NAME.part` has the bytes. `.NAME.part.json` says which published content they are of, which address they came
from, and the validator (ETag or Last-Modified) that lets the server notice that its file has changed since.
"""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from biasloop.downloads.remote import Remote
from biasloop.downloads.temporary import flush_directory
from biasloop.errors import Lost
from biasloop.system.claims import Claim
from biasloop.system.new_files import discard_strange, open_own

_BLOCK = 1 << 20


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _known_by(address: str) -> str:
    """A hash: an address may carry a secret, and only has to be recognised."""
    return hashlib.sha256(address.encode()).hexdigest()


def arrived(remote: Remote, directory: Path) -> int:
    """Bytes of a published file that are in a directory: all of them, or those of its partial file."""
    path = directory / remote.filename
    if remote.same_size(path):
        return path.stat().st_size
    try:
        here = _part(path).stat().st_size
        return min(here, remote.size) if remote.checksum else here
    except OSError:
        return 0


class Partial:
    """A partial file, open; used as a context manager by the one process that holds the claim on the file.

    Attributes:
        remote: what it is a part of.
        done: bytes that are there.
        total: bytes of the whole; None as long as nobody said.
        pieces: from how many answers, or earlier processes, they came.
        begun: how often an answer of this process began from zero.
        address: a hash of where the last of them came from.
        validator: what that server called its file; empty if it did not.
    """

    def __init__(self, path: Path, remote: Remote, claim: Claim) -> None:
        self.remote = remote
        self._claim = claim
        self._path = path
        self._part = _part(path)
        self._sidecar = self._part.with_name(self._part.name + ".json")
        self._draft = self._sidecar.with_name(self._sidecar.name + ".new")
        for ours in (self._part, self._sidecar, self._draft):
            discard_strange(ours)
        if claim.silenced and self._part.exists():  # who had it open may wake up and write on, into what it had
            shutil.copyfile(self._part, claim.directory / "part")
            (claim.directory / "part").replace(self._part)
        self._file = os.fdopen(open_own(self._part), "a+b", buffering=0)
        self.begun = 0
        self._forget()

    def __enter__(self) -> "Partial":
        self._take_over()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        with suppress(Lost):
            self._tidy()

    def _tidy(self) -> None:
        self._claim.check()
        self._draft.unlink(missing_ok=True)
        if self.done == 0:
            self._part.unlink(missing_ok=True)
            self._sidecar.unlink(missing_ok=True)

    def begin(self, address: str, validator: str, total: int | None = None) -> None:
        """Start from zero with an answer of this address, which may say how many bytes there are."""
        self.clear()
        self.begun += 1
        self._describe(address, validator, total)

    def go_on(self, address: str, validator: str, total: int | None = None) -> None:
        """Continue with an answer of this address."""
        if (_known_by(address), validator) != (self.address, self.validator):
            self._describe(address, validator, total)
        self.pieces += 1

    def validator_at(self, address: str) -> str:
        """What the server at this address called its file; empty if the bytes came from another, or it did not."""
        return self.validator if self.address == _known_by(address) else ""

    def append(self, block: bytes) -> None:
        """Add bytes.

        Raises:
            OSError: if the disk does not take them; what it took counts as there.
        """
        view = memoryview(block)
        while view:
            written = os.write(self._file.fileno(), view)
            self._digest.update(view[:written])
            self.done += written
            view = view[written:]

    def clear(self) -> None:
        """Throw away what is there."""
        self._file.truncate(0)  # before the sidecar changes: it must never describe older bytes
        self._forget()

    @property
    def complete(self) -> bool:
        """Whether there are as many bytes as were published."""
        return self.done == self.total

    def wrong(self) -> str | None:
        """Why what is there is not the file as published, or None; of a file without checksum reads it all."""
        if self.remote.examine is not None:
            return self.remote.examine(self._part)
        if self.checksum == self.remote.checksum:
            return None
        return f"its checksum is {self.checksum}, expected {self.remote.checksum}"

    @property
    def checksum(self) -> str:
        """Of what is there, written as `Remote.checksum` is."""
        return f"{self._digest.name}:{self._digest.hexdigest()}"

    def publish(self) -> None:
        """Give the file its final name, once its bytes are on disk.

        Raises:
            Lost: another process has taken the claim over, and the partial file is its.
        """
        os.fsync(self._file.fileno())
        self._claim.check()
        self._part.replace(self._path)
        self._sidecar.unlink(missing_ok=True)
        flush_directory(self._path.parent)

    def _forget(self) -> None:
        self.done, self.pieces, self.address, self.validator = 0, 1, "", ""
        self.total: int | None = self.remote.size if self.remote.checksum else None
        self._digest: hashlib._Hash = self.remote.new_hash()

    def _take_over(self) -> None:
        """Continue what an earlier process left, if it is known to be of the same published content."""
        try:
            sidecar = json.loads(self._sidecar.read_bytes())
            known = sidecar["checksum"] == self.remote.checksum
            address, validator = str(sidecar["address"]), str(sidecar["validator"])
            total = self.remote.size if self.remote.checksum else sidecar.get("size")
            known = known and (total is None or (type(total) is int and self.remote.may_have(total)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            known = False
        if not known or (total is not None and self._part.stat().st_size > total):
            self.clear()
            return
        self.total = total
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            self._digest.update(block)
            self.done += len(block)
        self.address, self.validator = address, validator

    def _describe(self, address: str, validator: str, total: int | None) -> None:
        self.address, self.validator = _known_by(address), validator
        content: dict[str, str | int] = {
            "checksum": self.remote.checksum, "address": self.address, "validator": validator,
        }  # fmt: skip
        if not self.remote.checksum and total is not None:
            self.total = content["size"] = total
        self._claim.check()
        self._draft.unlink(missing_ok=True)
        with os.fdopen(open_own(self._draft, new=True), "wb") as draft:
            draft.write(f"{json.dumps(content)}\n".encode())
        self._draft.replace(self._sidecar)
