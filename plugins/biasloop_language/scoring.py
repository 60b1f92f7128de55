"""How beam search compares continuations of different lengths; arithmetic on tensors, torch itself not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Scoring:
    """Log-probability divided by a power of the number of new tokens, the end-of-text token included.

    Attributes:
        penalty: the power.
        prompts: `(n,)` int64 tokens of each prompt.
    """

    penalty: float
    prompts: Tensor

    def ended(self, scores: Tensor, ends: Tensor, step: int) -> Tensor:
        """Scores of candidates that are complete after a step.

        Args:
            scores: `(n, beams)` float32 log-probabilities.
            ends: `(n, beams)` whether the candidate's last token is end-of-text.
            step: of the last token, from 0.
        """
        scored: Tensor = scores / (step + 1) ** self.penalty
        return scored

    def hope(self, running: Tensor, candidates: Tensor, step: int) -> Tensor:
        """The best score that a continuation still open is thought to reach: that of the best one as it is.

        Args:
            running: `(n, beams)` float32 log-probabilities of those that go on, best first.
            candidates: `(n, 2 x beams)` of all that were considered at this step, best first.
            step: from 0.
        """
        best: Tensor = running[:, 0] / (step + 1) ** self.penalty
        return best
