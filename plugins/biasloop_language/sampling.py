"""Draws from the nucleus of a distribution over tokens, without sorting it."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

_WIDTH = 256

Draw = Callable[[int, Tensor], Tensor]
"""From (attempt, rows as `(k,)` int64) to `(k,)` float64 uniform draws in [0, 1), on the same device."""


def nucleus(logits: Tensor, top_p: float, draw: Draw) -> Tensor:
    """A token of each row, drawn from the smallest set of likeliest tokens whose probability reaches `top_p`.

    The set is that of Holtzman et al. (2020), the token that crosses `top_p` included; of equally likely tokens the
    lower id counts as likelier. No row is sorted: a token is drawn from the whole row and kept if the tokens ahead
    of it have less than `top_p`; else the next is drawn from those ahead of it. They contain the nucleus, and
    given that a draw falls into the nucleus it has the nucleus's law, whatever surrounded it. So the law is exact,
    and of n rows about (1 - top_p) n need a second draw, then a fraction of these a third.

    Args:
        logits: `(n, vocabulary)` float32.
        top_p: above 0, up to 1.
        draw: uniform draws.

    Returns:
        `(n,)` int64 token ids.
    """
    room = -logits.shape[1] % _WIDTH
    weights = functional.pad(logits, (0, room), value=float("-inf")).softmax(1)  # (n, blocks x width)
    places = torch.arange(weights.shape[1], device=logits.device)
    rows = torch.arange(len(logits), device=logits.device)
    limit = top_p * weights.sum(1) if top_p < 1 else weights.new_full((len(weights),), torch.inf)  # (n,)
    tokens, attempt = torch.empty_like(rows), 0
    while len(rows):
        drawn = _inverse(weights, draw(attempt, rows))  # (rows that are still open,)
        tokens[rows] = drawn
        chance = weights.gather(1, drawn[:, None])  # (rows, 1)
        ahead = (weights > chance) | ((weights == chance) & (places < drawn[:, None]))  # (rows, blocks x width)
        weights = weights * ahead
        outside = (weights.sum(1) >= limit) | (chance[:, 0] == 0)  # 0: a rounded running sum, next to never
        rows, weights, limit, attempt = rows[outside], weights[outside], limit[outside], attempt + 1
    return tokens


def _inverse(weights: Tensor, uniform: Tensor) -> Tensor:
    """Where the running sum of each row first exceeds that share of the whole: of blocks first, then within one.

    Args:
        weights: `(n, blocks x width)` float32, not negative, not all 0.
        uniform: `(n,)` float64 in [0, 1).
    """
    rows = torch.arange(len(weights), device=weights.device)
    blocks = weights.view(len(weights), -1, _WIDTH)  # (n, blocks, width)
    sums = blocks.sum(2).double()  # (n, blocks)
    block, target = _first(sums, uniform * sums.sum(1))  # (n,) each
    inside = blocks[rows, block].double()  # (n, width)
    # The block's own sum is scaled to that of its parts in double precision, so that the last part is reached.
    share = target / sums[rows, block]
    index, _ = _first(inside, share * inside.sum(1))
    return block * _WIDTH + index


def _first(parts: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The first part whose running sum exceeds the target, never an empty one; and the target within that part."""
    # A product with a triangle, since torch has no deterministic running sum on a GPU.
    running = parts @ torch.ones(parts.shape[1], parts.shape[1], dtype=parts.dtype, device=parts.device).triu()
    total = running[:, -1]  # (n,)
    target = torch.minimum(target, torch.nextafter(total, torch.zeros_like(total)))[:, None]
    first = (running <= target).sum(1, keepdim=True)  # (n, 1)
    before = running.gather(1, first) - parts.gather(1, first)
    return first[:, 0], (target - before).clamp(min=0)[:, 0]
