"""Records that no manifest names, under a seal: SHA-256 of the content, in a block before it.

The block is what HDF5 calls a user block, which every HDF5 tool passes over. Checkpoints, finished calls and shared
calls have one, since whoever reads them has nothing else to compare them with.

They may be as large as a network with its optimizer, so they go from the record's arrays to the file, and back,
without a copy of the file in memory.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from biasloop.errors import DamagedStore
from biasloop.hdf5 import Window
from biasloop.records.record import Record
from biasloop.store import codec, files
from biasloop.store.codec import Header
from biasloop.system.claims import Claim

BLOCK = 512
"""Bytes of the block: the smallest that HDF5 passes over."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PIECE = 1 << 20


def write(path: Path, header: Header, record: Record, claim: Claim | None = None) -> None:
    """Replace or create a sealed file.

    Raises:
        StoreError, Lost: as `biasloop.store.files.replacing`, which is given the claim.
    """
    with files.replacing(path, claim=claim) as new:
        content = Window(new.handle, BLOCK)
        try:
            codec.write(content, header, record)
        finally:
            new.size = BLOCK + content.end
            content.close()
        files.write_all(
            new.handle, _block(new.handle)
        )  # at the beginning: a window leaves the descriptor where it stands


def read(path: Path) -> tuple[Header, Record] | None:
    """What a sealed file holds; None if there is none that can be read.

    The file is read for its digest first, and then for its values.

    Raises:
        DamagedStore: the block is not that of the content, or the content is no record.
    """
    try:
        with path.open("rb", buffering=0) as file:
            _check(file.fileno(), path)
            return codec.decode(Window(file.fileno(), BLOCK), str(path))
    except OSError:
        return None


def _check(handle: int, path: Path) -> None:
    block = os.pread(handle, BLOCK, 0)
    if block == _block(handle):
        return
    if block.startswith(_HDF5):
        raise DamagedStore(f"{path} was kept by an earlier biasloop, without a digest of its content")
    raise DamagedStore(f"{path} is damaged (its content does not match its digest)")


def _block(handle: int) -> bytes:
    """The block that the content of a file has to have."""
    digest, at = hashlib.sha256(), BLOCK
    while piece := os.pread(handle, _PIECE, at):
        digest.update(piece)
        at += len(piece)
    return f"biasloop sha256 {digest.hexdigest()}\n".encode().ljust(BLOCK, b"\0")
