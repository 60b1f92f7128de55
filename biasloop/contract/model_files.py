"""Models as directories that other programs load: files of a library's own format beside named arrays of a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class ModelFormat:
    """What a written model is.

    Attributes:
        library: that loads it, as model hubs call it ("transformers").
        task: what it does, as they call that ("text-generation").
        loader: the class of the library that loads it.
        base: what it was before the first round: a network's name, or how it was made.
    """

    library: str
    task: str
    loader: str
    base: str


@runtime_checkable
class ModelFiles(Protocol):
    """Models that a library of others loads from a directory, without biasloop."""

    def write_model(self, model: Any, directory: Path) -> ModelFormat:
        """Write all that the library needs: settings, weights without pickle, and what turns samples into inputs.

        Args:
            model: of this domain; it is not used afterwards.
            directory: an empty one.

        Returns:
            What it is; loaded by the library it gives the same outputs, bit for bit on the same kind of machine.

        Raises:
            InvalidInput: this model is of no kind that a library knows; naming settings that are.
        """
