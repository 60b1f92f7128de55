"""Income of people of the US census of 1994: the table that comes with biasloop."""

from __future__ import annotations

import hashlib
from pathlib import Path

from biasloop.datasets.people import ADULT

TRAIN = 32_561
"""Rows of the published training set, which stand before those of the published test set."""
_SHA256 = "5a383b163ed5f2724a544aab26196c0afff4aad75f5fbcd1a558bd3e4fdd7cb2"


def path() -> Path:
    """Of the table.

    Raises:
        DownloadError: if the file, which comes with biasloop, is missing or is not as it was shipped.
    """
    assert ADULT.shipped is not None
    ADULT.require(Path())
    digest = hashlib.sha256(ADULT.shipped.read_bytes()).hexdigest()
    if digest != _SHA256:
        raise ADULT.damaged(ADULT.shipped, f"its SHA-256 is {digest}, expected {_SHA256}")
    return ADULT.shipped
