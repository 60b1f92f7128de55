"""Finished calls that several runs make alike: kept beside the data, under a digest of all that they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biasloop.errors import DamagedStore
from biasloop.record import Record
from biasloop.store import codec
from biasloop.store.codec import Header
from biasloop.store.files import write_atomically


@dataclass(frozen=True)
class SharedCalls:
    """A directory of calls.

    Attributes:
        directory: where they lie; several processes may write to it, since equal names have equal content.
        made_from: all that a call depends on besides its own name: domain, settings, data, seed, versions, device.
    """

    directory: Path
    made_from: Mapping[str, Any]

    def get(self, call: str) -> Record | None:
        """What was kept of a call; None if nothing was, or it is damaged."""
        try:
            header, record = codec.decode(self._path(call).read_bytes(), call)
        except (OSError, DamagedStore):
            return None
        return record if header.name == call else None

    def put(self, call: str, record: Record) -> None:
        """Keep a finished call.

        Raises:
            StoreError: if it cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path(call), codec.encode(Header("partial", call, "", ""), record))

    def _path(self, call: str) -> Path:
        text = json.dumps([call, self.made_from], sort_keys=True, default=str)
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return self.directory / f"{call.replace('/', '.')}-{digest}.h5"
