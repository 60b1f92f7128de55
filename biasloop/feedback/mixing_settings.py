"""The section [loop] of the rule `mixing`, and what follows from it alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from biasloop.config.strict import Strict
from biasloop.contract.domains import EPOCHS, INPUTS, Demands, Sampled, Storing
from biasloop.contract.making import Making, Mixing


class MixingSettings(Strict):
    """A share of the corpus has inputs that a generator made (Chen et al. 2024)."""

    rule: Literal["mixing"] = Field(
        description="Which feedback rule: generated inputs take the place of a share of the originals."
    )
    share: float = Field(ge=0, le=1, description="Of samples whose input is made; a run has one, a [grid] several.")
    rounds: int = Field(
        1,
        ge=1,
        description="Generations of the generator: each after the first learns from the corpus that the one before "
        "has mixed.",
    )
    mix_seed: int | None = Field(
        None,
        ge=0,
        description="Seed of which samples these are, the same in all runs; without it, the run's own seed.",
    )
    snapshots: int | None = Field(
        None, ge=1, description="Also evaluate the model of a round after every so many epochs of its training."
    )

    def requires(self) -> tuple[type, ...]:
        """Samples whose inputs can be made; a generator that learns, where there are several generations."""
        return (Sampled, Mixing, Storing, *((Making,) if self.rounds > 1 else ()))

    def demands(self) -> Demands:
        """Inputs that are not the samples' own, where any are; the end of every epoch, for snapshots."""
        asked = {INPUTS: self.share > 0, EPOCHS: self.snapshots is not None}
        return Demands(frozenset(name for name, needed in asked.items() if needed))

    def trained(self, round_number: int) -> int:
        """Rounds cost the same."""
        return 1

    def columns(self) -> tuple[str, ...]:
        """Samples, and how many of them have an input that was made."""
        return ("train", "synthetic")

    def bound(self) -> None:
        """None is known."""

    def arm_label(self, differing: Collection[str]) -> str | None:
        """The share, where only that differs."""
        return f"{100 * self.share:.4g} % generated" if {*differing} == {"share"} else None
