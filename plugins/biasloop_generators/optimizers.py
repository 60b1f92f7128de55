"""Which optimizer, with which learning rate and weight decay, settings and publications ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from biasloop.training.recipe import Kind

_RATES: dict[Kind, float] = {"adam": 1e-3, "adamw": 1e-3, "sgd": 0.1}
_DECAYS: dict[Kind, float] = {"adam": 1e-5, "adamw": 1e-2, "sgd": 0.0}


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with a constant learning rate.

    Attributes:
        kind: "adam" and "adamw" have betas 0.9 and 0.999; "sgd" has no momentum.
        learning_rate: of all steps.
        weight_decay: added to the gradient; of "adamw", taken off the weights.
    """

    kind: Kind
    learning_rate: float
    weight_decay: float


def published(data: str) -> Optimizer:
    """What the released code builds for generators of a data set when asked for Adam (Wyllie et al. 2024)."""
    if data == "celeba":
        return Optimizer("adam", 1e-4, 0.0)
    kind: Kind = "adamw" if data == "colored-svhn" else "adam"
    return Optimizer(kind, _RATES[kind], _DECAYS[kind])


def chosen(
    kind: Literal["published"] | Kind, data: str, learning_rate: float | None, weight_decay: float | None
) -> Optimizer:
    """The optimizer that settings ask for.

    Args:
        kind: "published" is that of the data set.
        data: name of the data set.
        learning_rate: None for that of the kind, or of the data set if it is that one's kind.
        weight_decay: likewise.
    """
    usual = published(data)
    if kind != "published" and kind != usual.kind:  # noqa: PLR1714 (mypy)
        usual = Optimizer(kind, _RATES[kind], _DECAYS[kind])
    return Optimizer(
        usual.kind,
        usual.learning_rate if learning_rate is None else learning_rate,
        usual.weight_decay if weight_decay is None else weight_decay,
    )
