"""The conditional random field of situations (Yatskar et al. 2016), on the potentials of all slots side by side.

A situation is a verb v and a slot for each of its roles e; its score is s = a_v + sum over e of b_e, the potentials of
its verb and slots. Given the verb roles are independent, so all of this is exact: the logarithm of what the scores of
all situations sum to (log Z), marginals, maxima, and samples. There is no loop over verbs, roles or pictures: pairs
(verb, role) are segments of the slots.

Potentials are `(n, verbs)` and `(n, slots)` tensors of any floating type; what is summed of them is float32 at least.
Those of slots are fastest if they are stored slot by slot, as the transpose of `(slots, n)`: then a slot is a row to
copy and a class of pairs is reduced over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from biasloop.contract.data import Array, Floats, Ints
from biasloop.contract.labels import draw, softmax
from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary

Scoring = Literal["max_max", "max_marginal"]
GROWTH = 1.1
"""Sizes of the pairs in a class differ by this factor, at most: to imSitu's slots padding adds 4 %, in 40 classes."""


@dataclass(frozen=True)
class SizeClass:
    """Pairs with about as many slots, padded to one width by repeating the last slot of each.

    Attributes:
        pairs: `(count,)` their numbers.
        slots: `(width * count,)` the first slot of each, then the second of each, and so on.
        shape: width and count.
        smallest: slots that each has at least.
        padding: `(width - smallest, count, 1)` which of the further ones only repeat.
    """

    pairs: Tensor
    slots: Tensor
    shape: tuple[int, int]
    smallest: int
    padding: Tensor

    @classmethod
    def of(cls, pairs: Ints, sizes: Ints, start: Ints, device: torch.device) -> SizeClass:
        """The class of some pairs, given the sizes and first slots of all."""
        offsets = np.arange(sizes[pairs].max())[:, None]
        slots = start[pairs] + np.minimum(offsets, sizes[pairs] - 1)  # (width, count)
        smallest = int(sizes[pairs].min())
        padding = (offsets >= sizes[pairs])[smallest:, :, None]
        shape = (len(slots), len(pairs))
        return cls(_on(pairs, device), _on(slots.reshape(-1), device), shape, smallest, _on(padding, device))

    def padded(self, columns: Tensor, memory: Tensor) -> Tensor:
        """`(width, count, n)` of `(slots, n)`, in memory for as many rows or more, which stays in the caches."""
        rows = memory[: len(self.slots)]
        torch.index_select(columns, 0, self.slots, out=rows)
        return rows.view(*self.shape, -1)


@dataclass(frozen=True)
class Layout:
    """Which slots are of which pair and which pairs of which verb, on a device.

    Attributes:
        classes: all pairs, by size.
        sizes: `(pairs,)` slots of each.
        start: `(pairs,)` the first slot of each.
        slot_pair: `(slots,)` the pair of each.
        pair_verb: `(pairs,)` the verb of each.
        verb_pairs: `(verbs, MOST_ROLES)` the pairs of each, then `PADDING`.
        widest: slots of a pair, at most.
    """

    classes: tuple[SizeClass, ...]
    sizes: Tensor
    start: Tensor
    slot_pair: Tensor
    pair_verb: Tensor
    verb_pairs: Tensor
    widest: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, device: torch.device) -> Layout:
        """The layout of a vocabulary's potentials."""
        start, sizes = vocabulary.pair_start[:-1], np.diff(vocabulary.pair_start)
        powers = np.floor(np.log(sizes) / np.log(GROWTH))
        classes = tuple(SizeClass.of(np.flatnonzero(powers == p), sizes, start, device) for p in np.unique(powers))
        return cls(
            classes,
            _on(sizes, device),
            _on(start, device),
            _on(vocabulary.slot_pair, device),
            _on(vocabulary.pair_verb, device),
            _on(vocabulary.verb_pairs, device),
            int(sizes.max()),
        )


