"""What of selection the loop knows: what chooses samples, and models that learn from the chosen ones too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from torch import nn

from biasloop.contract.context import Work
from biasloop.contract.data import Arrays
from biasloop.training.objectives import Objective
from biasloop.training.recipe import Recipe

B = TypeVar("B")


class Choosing(Protocol[B]):
    """What chooses the samples that are learnt from (`biasloop.training.selecting.Selecting` is one)."""

    def begin(self, network: nn.Module, epoch: int) -> None:
        """An epoch, from 0, begins, or goes on where a checkpoint was written."""

    def choose(self, network: nn.Module, batch: B) -> B:
        """Those samples of a micro-batch."""

    def finish(self, network: nn.Module, epoch: int, work: Work) -> None:
        """An epoch, from 0, is over."""

    def end(self, network: nn.Module, work: Work) -> None:
        """The fit is over; the network may be put back to an earlier epoch's."""

    def state(self) -> Arrays:
        """All of it that a checkpoint holds."""

    def restore(self, state: Arrays, *, middle: bool) -> None:
        """Puts that back; `middle`: inside an epoch, which goes on."""


@dataclass(frozen=True)
class Beside(Generic[B]):
    """A model that is trained beside the one of a fit, on the very samples that it learns from.

    Attributes:
        network: on the device of the other.
        objective: what is made small.
        recipe: how; its learning rate goes through its schedule over the updates of the other.
    """

    network: nn.Module
    objective: Objective[B]
    recipe: Recipe
