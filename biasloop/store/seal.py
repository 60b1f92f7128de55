"""The seal of a file that no manifest names: SHA-256 of its content, in a block before it.

The block is what HDF5 calls a user block, which every HDF5 tool passes over. Checkpoints, finished calls and shared
calls have one, since whoever reads them has nothing else to compare them with.
"""

from __future__ import annotations

from biasloop.errors import DamagedStore
from biasloop.store.files import sha256

BLOCK = 512
"""Bytes of the block: the smallest that HDF5 passes over."""
_HDF5 = b"\x89HDF\r\n\x1a\n"


def sealed(content: bytes) -> bytes:
    """A file's bytes: the block, then the content."""
    return _block(content) + content


def unsealed(data: bytes, source: str) -> bytes:
    """The content of a file.

    Args:
        data: the whole file.
        source: what to call it in an error.

    Raises:
        DamagedStore: the block is not that of the content.
    """
    content = data[BLOCK:]
    if data[:BLOCK] == _block(content):
        return content
    if data.startswith(_HDF5):
        raise DamagedStore(f"{source} was kept by an earlier biasloop, without a digest of its content")
    raise DamagedStore(f"{source} is damaged (its content does not match its digest)")


def _block(content: bytes) -> bytes:
    return f"biasloop sha256 {sha256(content)}\n".encode().ljust(BLOCK, b"\0")
