"""What runs that go on at once take of this machine, and whether one more finds room."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from biasloop.system import cores, gpus, ram

_VISIBLE = "CUDA_VISIBLE_DEVICES"


class Needs(NamedTuple):
    """What a run takes: CPU cores, GPUs (a fraction shares one), bytes of main memory (0 where it does not say)."""

    cores: int
    gpus: float = 0.0
    memory: int = 0


@dataclass
class Room:
    """What is free.

    Attributes:
        cores: how many; in all when nothing is taken.
        gpus: the free share of each, by the name that CUDA knows it by.
        memory: bytes.
    """

    cores: int
    gpus: dict[str, float]
    memory: int
    everything: Needs = field(init=False)

    def __post_init__(self) -> None:
        self.everything = Needs(self.cores, float(len(self.gpus)), self.memory)

    @classmethod
    def of_machine(cls) -> "Room":
        """All that this process may use."""
        return cls(cores.available(), dict.fromkeys(_names_of_gpus(), 1.0), ram.total())

    def exceeded_by(self, needs: Needs) -> str:
        """What a run asks for that is not there even when nothing else goes on, in words; empty if all of it is."""
        there = self.everything
        words = []
        if needs.cores > there.cores:
            words.append(f"{needs.cores} CPU cores of {there.cores}")
        if needs.gpus > there.gpus:
            words.append(f"{needs.gpus:g} GPUs of {there.gpus:g}")
        if needs.memory > there.memory:
            words.append(f"{needs.memory / 1e9:.1f} GB of memory of {there.memory / 1e9:.1f}")
        return " and ".join(words)

    def lasts_for(self, needs: Needs) -> int:
        """How many such runs an empty machine has room for, at least one."""
        counts = [self.everything.cores // max(1, needs.cores)]
        if needs.memory:
            counts.append(self.everything.memory // needs.memory)
        if needs.gpus:
            shared = int(1 / needs.gpus) * len(self.gpus) if needs.gpus < 1 else len(self.gpus) // int(needs.gpus)
            counts.append(shared)
        return max(1, min(counts))

    def take(self, needs: Needs) -> tuple[str, ...] | None:
        """Take what a run needs, as far as the machine has so much in all; None if it is not free now.

        Returns:
            Names of its GPUs.
        """
        asked = self._in_all(needs)
        chosen = self._choose(asked.gpus)
        if asked.cores > self.cores or asked.memory > self.memory or chosen is None:
            return None
        self._move(asked, chosen, -1)
        return chosen

    def give_back(self, needs: Needs, chosen: tuple[str, ...]) -> None:
        """A run that took these is over."""
        self._move(self._in_all(needs), chosen, 1)

    def _in_all(self, needs: Needs) -> Needs:
        """What a run takes; everything if there is less of anything than it asks for, so that it is made alone."""
        return self.everything if self.exceeded_by(needs) else needs

    def _move(self, needs: Needs, chosen: tuple[str, ...], sign: int) -> None:
        self.cores += sign * needs.cores
        self.memory += sign * needs.memory
        for name in chosen:
            # Thirds do not add up to one otherwise.
            self.gpus[name] = round(self.gpus[name] + sign * min(1.0, needs.gpus), 9)

    def _choose(self, asked: float) -> tuple[str, ...] | None:
        """Names of GPUs with so much free: for a fraction the fullest that has it."""
        if not asked:
            return ()
        fit = sorted((free, name) for name, free in self.gpus.items() if free >= min(asked, 1.0) - 1e-6)
        count = max(1, int(asked))
        return tuple(name for _, name in fit[:count]) if len(fit) >= count else None


def _names_of_gpus() -> Sequence[str]:
    """Of those that this process sees, as CUDA_VISIBLE_DEVICES has them."""
    count = gpus.visible()
    named = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",")]
    return named[:count] if _VISIBLE in os.environ else [str(number) for number in range(count)]
