"""What a feedback rule is to the rest of biasloop: what its settings say before a run, what it does during one.

A rule is one file, which holds both, and one entry of `biasloop.feedback.rules.RULES`. Nobody outside this folder
knows one rule from another: whatever a caller needs, it asks for by a member of these protocols.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from biasloop.contract.context import Work
from biasloop.contract.data import Floats, Frame, Ints, Metric, Samples, Tables
from biasloop.contract.domains import (
    EPOCHS,
    INPUTS,
    SELECTION,
    WEIGHTS,
    Demands,
    Domain,
    Learning,
    M,
    honoured,
    missing_methods,
)
from biasloop.contract.randomness import Streams
from biasloop.errors import Mismatch
from biasloop.feedback.work import RoundWork
from biasloop.records.record import Model, Record


class LoopBound(Protocol):
    """How far feedback can move a statistic at most, given by how much one fit does (a calibration error)."""

    def over_rounds(self, delta: float, last: int) -> Floats:
        """`(last + 1,)` of rounds 0 to `last`, from the signed calibration error of round 0."""

    def per_round(self, deltas: Floats) -> Floats:
        """`(rounds,)`, from the calibration error of every round."""

    def limit(self, delta: float) -> float | None:
        """What it tends to; None if it grows without end."""


class RuleSettings(Protocol):
    """The section [loop] of a preset, a pydantic model; what is known of a run from settings alone."""

    @property
    def rule(self) -> str:
        """The rule's name."""

    @property
    def rounds(self) -> int | None:
        """Models to train; None until the rule itself says that there are no more."""

    def model_dump(self, *, exclude: set[str] | None = None, exclude_none: bool = False) -> dict[str, Any]:
        """The settings by name, as pydantic gives them."""

    def requires(self) -> tuple[type, ...]:
        """The capabilities (`biasloop.contract.domains`) that a domain needs."""

    def demands(self) -> Demands:
        """What a domain's fits will be asked for."""

    def trained(self, round_number: int) -> int:
        """Work of a round in any unit, such as rows trained on: what remaining time is estimated by."""

    def columns(self) -> tuple[str, ...]:
        """Names of `Record.sizes` that are shown of every round."""

    def bound(self) -> LoopBound | None:
        """The bound on bias in this loop; None where none is known for the rule.

        Raises:
            InvalidInput: one is known for the rule, and not with these settings.
        """

    def arm_label(self, differing: Collection[str]) -> str | None:
        """What runs are called that differ from others in these settings of [loop] alone; None: by keys and values."""


class Rule(Protocol):
    """A fold over committed records: only `absorb` changes its state.

    The engine absorbs only what it has read back from the store, so live and resumed runs are the same code.

    Attributes:
        Settings: the pydantic model of [loop]; it is a `RuleSettings`.
        SUGAR: keys that a preset may have in [loop] in place of a setting, each with that setting. Of the two the later
            layer of a preset wins; the model takes either.
        answers: the test tables as humans fill them, once the set-up is absorbed.
    """

    Settings: ClassVar[type[BaseModel]]
    SUGAR: ClassVar[Mapping[str, str]]
    references: Tables

    def __init__(self, settings: Any, domain: Any, name: str, streams: Streams) -> None:
        """Over one domain; loads nothing.

        Args:
            settings: of the model `Settings`.
            domain: with the capabilities that the settings require.
            name: the domain's, for messages.
            streams: randomness of the run.

        Raises:
            Mismatch: the domain cannot do what the rule needs.
        """

    def prepare(self) -> None:
        """Check what data can say of the settings, before anything is trained; called before all that follows.

        Raises:
            Mismatch: they do not go together.
        """

    def expected_rounds(self) -> int:
        """How many rounds the run will have, as far as settings and data say."""

    def human_labels(self, rounds: int) -> int:
        """How many samples the set-up and so many rounds take with a human label, each counted once."""

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

    def recover(self, number: int, work: RoundWork) -> None:
        """Make again what the newest absorbed round left for the next one, where it is not stored any more."""

    def measure(self, number: int, record: Record, tables: Tables) -> dict[str, Metric]:
        """All metrics of an absorbed round from its stored tables, without a model."""

    def entered(self) -> Ints:
        """Ids of all samples that have entered the training set, of the newest absorbed round or before."""

    def produced(self) -> Model | None:
        """The model of the newest absorbed round that `biasloop generate` uses; None where it is not stored."""

    def refit(self, number: int, work: RoundWork) -> Any:
        """That model, fitted again: the same bits on the same kind of machine.

        Raises:
            Mismatch: it cannot be.
        """

    def label(self, model: Any, ids: Ints, work: RoundWork) -> Frame:
        """Labels that the model gives, by the rule's own settings, as it does for later models.

        Raises:
            Mismatch: models of this rule label nothing.
        """


UNHONOURED = {
    EPOCHS: "does not say when an epoch ends; take loop.snapshots out of the preset",
    WEIGHTS: "does not weigh samples, and this run gives them weights; use a domain that does, or a rule without any",
    INPUTS: "does not take generated inputs, and this run has some; use a domain that does, or a rule without any",
    SELECTION: "does not select the samples that it learns from; take [selection] out of the preset",
}


class _Fitting(Domain, Learning[M], Protocol[M]):
    """A domain with models that are fitted on samples."""


def require(settings: RuleSettings, domain: Domain, name: str) -> None:
    """Check a domain's capabilities before anything is loaded.

    Raises:
        Mismatch: naming the methods that the domain lacks, or what its fits do not honour.
    """
    lacking = [method for capability in settings.requires() for method in missing_methods(type(domain), capability)]
    if lacking:
        methods = ", ".join(dict.fromkeys(lacking))
        raise Mismatch(f'the domain {name!r} cannot run loop.rule = "{settings.rule}": it has no {methods}')
    for demand in sorted(settings.demands().honoured - honoured(domain)):
        raise Mismatch(f"the domain {name!r} {UNHONOURED[demand]}")


def fit(domain: _Fitting[M], name: str, train: Samples, work: Work) -> M:
    """A model fitted on samples, none of whose weights or inputs the domain drops: every rule fits through this.

    Args:
        domain: to fit a model of.
        name: the domain's, for messages.
        train: what the model is trained on.
        work: of the call.

    Raises:
        Mismatch: the samples have weights or inputs that the domain's fits do not honour; a rule whose settings
            demand them is refused before.
    """
    given = {*([] if train.weights is None else [WEIGHTS]), *([INPUTS] if train.inputs.columns else [])}
    given |= set() if train.selection is None else {SELECTION}
    for unhonoured in sorted(given - honoured(domain)):
        raise Mismatch(f"the domain {name!r} {UNHONOURED[unhonoured]}")
    return domain.fit(train, work)
