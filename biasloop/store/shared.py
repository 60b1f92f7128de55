"""Finished calls that several runs make alike: kept beside the data, under a digest of all that they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biasloop.errors import DamagedStore, StoreError
from biasloop.records.record import Record
from biasloop.store import seal
from biasloop.store.codec import Header
from biasloop.system import claims


@dataclass(frozen=True)
class SharedCalls:
    """A directory of calls.

    Attributes:
        directory: where they lie; several processes may write there: equal names have equal content.
        made_from: all that a call depends on besides its own name: domain, settings, data, seed, versions, device.
    """

    directory: Path
    made_from: Mapping[str, Any]

    def get(self, call: str) -> Record | None:
        """What was kept of a call; None if nothing was.

        Raises:
            DamagedStore: it is not as it was written, or of another call; it counts as absent.
        """
        path = self._path(call)
        kept = seal.read(path)
        if kept is None:
            return None
        header, record = kept
        if (header.name, header.experiment) != (call, self._digest(call)):
            raise DamagedStore(f"{path} holds another call than its name says")
        return record

    def put(self, call: str, record: Record) -> None:
        """Keep a finished call, which others wait for.

        Raises:
            StoreError: if it cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        header = Header("partial", call, self._digest(call), "")
        seal.write(self._path(call), header, record)

    @contextmanager
    def alone(self, call: str, notice: Callable[[str], None], stopping: Callable[[], bool]) -> Iterator[None]:
        """Be the only process that makes a call; another one says so and waits.

        Raises:
            Interrupted: the person asked to stop.
            StoreError: nothing can be written there.
        """
        with ExitStack() as stack:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                stack.enter_context(claims.alone(self._path(call), "making", notice, stopping))
            except OSError as error:
                raise StoreError(f"{self.directory} cannot be written ({error.strerror or error})") from error
            yield

    def _path(self, call: str) -> Path:
        return self.directory / f"{call.replace('/', '.')}-{self._digest(call)}.h5"

    def _digest(self, call: str) -> str:
        text = json.dumps([call, self.made_from], sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
