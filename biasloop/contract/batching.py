"""What a batch that a model trains on is made of: a description; `biasloop.training.sources` makes the batches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

from biasloop.errors import InvalidInput

Refill = Literal["until-met", "surplus-first", "single"]


@dataclass(frozen=True)
class Star:
    """Stratified algorithmic reparation: batches filled by quota over strata, label x groups (Wyllie et al. 2024).

    Attributes:
        ideal: share of each stratum, in the order of `strata`; they sum to 1. Empty for equal shares.
        budget: samples drawn beyond the size of a batch before it is filled, at least 1.
        refill: what fills the places that quotas left: "single", new samples that are not stratified, as published;
            "until-met", new samples are drawn and stratified until all quotas are met or `draws` is reached, then as
            "surplus-first"; "surplus-first", surplus samples of other strata before new ones.
        draws: of "until-met", samples drawn for a batch at most, as a multiple of its size.
    """

    ideal: tuple[float, ...] = ()
    budget: int = 64
    refill: Refill = "until-met"
    draws: float = 4.0

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise InvalidInput(
                f"the budget of STAR is {self.budget}; set the samples to draw beyond a batch, 1 or more"
            )
        if self.draws < 1:
            raise InvalidInput(f"draws of STAR is {self.draws:g} times a batch; set 1 or more")
        if self.ideal and (abs(sum(self.ideal) - 1) > 1e-6 or min(self.ideal) < 0):
            raise InvalidInput(
                f"the ideal shares of STAR sum to {sum(self.ideal):g}; set shares from 0 up that sum to 1"
            )

    def shares(self, count: int) -> tuple[float, ...]:
        """Share of each of `count` strata.

        Raises:
            InvalidInput: if there are more or fewer ideal shares than strata.
        """
        if self.ideal and len(self.ideal) != count:
            raise InvalidInput(f"STAR has {len(self.ideal)} ideal shares for {count} strata; set one for each")
        return self.ideal or (1 / count,) * count

    def quotas(self, size: int, count: int) -> tuple[int, ...]:
        """Places of each stratum in a batch of that size; what rounding leaves over is filled."""
        # A 49th of 49 is a little below 1 in floating point.
        return tuple(int(size * share + 1e-9) for share in self.shares(count))


@dataclass(frozen=True)
class Batches:
    """Of what a fit's batches are made.

    Attributes:
        synthetic: share of generated images in a batch, 0 .. 1; the others are real.
        star: how generated images are chosen; None for as they come.
    """

    synthetic: float = 1.0
    star: Star | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.synthetic <= 1:
            raise InvalidInput(f"the synthetic share of a batch is {self.synthetic}; set a share from 0 to 1")

    def generated(self, size: int) -> int:
        """Generated images in a full batch, rounded down."""
        return int(size * self.synthetic)


def strata(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All combinations of a label and groups, in the order of strata: the label varies slowest.

    Args:
        sizes: number of classes of the label, then of each group.
    """
    return list(product(*(range(size) for size in sizes)))
