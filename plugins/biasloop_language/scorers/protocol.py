"""What a scorer is."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from biasloop.contract.data import Floats

Tick = Callable[[int, int], None]
"""Called with (texts done, texts in all)."""


@runtime_checkable
class Scorer(Protocol):
    """Gives every text some numbers, each by itself: what the other texts of a call are does not matter.

    (Scorers that compute in batches do so up to the rounding of single precision.)
    """

    def columns(self) -> tuple[str, ...]:
        """Names of the numbers, in order; known without loading anything."""
        ...

    def check(self) -> None:
        """Refuse files that are not there; reads none.

        Raises:
            SomethingToFetch: naming them.
            DownloadError: they should have come with biasloop.
        """
        ...

    def score(self, texts: Sequence[str], tick: Tick | None = None) -> dict[str, Floats]:
        """One number per column and text, `(texts,)` float64.

        Args:
            texts: any number of texts, also none or empty ones.
            tick: told after every batch how many texts are scored.
        """
        ...
