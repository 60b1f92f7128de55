"""What the published code does otherwise when it trains and writes (Taori & Hashimoto 2022, transformers 4.17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biasloop_language.recipes import FINE_TUNING, PUBLISHED, evaluation_rows
from biasloop_language.scoring import Scoring
from biasloop_language.updates import Updates

if TYPE_CHECKING:
    from torch import Tensor

_BETA = 0.999
_EPSILON = 1e-6
_CLEANED = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"),
    (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip


def cleaned(text: str) -> str:
    """A generated text as transformers 4.17 decodes it: no space before punctuation and English contractions.

    The published code scores and stores these; texts of people it leaves as they are, and no text is tokenised anew.
    """
    for written, becomes in _CLEANED:
        text = text.replace(written, becomes)
    return text


def evaluation_batch(network: str) -> int:
    """Rows of a batch that the published perplexity is taken over: 40 of gpt2-medium, 20 of gpt2-large, else 80."""
    return evaluation_rows(PUBLISHED.get(network, FINE_TUNING))


class ReleasedUpdates(Updates):
    """Updates one micro-batch early, each micro-batch with the same weight, and the former AdamW of transformers.

    An update comes when the number of the micro-batch, from 0, is a multiple of `accumulation`, and at the end of
    the epoch: so the first has one micro-batch, the last a remainder. Each micro-batch's mean loss counts
    1 / `accumulation`, whatever its tokens. One update an epoch more than planned is possible; in a single epoch
    it has learning rate 0.
    """

    def groups(self, batches: int) -> list[int]:
        """Micro-batches of each update of an epoch."""
        size = self.recipe.accumulation
        full, rest = divmod(batches - 1, size)
        return [1] + [size] * full + ([rest] if rest else [])

    def factor(self, tokens: float, group: float) -> float:
        """What a micro-batch's summed loss is multiplied by."""
        return 1 / (tokens * self.recipe.accumulation)

    def settings(self, update: int, planned: int) -> dict[str, float]:
        """The epsilon of torch's AdamW is one that equals 1e-6 added before the second moment's bias is corrected."""
        epsilon = float(_EPSILON / (1 - _BETA**update) ** 0.5)
        return {"lr": self.recipe.rate(update, planned), "eps": epsilon}


class ReleasedScoring(Scoring):
    """Lengths of continuations that count the prompt and leave out the end-of-text token.

    The published lengths also count what a prompt was padded with, so depend on its batch; these do not.
    """

    def ended(self, scores: Tensor, ends: Tensor, step: int) -> Tensor:
        """Scores of candidates that are complete after a step."""
        scored: Tensor = scores / (self.prompts[:, None] + step + (~ends).float()) ** self.penalty
        return scored

    def hope(self, running: Tensor, candidates: Tensor, step: int) -> Tensor:
        """The best score that a continuation still open is thought to reach."""
        best: Tensor = candidates[:, 0] / (self.prompts + step) ** self.penalty
        return best
