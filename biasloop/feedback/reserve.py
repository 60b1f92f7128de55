"""The pool samples that are not in the training set yet, and what can be drawn of them."""

from __future__ import annotations

from dataclasses import dataclass

from biasloop.contract.data import Ints
from biasloop.lazy import numpy as np


@dataclass
class Reserve:
    """Pool samples that are not in the training set yet, in the one order of the run.

    Attributes:
        labelled: ids with human labels, in drawing order; the first `used` are in the training set.
        unlabelled: ids that only a model can label, in drawing order; the first `used_unlabelled` are in.
    """

    labelled: Ints
    unlabelled: Ints
    used: int = 0
    used_unlabelled: int = 0

    def __len__(self) -> int:
        return len(self.labelled) - self.used + len(self.unlabelled) - self.used_unlabelled

    def draw(self, human: int, model: int) -> tuple[Ints, Ints]:
        """The next ids for human and for model labels; a model labels what no human can first."""
        for_human = self.labelled[self.used : self.used + human]
        alone = self.unlabelled[self.used_unlabelled : self.used_unlabelled + model]
        start = self.used + human
        return for_human, np.concatenate([alone, self.labelled[start : start + model - len(alone)]])

    def lacks(self, human: int, model: int) -> str | None:
        """Why `human + model` samples cannot be drawn, or None."""
        return lacking(len(self.labelled) - self.used, len(self.unlabelled) - self.used_unlabelled, human, model)

    def take_out(self, ids: Ints) -> None:
        """Count drawn ids as used; those of others, such as a holdout's, are none."""
        self.used_unlabelled += int(np.isin(ids, self.unlabelled).sum())
        self.used += int(np.isin(ids, self.labelled).sum())


def lacking(labelled: int, unlabelled: int, human: int, model: int) -> str | None:
    """Why a round's samples cannot be drawn of a reserve, or None.

    Args:
        labelled: samples with human labels in the reserve.
        unlabelled: samples there that only a model can label.
        human: samples to draw for human labels.
        model: samples to draw for model labels.
    """
    if labelled < human:
        return f"{labelled} human-labelled samples are left in the reserve, a round needs {human}"
    if labelled + unlabelled < human + model:
        return f"{labelled + unlabelled} samples are left in the reserve, a round needs {human + model}"
    return None
