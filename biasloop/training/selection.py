"""Selectors: which k of n_B candidates a model learns from; pure functions of tensors on the device.

Each is the option model of the same name in `biasloop.training.selectors`, which says where it is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from biasloop.contract import selection


@dataclass(frozen=True)
class Candidates:
    """What a selector is told of a candidate batch; tensors on the device of the model, without gradients.

    Attributes:
        losses: `(n,)` float32, the model's loss of each sample.
        epoch: from 0.
        logits: `(n, classes)` float32, where needed.
        targets: `(n,)` int64 classes, where logits are needed.
        passes: `(n, passes, classes)` float32 logits, where needed.
        irreducible: `(C, n)` float32, or `(1, n)` where one model is needed.
        holdout: `(C,)` float32, the model's mean loss on the holdout of each category, where needed.
    """

    losses: Tensor
    epoch: int = 0
    logits: Tensor | None = None
    targets: Tensor | None = None
    passes: Tensor | None = None
    irreducible: Tensor | None = None
    holdout: Tensor | None = None

    def __len__(self) -> int:
        return len(self.losses)


@dataclass(frozen=True)
class Selected:
    """What a selector takes of a candidate batch.

    Attributes:
        rows: `(k,)` int64 positions in the batch, the best first; one may come twice where rows are drawn so.
        state: `(m,)` float32, what the selector carries on to the next batch.
        weights: `(k,)` float32 factors of the samples' losses; None for 1.
        scores: `(n,)` float32 that rows were taken by, the higher the better; None where there are none.
        category_weights: `(C,)` float32, what each category weighed in the scores; None where none does.
    """

    rows: Tensor
    state: Tensor
    weights: Tensor | None = None
    scores: Tensor | None = None
    category_weights: Tensor | None = None


class Selector(selection.Selector, Protocol):
    """A selector with its arithmetic."""

    def select(self, candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
        """Takes k of the candidates; a pure function of what it is given. Ties are broken by the generator.

        Args:
            candidates: with all that is needed.
            k: from 1 to their number.
            state: `(m,)` float32 as the batch before left it.
            generator: on the device; the only source of randomness.
        """
