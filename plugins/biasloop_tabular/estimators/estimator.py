"""What an estimator is to this plugin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from biasloop.contract.data import Arrays, Floats, Ints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from biasloop_tabular.encoding import Inputs


@dataclass(frozen=True)
class Training:
    """What a fit is given.

    Attributes:
        inputs: of its rows.
        labels: `(n,)` from 0 to classes - 1, each of which occurs; two or more.
        weights: `(n,)` above 0.
        seed: from 0 to 2^32 - 1.
        note: told what is unusual.
    """

    inputs: Inputs
    labels: Ints
    weights: Floats
    seed: int
    note: Callable[[str], None]


class Estimator(Protocol):
    """Fits a model, and predicts with what is kept of it."""

    def fit(self, training: Training) -> Arrays:
        """What predictions need of a fitted model, as named arrays of numbers."""

    def probabilities(self, model: Arrays, inputs: Inputs) -> Floats:
        """`(n, classes)` of the classes that were fitted; rows sum to 1."""


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Inside, BLAS and OpenMP use so many threads; libraries that are loaded later do not heed it.

    Where scikit-learn is not installed, with which threadpoolctl comes, nothing is fitted, and predictions take what
    threads there are.
    """
    if find_spec("threadpoolctl") is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        yield