class _Marginals(torch.autograd.Function):
    """Of potentials `(slots, n)`, the log sum of exponentials of each pair, `(pairs, n)`, and some of them as they are.

    Both at once, as the gradient of the one is the softmax in each pair and that of the other is added in its places.
    """

    @staticmethod
    def forward(ctx: Any, columns: Tensor, picked: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        marginals, memory = _empty(columns, layout)
        for part in layout.classes:
            values = _at_least_float32(part.padded(columns, memory))  # (width, count, n)
            highest = values.amax(0)
            shares = values.sub_(highest).exp_()
            shares[part.smallest :].masked_fill_(part.padding, 0)
            marginals[part.pairs] = shares.sum(0).log_().add_(highest)
        ctx.save_for_backward(columns, picked, marginals)
        ctx.layout = layout
        return marginals, _at_least_float32(columns.gather(0, picked))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_marginals: Tensor, of_picked: Tensor) -> tuple[Tensor, None, None]:
        columns, picked, marginals = ctx.saved_tensors
        pair = ctx.layout.slot_pair
        gradient = (-marginals).index_select(0, pair).add_(columns).exp_()  # (slots, n), of a pair they sum to 1
        gradient.mul_(of_marginals.index_select(0, pair))
        column = torch.arange(columns.shape[1], device=columns.device).expand_as(picked)
        gradient.index_put_((picked, column), of_picked, accumulate=True)
        return gradient.to(columns.dtype), None, None


