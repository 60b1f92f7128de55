"""Tensors of several processes: gradients a piece at a time, and rows that are gathered with their gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

_BUCKET = 1 << 25  # numbers that are added up at a time, so that no second copy of all gradients is needed


class Meeting(Protocol):
    """A process among several, as `distributed.Group` is."""

    rank: int
    count: int

    def agree(self) -> None:
        """All meet before a collective operation, through which any ends the fit of all."""

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum over processes."""

    def talking(self) -> AbstractContextManager[None]:
        """What fails in here fails because another process is gone."""


class Gathered(torch.autograd.Function):
    """Rows of all processes; `distributed.Group.gather` says which."""

    @staticmethod
    def forward(context: Any, rows: Tensor, group: Meeting, total: int) -> Tensor:
        """`(total, ...)` of `(n, ...)`."""
        sizes = [len(range(rank, total, group.count)) for rank in range(group.count)]
        context.group, context.start, context.size = group, sum(sizes[: group.rank]), len(rows)
        group.agree()
        padded = rows.new_zeros((sizes[0], *rows.shape[1:]))  # collectives take equal shapes
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        with group.talking():
            torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """`(n, ...)` of `(total, ...)`."""
        context.group.agree()
        total = context.group.summed(gradient.contiguous())
        return total[context.start : context.start + context.size], None, None


def buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Parameters that are trained, some at a time."""
    bucket: list[nn.Parameter] = []
    for held in parameters:
        if held.requires_grad:
            bucket.append(held)
            if sum(other.numel() for other in bucket) >= _BUCKET:
                yield bucket
                bucket = []
    if bucket:
        yield bucket
