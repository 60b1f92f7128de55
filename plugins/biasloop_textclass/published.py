"""The data sets of `biasloop fetch`, with the splits of REDUCR (Bankes et al. 2024, released code).

All rows stand in the order of the files; nothing is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Ints
from biasloop.datasets import glue
from biasloop.datasets.texts import LABELLED, MNLI, QQP
from biasloop.lazy import numpy as np
from biasloop_textclass.texts import LabelledTexts

if TYPE_CHECKING:
    from biasloop.contract.context import Context, Requirement
    from biasloop.datasets.texts import LabelledDataset

BY_NAME = {dataset.name: dataset for dataset in LABELLED}


@dataclass(frozen=True)
class Published:
    """A data set that has a name."""

    dataset: LabelledDataset
    context: Context

    def requirements(self) -> list[Requirement]:
        """The archive, unless it was read before."""
        return [glue.requirement(self.dataset, self.context)]

    def check(self) -> None:
        """What has to be fetched, `requirements` say."""

    def read(self) -> LabelledTexts:
        """All rows."""
        frame = glue.read(self.dataset, self.context)
        return LabelledTexts(
            frame.columns["text0"],
            frame.columns.get("text1"),
            frame[glue.LABELS],
            tuple(self.dataset.classes.values()),
        )


@dataclass(frozen=True)
class Parts:
    """Ids of each split, ascending."""

    pool: Ints
    holdout: Ints
    test: Ints


def parts(dataset: LabelledDataset, labels: Ints, *, balanced: bool) -> Parts:
    """Pool, holdout and test set as published.

    Of mnli the first half of the rows, the next 40 % and the last 10 %. Of qqp the last 40,428 rows (a tenth) are the
    test set; of the others the second half of the duplicates is left out, and pool and holdout take turns. Of sst2 pool
    and holdout take turns in the training set, and the dev set is the test set.

    Args:
        dataset: one of `BY_NAME`.
        labels: `(n,)` of all rows.
        balanced: leave out the last rows of the holdout whose classes are more frequent than the rarest.
    """
    rows = np.arange(len(labels))
    if dataset.name == MNLI.name:
        pool, holdout, test = np.split(rows, [len(rows) // 2, len(rows) // 2 + 2 * len(rows) // 5])
    elif dataset.name == QQP.name:
        first, test = rows[: -(len(rows) // 10 + 1)], rows[-(len(rows) // 10 + 1) :]
        duplicates = first[labels[first] == 1]
        turns = np.setdiff1d(first, duplicates[len(duplicates) // 2 :])
        pool, holdout = turns[::2], turns[1::2]
    else:
        train = next(iter(dataset.parts.values()))
        pool, holdout, test = rows[:train:2], rows[1:train:2], rows[train:]
    if balanced:
        of_class = [holdout[labels[holdout] == label] for label in range(labels.max() + 1)]
        least = min(map(len, of_class))
        holdout = np.sort(np.concatenate([ids[:least] for ids in of_class]))
    return Parts(pool, holdout, test)
