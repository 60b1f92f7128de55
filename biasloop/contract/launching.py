"""The contract of launching: what a plugin can do that writes down how another program trains its model.

A class that an entry point of `biasloop.domains` names has this capability if it has the method of `Launching`; it is
asked of the class, since what is trained on are shards that lie ready, and no data of a domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class Corpus:
    """Shards that are trained on.

    Attributes:
        name: of the training, in letters, digits, `.` and `-`.
        shards: samples of each by its file's name, in their order; none of them is empty.
        gpus: how many to train on; 0 for a CPU.
    """

    name: str
    shards: Mapping[str, int]
    gpus: int

    @property
    def samples(self) -> int:
        """In all shards."""
        return sum(self.shards.values())


@dataclass(frozen=True)
class Launch:
    """How a program is started, from the directory of the shards.

    Attributes:
        files: texts by the name of the file that each is to be written to.
        script: which of these to start with `sh`; it may be started from anywhere.
        notes: what there is to know before, a sentence each.
    """

    files: Mapping[str, str]
    script: str
    notes: tuple[str, ...] = ()


class Launching(Protocol):
    """Writes down how another program trains its model."""

    @staticmethod
    def launch(engine: str, config: BaseModel, corpus: Corpus) -> Launch:
        """What starts a program.

        Args:
            engine: the program's name.
            config: settings, of the class's `Config`.
            corpus: what is trained on.

        Raises:
            InvalidInput: there is no such program, or it cannot train as the settings say.
            SomethingToFetch: the network is not here.
        """
