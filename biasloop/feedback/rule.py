"""What the engine asks of a feedback rule."""

from typing import Any, Protocol

from biasloop.contract.data import Metric, Samples, Tables
from biasloop.contract.domains import missing_methods
from biasloop.errors import Mismatch
from biasloop.feedback.work import RoundWork
from biasloop.records.record import Record


class Rule(Protocol):
    """A fold over committed records: only `absorb` changes its state.

    The engine absorbs only what it has read back from the store, so live and resumed runs are the same code.

    Attributes:
        produces: name of the model that `biasloop generate` uses.
        answers: the test tables as humans fill them, once the set-up is absorbed.
    """

    produces: str
    answers: Tables

    def setup(self, work: RoundWork) -> Record:
        """What is decided before round 0."""

    def round(self, number: int, work: RoundWork) -> Record:
        """Feed back, fit, evaluate."""

    def absorb(self, record: Record) -> None:
        """Take a committed record into the state; records come in order."""

    def stop(self, number: int) -> str | None:
        """Why there is no round of that number, or None if there is one."""

    @property
    def needs_all_models(self) -> bool:
        """Whether the next round needs the models of all rounds before it, not of the newest alone."""

    @property
    def can_go_on(self) -> bool:
        """Whether what the newest absorbed round left for the next one is there."""

    def training_set(self, number: int) -> Samples:
        """What the model of an absorbed round was trained on."""

    def measure(self, number: int, record: Record, tables: Tables) -> dict[str, Metric]:
        """All metrics of an absorbed round from its stored tables, without a model."""

    def recover(self, number: int, work: RoundWork) -> None:
        """Make again what the newest absorbed round left for the next one, where it is not stored any more."""

    def refit(self, number: int, work: RoundWork) -> Any:
        """The model of an absorbed round, fitted again: the same bits on the same kind of machine."""


def require(domain: Any, name: str, rule: str, capabilities: tuple[Any, ...]) -> None:
    """Check a domain's capabilities before anything is loaded.

    Raises:
        Mismatch: naming the methods that the domain lacks.
    """
    lacking = [method for capability in capabilities for method in missing_methods(type(domain), capability)]
    if lacking:
        methods = ", ".join(dict.fromkeys(lacking))
        raise Mismatch(f'the domain {name!r} cannot run loop.rule = "{rule}": it has no {methods}')
