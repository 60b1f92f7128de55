"""Why a file is not read, and what it may have at most."""

from __future__ import annotations

from biasloop.printable import printable

DEEPEST = 16
"""Most groups that stand in one another; a run has six."""
MOST_OBJECTS = 1_000_000
"""Most groups and datasets of a file."""
MOST_ATTRIBUTES = 1_000
"""Most attributes of a group or dataset."""
LARGEST_ATTRIBUTE = 1 << 24
"""Most bytes of an attribute."""
MOST_CHUNKS = 1 << 22
"""Most chunks of a dataset."""
LARGEST_UNPACKED = 64 << 30
"""Most bytes that the packed datasets of a file may have once unpacked."""
USUAL, SMALL = 256, 1 << 30
"""They may have this many times the file's bytes, and this many bytes more: ids and origins pack very well."""

FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)
"""What h5py raises where HDF5 finds a file damaged."""


class Malformed(Exception):
    """What HDF5 says of a bad file; the message is part of a sentence about the file."""


class Unsafe(Malformed):
    """The file has what no file of biasloop has; the message names where, as part of a sentence about the file."""


def reason(error: Exception) -> str:
    """The first line of what HDF5 says."""
    return printable((str(error).strip() or type(error).__name__).splitlines()[0])
