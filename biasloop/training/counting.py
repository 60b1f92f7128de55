"""What is counted of an epoch in which samples are selected: of many steps at once, on the device.

A step only says what it offered and took. Every `TOGETHER` steps from the first of an epoch are counted together, so
that no number depends on where a fit was stopped: what is not counted yet is part of a checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from biasloop.contract import names

TOGETHER = 64
AGO = (1, 5, 20)
"""Epochs within which a sample that is selected again counts as a repeat (released code of Mindermann et al. 2022)."""
_TOP = 0.2  # share of the candidates whose share of all scores is told


@dataclass(frozen=True)
class Step:
    """What a step selected.

    Attributes:
        offered: `(n,)` int64 positions of candidates in the training set.
        taken: `(k,)` int64 of those selected.
        last: `(k,)` int64 epochs in which these were last selected before.
        scores: `(n,)` that they were selected by; None where there are none.
        weights: `(C,)` of categories in the scores; None where there are none.
    """

    offered: Tensor
    taken: Tensor
    last: Tensor
    scores: Tensor | None = None
    weights: Tensor | None = None


class Counts:
    """Of one epoch.

    Args:
        epoch: from 0.
        strata: `(N,)` int64 strata of the training set, on the device.
        count: how many strata there are.
        categories: C.
    """

    def __init__(self, epoch: int, strata: Tensor, count: int, categories: int) -> None:
        self._epoch, self._strata, self._steps = epoch, strata, list[Step]()
        device = strata.device
        self._limits = torch.tensor(AGO, device=device)  # (3,)
        self._sums = {
            "offered": torch.zeros(count, dtype=torch.int64, device=device),
            "taken": torch.zeros(count, dtype=torch.int64, device=device),
            "repeats": torch.zeros(len(AGO), dtype=torch.int64, device=device),
            "times": torch.zeros(len(strata), dtype=torch.int64, device=device),
            "weights": torch.zeros(categories, dtype=torch.float64, device=device),
            "weighed": torch.zeros((), dtype=torch.int64, device=device),
            "top": torch.zeros((), dtype=torch.float64, device=device),
            "scored": torch.zeros((), dtype=torch.int64, device=device),
            "unknown": torch.zeros((), dtype=torch.int64, device=device),
        }

    def add(self, step: Step) -> None:
        """A step, which is counted later."""
        if self._steps and (len(self._steps) == TOGETHER or len(step.offered) != len(self._steps[0].offered)):
            self._gather()
        self._steps.append(step)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name, for a checkpoint."""
        tensors = dict(self._sums)
        if self._steps:
            tensors |= {f"steps.{name}": values for name, values in self._stacked().items()}
        return tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Puts such tensors back."""
        told = {name: tensor.to(self._strata.device) for name, tensor in tensors.items()}
        self._sums = {name: told[name] for name in self._sums}
        stacked = {name.removeprefix("steps."): t for name, t in told.items() if name.startswith("steps.")}
        steps = len(stacked["offered"]) if stacked else 0
        self._steps = [Step(**{name: values[i] for name, values in stacked.items()}) for i in range(steps)]

    def times(self) -> Tensor:
        """`(N,)` int64, how often each sample was selected."""
        self._gather()
        return self._sums["times"]

    def finite(self) -> bool:
        """Whether all scores were finite; the host waits here."""
        self._gather()
        return not int(self._sums["unknown"])

    def row(self, present: set[int]) -> dict[str, float]:
        """All of an epoch as columns, of those strata that are present; the host waits here."""
        self._gather()
        offered, taken, repeats = (self._sums[name].tolist() for name in ("offered", "taken", "repeats"))
        top, scored, weighed = (float(self._sums[name]) for name in ("top", "scored", "weighed"))
        row = {f"{names.OFFERED}{s}": float(count) for s, count in enumerate(offered) if s in present}
        row |= {f"{names.TAKEN}{s}": float(count) for s, count in enumerate(taken) if s in present}
        row |= {f"repeats_{ago}": count / (sum(taken) or 1) for ago, count in zip(AGO, repeats, strict=True)}
        if scored:
            row["top_fifth"] = top / scored
        if weighed:
            weights = (self._sums["weights"] / weighed).tolist()
            row |= {f"{names.CATEGORY_WEIGHT}{c}": weight for c, weight in enumerate(weights)}
        return row

    def _stacked(self) -> dict[str, Tensor]:
        """`(steps, ...)` of each attribute of the steps that are not counted yet, as long as any has it."""
        columns = {field.name: [getattr(step, field.name) for step in self._steps] for field in fields(Step)}
        return {name: torch.stack(values) for name, values in columns.items() if values[0] is not None}

    def _gather(self) -> None:
        """Counts the steps that are not counted yet."""
        if not self._steps:
            return
        told, sums = self._stacked(), self._sums
        self._steps = []
        taken = told["taken"].flatten()  # (steps k,)
        _tally(sums["offered"], self._strata.index_select(0, told["offered"].flatten()))
        _tally(sums["taken"], self._strata.index_select(0, taken))
        _tally(sums["times"], taken)
        ages = self._epoch - told["last"].flatten()  # (steps k,)
        sums["repeats"] += (ages[:, None] <= self._limits).sum(0)  # (3,)
        if "scores" in told:
            self._score(told["scores"])
        if "weights" in told:
            sums["weights"] += told["weights"].sum(0, dtype=torch.float64)
            sums["weighed"] += len(told["weights"])

    def _score(self, scores: Tensor) -> None:
        """Scores `(steps, n)`."""
        positive = scores.clamp(min=0)
        totals = positive.sum(1)  # (steps,)
        highest = positive.topk(int(scores.shape[1] * _TOP), dim=1).values.sum(1)  # (steps,)
        shares = highest / totals.clamp(min=torch.finfo(totals.dtype).tiny)
        self._sums["top"] += shares.sum(dtype=torch.float64)
        self._sums["scored"] += (totals > 0).sum()
        self._sums["unknown"] += scores.isfinite().logical_not().sum()


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """`()` float64 Spearman's, of `(n,)` and `(n,)`; equal values share the mean of their ranks, NaN where all do.

    Example:
        >>> float(rank_correlation(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([5.0, 7.0, 6.0])))
        0.5
    """
    ranks = torch.stack([_ranks(first), _ranks(second)])  # (2, n)
    centred = ranks - ranks.mean(1, keepdim=True)
    return (centred[0] * centred[1]).sum() / centred.square().sum(1).prod().sqrt()


def _ranks(values: Tensor) -> Tensor:
    """`(n,)` float64."""
    below, alike = values < values[:, None], values == values[:, None]  # (n, n)
    return below.sum(1) + (alike.sum(1, dtype=torch.float64) - 1) / 2


def _tally(counts: Tensor, numbers: Tensor) -> None:
    """Adds to `(count,)` int64 how often each number from 0 is among `(...)` of them."""
    counts.index_add_(0, numbers, torch.ones_like(numbers))
