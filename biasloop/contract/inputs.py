"""Inputs of samples as a person looks at them: what a report shows beside labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # finding plugins loads no NumPy
    from collections.abc import Sequence

    from biasloop.contract.data import Array, Ints


@runtime_checkable
class Picturing(Protocol):
    """Samples that are pictures."""

    def pictures(self, ids: Ints) -> Array:
        """`(n, H, W, C)` uint8 in the order of `ids`, C 1 or 3: as models see them, before they are normalised."""


@runtime_checkable
class Reading(Protocol):
    """Samples that read as texts."""

    def texts(self, ids: Ints) -> Sequence[str]:
        """A text an id, in their order."""
