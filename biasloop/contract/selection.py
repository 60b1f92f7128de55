"""Which samples of a candidate batch a model learns from: a description; `biasloop.training.selecting` follows it.

At every step a candidate batch of n_B samples arrives, a selector takes k of them, and the model learns from these
alone (Mindermann et al. 2022, arXiv 2206.07137; Bankes et al. 2024, arXiv 2312.00486).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from biasloop.contract.data import Arrays, Floats, Ints, Samples

LOSSES, LOGITS, PASSES = "losses", "logits", "passes"
"""What a selector may need of the model: the loss of each candidate; its logits too; logits of several passes with
dropout."""
IRREDUCIBLE, CLASS_IRREDUCIBLE = "irreducible", "class-irreducible"
"""What it may need beside the model: the loss of each sample under a model of the holdout alone; under such a model of
each category."""
HOLDOUT = "holdout"
"""And the mean loss of the model on the holdout's samples of each category."""

NO_DROPOUT = (
    "this selector compares passes with dropout, and the network has none, so that all passes are alike; use another "
    "domain.network, one with dropout, or another selection.name"
)
"""What is wrong where `PASSES` are needed and cannot be had."""

Scoring = Literal["eval", "train"]
Best = Literal["last", "accuracy", "worst_class"]


class Selector(Protocol):
    """A pydantic model of a selector's options; an entry point of the group `biasloop.selectors` names one.

    Its module imports no torch; `select`, of `biasloop.training.selection.Selecting`, does.
    """

    @property
    def needs(self) -> frozenset[str]:
        """Those of `LOSSES`, `LOGITS`, `PASSES`, `IRREDUCIBLE`, `CLASS_IRREDUCIBLE` and `HOLDOUT`."""

    @property
    def passes(self) -> int:
        """Passes with dropout, where `PASSES` are needed; else 0."""

    def start(self, categories: int) -> list[float]:
        """The state that every fit begins with."""


@dataclass(frozen=True)
class Strata:
    """What samples are counted by while a model is trained; it is never trained on.

    Attributes:
        numbers: `(N,)` int64 from 0, one a training sample.
        count: how many there may be.
    """

    numbers: Ints
    count: int


@dataclass(frozen=True)
class Judged:
    """Samples with human labels that a model is never trained on.

    Attributes:
        samples: `(h,)`.
        categories: `(h,)` int64 from 0.
    """

    samples: Samples
    categories: Ints


@dataclass(frozen=True)
class Taught:
    """A model of irreducible losses, as it is stored.

    Attributes:
        arrays: as `Heading.save_heads` gave them; where there are no weights, as `Storing.save`.
        weights: `(heads, N)` factors of each head's losses of the training samples; None of a model without heads.
    """

    arrays: Arrays
    weights: Floats | None = None


@dataclass(frozen=True)
class Updating:
    """Models of irreducible losses that go on learning from what is selected.

    Each fit begins with the stored ones.

    Attributes:
        models: which together have the irreducible losses of a sample, `(C,)` or `(1,)`, in their order.
        factor: of their learning rate.
        settings: of the domain in place of the run's, that they were taught by.
    """

    models: Sequence[Taught]
    factor: float
    settings: Mapping[str, object]


@dataclass(frozen=True)
class Selection:
    """How the samples that a model learns from are selected; part of `Samples`, whose rows it is about.

    Attributes:
        selector: what selects.
        share: of a candidate batch that is selected, k / n_B.
        categories: C, the number of classes or groups that losses are balanced over.
        irreducible: `(C, N)` or `(1, N)` float32 losses of the training samples, of their labels; None where no
            selector needs any, or they are computed at every step.
        holdout: what mean losses of categories are taken of; None where nobody needs any.
        judge: what the best epoch is chosen on; None for the holdout.
        strata: what selected and offered samples are counted by.
        scoring: whether candidates are scored in evaluation mode, which changes nothing, or in training mode as
            released, where batch statistics and dropout are those of the candidate batch.
        refresh: epochs from one look at the holdout to the next.
        best: which epoch's model a fit gives: the last one's, or that of the highest accuracy, or worst accuracy of a
            category (of equal ones the more accurate, then the earlier).
        proxy: settings of the domain that a model beside it is trained by, which scores in its place; None for none.
        updating: models that irreducible losses of candidates are computed by, step by step; None for those above.
    """

    selector: Selector
    share: float
    categories: int
    strata: Strata
    irreducible: Floats | None = None
    holdout: Judged | None = None
    judge: Judged | None = None
    scoring: Scoring = "eval"
    refresh: int = 1
    best: Best = "last"
    proxy: Mapping[str, object] | None = None
    updating: Updating | None = None

    def size(self, candidates: int) -> int:
        """K of so many candidates: at least one (released code: max(1, int(n_B * share)))."""
        # A tenth of 320 is 32, and not a little less in floating point.
        return min(candidates, max(1, int(candidates * self.share + 1e-9)))

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InvalidInput(f"selection.share is {self.share:g}; set a share of the candidates, above 0 and up to 1")
