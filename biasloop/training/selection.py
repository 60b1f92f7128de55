"""Selectors: which k of n_B candidates a model learns from; pure functions of tensors on the device.

Each is the option model of the same name in `biasloop.training.selectors`, which says where it is published. None waits
for the device. A candidate whose score is NaN comes after all others. Whether all scores were finite is read once an
epoch (`biasloop.training.counting`): a loss, or what else scores are made of, that is not finite leaves a score that is
not, and the fit ends with an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

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
        targets: `(n,)` int64 classes, where logits or passes are needed.
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
        scores: `(n,)` float32 that rows were taken by, the higher the better, and not finite where what they are made
            of is not; None where there are none.
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


# --- order and chance


def ranked(scores: Tensor, generator: torch.Generator, k: int | None = None) -> Tensor:
    """Positions of the k highest of `(n,)` scores, `(k,)` int64, the highest first; None: of all.

    Chance orders scores that are equal, and no others: they are looked at in an order that is drawn. NaN comes last.
    """
    shuffled = torch.randperm(len(scores), generator=generator, device=scores.device)  # (n,)
    negative = scores.index_select(0, shuffled).neg_()  # (n,): torch holds NaN for the largest number of all
    order = negative.topk(len(scores) if k is None else k, largest=False).indices  # (k,)
    return shuffled.index_select(0, order)


def draw(logs: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """`(k,)` int64 positions, drawn one after the other without replacement, by logarithms of weights, `(n,)`.

    The k largest sums of logarithm and Gumbel noise (Kool et al. 2019, arXiv 1903.06059), which is how
    `torch.multinomial` draws, but without its checks, for which the host waits. -inf comes after all others.
    """
    return ranked(logs + _gumbel(logs, 1, generator)[0], generator, k)


def draw_again(logs: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """`(k,)` int64 positions, drawn with replacement, by logarithms of weights, `(n,)`."""
    told = logs.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)  # (n,)
    return (told + _gumbel(logs, k, generator)).argmax(1)


def draw_by_rank(scores: Tensor, logs: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """`(k,)` int64 positions of `(n,)` scores, drawn without replacement, by logarithms of the weights of ranks."""
    order = ranked(scores, generator)  # (n,)
    told = scores.index_select(0, order)  # (n,)
    return order[draw(torch.where(told.isnan(), torch.nan, logs), k, generator)]


def _gumbel(logs: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    """`(rows, n)` float32."""
    noise = torch.empty(rows, len(logs), device=logs.device).exponential_(generator=generator)  # (rows, n)
    return -noise.clamp_(min=torch.finfo(noise.dtype).tiny).log_()


def exponential_ranks(n: int, pressure: float, device: torch.device) -> Tensor:
    """`(n,)` logarithms of weights by rank; the last of n + 1 would weigh 1 / pressure of the first."""
    return torch.arange(n, device=device) * -(math.log(pressure) / n)


def power_ranks(n: int, beta: float, device: torch.device) -> Tensor:
    """`(n,)` logarithms of rank^-beta, ranks from 1."""
    return torch.arange(1, n + 1, device=device).log() * -beta


def powers(scores: Tensor, beta: float) -> Tensor:
    """`(n,)` logarithms of (score + |lowest score|)^beta; as released, a positive lowest score is added too."""
    lowest = scores.nan_to_num(nan=torch.inf).min().abs()
    return (scores + lowest).log() * beta


# --- chance and losses alone


def uniform(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """Any k; all of them in their order, as if nothing were selected."""
    n, device = len(candidates), candidates.losses.device
    if k == n:
        return Selected(torch.arange(n, device=device), state)
    return Selected(torch.randperm(n, generator=generator, device=device)[:k], state)


def train_loss(
    candidates: Candidates,
    k: int,
    state: Tensor,
    generator: torch.Generator,
    *,
    by: Literal["rank", "top"],
    pressure: float,
) -> Selected:
    """High losses: drawn by their rank, or the k highest."""
    losses = candidates.losses
    if by == "top":
        return Selected(ranked(losses, generator, k), state, scores=losses)
    logs = exponential_ranks(len(losses), pressure, losses.device)  # (n,)
    return Selected(draw_by_rank(losses, logs, k, generator), state, scores=losses)


def gradient_norm(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """The k highest norms."""
    norms = norms_at_logits(candidates)  # (n,)
    return Selected(ranked(norms, generator, k), state, scores=norms)


def gradient_norm_sampling(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """Drawn in proportion to norms, with replacement; weights make the weighted mean loss unbiased."""
    n, norms = len(candidates), norms_at_logits(candidates)
    total = norms.nansum()  # ()
    shares = torch.where(total == 0, 1 / n, norms / total)  # (n,): where nobody has a gradient, anybody may come
    rows = draw_again(shares.log(), k, generator)  # (k,)
    return Selected(rows, state, weights=1 / (n * shares[rows]), scores=norms)


def norms_at_logits(candidates: Candidates) -> Tensor:
    """`(n,)` L2 norms of the gradient of each loss at the logits, softmax - one-hot."""
    logits, targets = _given(candidates.logits), _given(candidates.targets)
    classes = torch.arange(logits.shape[1], device=logits.device)  # (classes,)
    true = targets[:, None] == classes  # (n, classes)
    return (logits.softmax(1) - true.to(logits.dtype)).square().sum(1).sqrt()


# --- losses against irreducible losses


def irreducible(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """The k lowest irreducible losses."""
    scores = -_given(candidates.irreducible)[0]  # (n,)
    return Selected(ranked(scores, generator, k), state, scores=scores)


def rho(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """The k highest reducible losses."""
    scores = candidates.losses - _given(candidates.irreducible)[0]  # (n,)
    return Selected(ranked(scores, generator, k), state, scores=scores)


def boltzmann_rho(
    candidates: Candidates, k: int, state: Tensor, generator: torch.Generator, *, temperature: float
) -> Selected:
    """Drawn with replacement by softmax(reducible loss / temperature)."""
    scores = candidates.losses - _given(candidates.irreducible)[0]  # (n,)
    return Selected(draw_again(scores / temperature, k, generator), state, scores=scores)


def reducr(
    candidates: Candidates,
    k: int,
    state: Tensor,
    generator: torch.Generator,
    *,
    eta: float,
    model_loss: bool,
    irreducible: bool,
    holdout: bool,
    clip: bool,
    holdout_term: Literal["per_selected", "once"],
    per_point: bool,
    weight_floor: float,
) -> Selected:
    """The k highest of excesses weighted by category; the state is the sum of objectives alpha so far, `(C,)`."""
    losses = candidates.losses if model_loss else torch.zeros_like(candidates.losses)  # (n,)
    excess = (losses - _given(candidates.irreducible) if irreducible else losses.expand(len(state), -1)).T  # (n, C)
    if clip:
        excess = excess.relu()
    weights = (-eta * state).softmax(0)  # (C,)
    if weight_floor:
        weights = (1 - weight_floor) * weights + weight_floor / len(state)
    scores = excess.mv(weights)  # (n,)
    rows = ranked(scores, generator, k)  # (k,)
    alpha = excess.index_select(0, rows).sum(0)  # (C,)
    if holdout:
        alpha = alpha.sub(_given(candidates.holdout), alpha=k if holdout_term == "per_selected" else 1)
    if per_point:
        alpha = alpha / k
    return Selected(rows, state + alpha, scores=scores, category_weights=weights)


def payoff(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """The k whose least payoff among categories is highest."""
    payoffs = candidates.losses - _given(candidates.irreducible) - _given(candidates.holdout)[:, None]  # (C, n)
    scores = payoffs.amin(0)  # (n,)
    return Selected(ranked(scores, generator, k), state, scores=scores)


def fixed_weights(
    candidates: Candidates,
    k: int,
    state: Tensor,
    generator: torch.Generator,
    *,
    clip: bool,
    sampler: Literal["top", "power", "softmax", "rank"],
    beta: float,
) -> Selected:
    """Payoffs weighted by the state, `(C,)`, which stays; the k highest, or drawn without replacement."""
    excess = candidates.losses - _given(candidates.irreducible)  # (C, n)
    if clip:
        excess = excess.clamp(min=0)
    payoffs = excess - _given(candidates.holdout)[:, None]  # (C, n)
    weights = state[:, None]  # (C, 1)
    # Where a weight is 0, nobody need have an irreducible loss or a holdout.
    scores = torch.where(weights == 0, 0, weights * payoffs).sum(0)  # (n,)
    if sampler == "top":
        rows = ranked(scores, generator, k)
    elif sampler == "power":
        rows = draw(powers(scores, beta), k, generator)
    elif sampler == "softmax":
        rows = draw(beta * scores, k, generator)
    else:
        rows = draw_by_rank(scores, power_ranks(len(scores), beta, scores.device), k, generator)
    return Selected(rows, state, scores=scores, category_weights=state)


# --- passes with dropout


def entropy(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """The k highest entropies of the mean prediction."""
    scores = entropy_of_mean(_given(candidates.passes))  # (n,)
    return Selected(ranked(scores, generator, k), state, scores=scores)


def conditional_entropy(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """The k highest mean entropies of a prediction."""
    scores = mean_entropy(_given(candidates.passes))  # (n,)
    return Selected(ranked(scores, generator, k), state, scores=scores)


def bald(candidates: Candidates, k: int, state: Tensor, generator: torch.Generator) -> Selected:
    """The k highest mutual informations of prediction and dropout."""
    passes = _given(candidates.passes)  # (n, passes, classes)
    scores = entropy_of_mean(passes) - mean_entropy(passes)  # (n,)
    return Selected(ranked(scores, generator, k), state, scores=scores)


def loss_minus_conditional_entropy(
    candidates: Candidates, k: int, state: Tensor, generator: torch.Generator
) -> Selected:
    """The k whose mean loss is highest above the mean entropy of a prediction."""
    passes, targets = _given(candidates.passes), _given(candidates.targets)
    logs = passes.log_softmax(2)  # (n, passes, classes)
    true = targets[:, None, None].expand(-1, passes.shape[1], 1)  # (n, passes, 1)
    losses = -logs.gather(2, true).mean((1, 2))  # (n,)
    scores = losses - mean_entropy(passes)
    return Selected(ranked(scores, generator, k), state, scores=scores)


def entropy_of_mean(passes: Tensor) -> Tensor:
    """`(n,)` entropy in nats of the mean of the distributions with logits `(n, passes, classes)`."""
    means = passes.log_softmax(2).logsumexp(1) - math.log(passes.shape[1])  # (n, classes)
    return -(means.exp() * means).sum(1)


def mean_entropy(passes: Tensor) -> Tensor:
    """`(n,)` mean of the entropies in nats of the distributions with logits `(n, passes, classes)`."""
    logs = passes.log_softmax(2)  # (n, passes, classes)
    return -(logs.exp() * logs).sum(2).mean(1)


def _given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "a selector is not told what it says that it needs"
    return tensor