class _SumOfRoles(torch.autograd.Function):
    """Of `(pairs, n)`, what the pairs of each verb sum to."""

    @staticmethod
    def forward(ctx: Any, of_pairs: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        pairs = layout.verb_pairs
        of_roles = of_pairs.index_select(0, pairs.clamp(min=0).flatten()).view(*pairs.shape, -1)
        return of_roles.masked_fill_((pairs < 0)[..., None], 0).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.index_select(0, ctx.layout.pair_verb), None


def role_marginals(b: Tensor, layout: Layout) -> Tensor:
    """`(n, pairs)` log sum over the slots of each of exp(b)."""
    nothing = torch.empty(0, len(b), dtype=torch.int64, device=b.device)
    marginals: Tensor = _Marginals.apply(b.T, nothing, layout)[0]
    return marginals.T


def role_maxima(b: Tensor, layout: Layout) -> Tensor:
    """`(n, pairs)` the highest potential of each; without gradient."""
    columns = b.detach().T
    maxima, memory = _empty(columns, layout)
    for part in layout.classes:
        maxima[part.pairs] = part.padded(columns, memory).amax(0).to(maxima.dtype)
    return maxima.T


def verb_marginals(a: Tensor, b: Tensor, layout: Layout) -> Tensor:
    """`(n, verbs)` log sum over the situations of each verb of exp(score)."""
    return _of_verbs(a, role_marginals(b, layout), layout)


def log_partition(a: Tensor, b: Tensor, layout: Layout) -> Tensor:
    """`(n,)` log Z: log sum over all situations of exp(score)."""
    return verb_marginals(a, b, layout).logsumexp(1)


def verb_scores(a: Tensor, b: Tensor, how: Scoring, layout: Layout) -> Tensor:
    """`(n, verbs)` what the best verb has the most of; without gradient.

    Args:
        a: `(n, verbs)`.
        b: `(n, slots)`.
        how: "max_max", the score of the verb's best situation (as published), or "max_marginal", its log-marginal.
        layout: of the slots.
    """
    with torch.no_grad():
        if how == "max_marginal":
            return verb_marginals(a, b, layout)
        return _of_verbs(a, role_maxima(b, layout), layout)


def likelihood(a: Tensor, b: Tensor, verb: Tensor, slots: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Log-marginals of verbs, not normalised, `(n, verbs)`; and log-probabilities of situations `(n, references)`.

    Args:
        a: `(n, verbs)`.
        b: `(n, slots)`.
        verb: `(n,)` verb ids.
        slots: `(n, references, MOST_ROLES)`, `PADDING` where the verb has no further role.
        layout: of the slots.
    """
    marginals, picked = _Marginals.apply(b.T, slots.clamp(min=0).flatten(1).T, layout)
    of_verbs = _of_verbs(a, marginals.T, layout)  # (n, verbs)
    nouns = picked.T.reshape(slots.shape).masked_fill(slots < 0, 0).sum(2)  # (n, references)
    scores = _at_least_float32(a.gather(1, verb[:, None])) + nouns
    return of_verbs, scores - of_verbs.logsumexp(1, keepdim=True)


def log_probabilities(a: Tensor, b: Tensor, verb: Tensor, slots: Tensor, layout: Layout) -> Tensor:
    """`(n, references)` log-probabilities of situations, arguments as of `likelihood`."""
    return likelihood(a, b, verb, slots, layout)[1]


def any_of(log_probabilities: Tensor) -> Tensor:
    """`(n,)` log(1 - product over references of (1 - p)), from `(n, references)` log p.

    The published loss of several references ("mil") without the 1e-8 in its logarithm: exact, with finite gradients,
    for any p from 0 (finite log p) to 1.
    """
    first, *others = log_probabilities.unbind(1)
    for other in others:
        high, low = torch.maximum(first, other), torch.minimum(first, other)
        first = high + torch.log1p((low - high).exp() * -torch.expm1(high))  # p + q (1 - p), divided by p
    return first


def likelihood_loss(log_probabilities: Tensor) -> Tensor:
    """The scalar that is trained on: minus the mean of `any_of` `(n, references)` log-probabilities."""
    return -any_of(log_probabilities).mean()


def sum_loss(log_probabilities: Tensor) -> Tensor:
    """Minus the mean of `(n, references)` log-probabilities."""
    return -log_probabilities.mean()


def best_slots(b: Tensor, verb: Tensor, layout: Layout) -> Tensor:
    """`(n, MOST_ROLES)` the slot of the highest potential in each role of given verbs `(n,)`, of equals the first.

    `PADDING` where the verb has no further role.
    """
    candidates, real = _candidates(verb, layout)
    potentials = b.detach().gather(1, candidates.flatten(1)).view(candidates.shape).masked_fill(~real, -torch.inf)
    best = potentials.argmax(2, keepdim=True)  # (n, roles, 1)
    return candidates.gather(2, best)[..., 0].masked_fill(~real[..., 0], PADDING)


@dataclass(frozen=True)
class Situations:
    """Labels of some pictures.

    Attributes:
        verb: `(n,)` int64.
        slots: `(n, MOST_ROLES)` int64, then `PADDING`.
        log_probability: `(n,)` of the situation, float32 at least.
    """

    verb: Tensor
    slots: Tensor
    log_probability: Tensor


def best(a: Tensor, b: Tensor, how: Scoring, layout: Layout) -> Situations:
    """The verb with the highest score, of equals the first, and of each of its roles the best noun."""
    verb = verb_scores(a, b, how, layout).argmax(1)
    return _situations(a, b, verb, best_slots(b, verb, layout), layout)


def drawn(a: Tensor, b: Tensor, uniform: Floats, layout: Layout) -> Situations:
    """Situations drawn with their probabilities: the verb from its marginal, then each role given the verb.

    Args:
        a: `(n, verbs)`.
        b: `(n, slots)`.
        uniform: `(n, 1 + MOST_ROLES)` float64 in [0, 1), for the verb and for each role; a row decides its own label.
        layout: of the slots.
    """
    with torch.no_grad():
        verb = draw(softmax(_on_host(verb_marginals(a, b, layout))), uniform[:, 0])  # (n,)
        candidates, real = _candidates(_on(verb, b.device), layout)  # (n, roles, widest)
        potentials = b.gather(1, candidates.flatten(1)).view(candidates.shape)
        # A role that a verb has not: a draw whose result is not asked for.
        allowed = real | ~real[..., :1]
        logits = _on_host(_at_least_float32(potentials).masked_fill(~allowed, -torch.inf))
        nouns = draw(softmax(logits.reshape(-1, layout.widest)), uniform[:, 1:].reshape(-1))
        chosen = candidates.gather(2, _on(nouns, b.device).view(len(verb), MOST_ROLES, 1))[..., 0]
    return _situations(a, b, _on(verb, b.device), chosen.masked_fill(~real[..., 0], PADDING), layout)


def _situations(a: Tensor, b: Tensor, verb: Tensor, slots: Tensor, layout: Layout) -> Situations:
    with torch.no_grad():
        return Situations(verb, slots, log_probabilities(a, b, verb, slots[:, None], layout)[:, 0])


def _candidates(verb: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """`(n, MOST_ROLES, widest)` slots that the roles of verbs `(n,)` can have, and whether each is one."""
    pairs = layout.verb_pairs[verb]  # (n, roles)
    known = pairs.clamp(min=0)
    offsets = torch.arange(layout.widest, device=verb.device)
    real = (offsets < layout.sizes[known][..., None]) & (pairs >= 0)[..., None]
    return torch.where(real, layout.start[known][..., None] + offsets, 0), real


def _of_verbs(a: Tensor, of_pairs: Tensor, layout: Layout) -> Tensor:
    """`(n, verbs)` their potentials and what their pairs have in `(n, pairs)`, summed."""
    of_roles: Tensor = _SumOfRoles.apply(of_pairs.T, layout)
    return _at_least_float32(a) + of_roles.T


def _empty(columns: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """`(pairs, n)` and memory for the padded slots of any class, both without values."""
    n = columns.shape[1]
    memory = columns.new_empty(max(len(part.slots) for part in layout.classes), n)
    return _at_least_float32(columns.new_empty(len(layout.sizes), n)), memory


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _on_host(values: Tensor) -> Array:
    return np.asarray(values.cpu().numpy())


def _on(array: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)
