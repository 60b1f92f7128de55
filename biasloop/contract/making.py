"""What a domain can do whose samples' inputs a generator makes, for the rule `mixing`.

A share of a corpus keeps its labels and gets other inputs: pictures made from their captions, say. What makes them is
prepared data that the domain has (`Mixing` alone), or a generator that learns in the run (`Making` besides).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from biasloop.contract.domains import Learning

if TYPE_CHECKING:
    from biasloop.contract.context import Work
    from biasloop.contract.data import Frame, Ints, Samples, Tables

M = TypeVar("M")


@runtime_checkable
class Mixing(Learning[M], Protocol[M]):
    """Samples whose inputs can be others than their own."""

    def make(self, maker: Any, ids: Ints, work: Work) -> Frame:
        """Inputs for samples, a row an id: `Samples.inputs` of fits.

        A row depends on (maker, stream, id), not on what else is asked for, nor on its order.

        Args:
            maker: what `Making.fit_maker` gave; None of a domain without it, whose inputs are prepared.
            ids: `(n,)`, of the pool.
            work: of the call.

        Returns:
            Columns of fixed size: int64 keys from 0 of prepared inputs, or floating-point values.
        """


@runtime_checkable
class Making(Protocol):
    """Generators of inputs that learn."""

    def fit_maker(self, train: Samples, work: Work) -> Any:
        """A new generator, fitted on samples as they are: on their own inputs, and on those that one before it made."""

    def predict_maker(self, maker: Any, work: Work) -> Tables:
        """What a generator makes of fresh samples: tables of their own, which `Sampled.measure` is given as well."""
