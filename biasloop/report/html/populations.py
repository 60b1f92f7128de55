"""What generators of a chain made: how many samples of each stratum, in the first and in the last generation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from biasloop.contract.names import ANNOTATOR
from biasloop.report.arms import Arm
from biasloop.report.figures.round_values import STRATA
from biasloop.report.html.stored import ReadOnce

ACCURACY = "accuracy"
_LABELLED = {
    "sequential": "The classifier of the generation before labels samples; the annotator, which real data taught, "
    "labels those of generation 0.",
    ANNOTATOR: "The annotator, which real data taught, labels all samples.",
}


@dataclass(frozen=True)
class Population:
    """What the generators of an arm made.

    Attributes:
        arm: its label.
        strata: by name, the share of samples in the first and in the last generation, means over runs.
        labelled_by: who labels samples, a sentence.
        annotator: its accuracy on real test data, the mean over runs; NaN where it is not stored.
    """

    arm: str
    strata: Mapping[str, tuple[float, float]]
    labelled_by: str
    annotator: float


def populations(arms: Sequence[Arm]) -> list[Population]:
    """Of all arms that counted strata of fresh samples."""
    return [told for arm in arms if (told := _of_arm(arm)) is not None]


def _of_arm(arm: Arm) -> Population | None:
    names = [name for name in arm.runs[0].metrics[0] if name.startswith(STRATA)]
    if not names or not all(run.has(*names) for run in arm.runs):
        return None
    counts = np.array([[run.values(name)[[0, arm.rounds - 1]] for name in names] for run in arm.runs])
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)  # (strata, first and last)
    strata = {name.removeprefix(STRATA): (float(a), float(b)) for name, (a, b) in zip(names, shares, strict=True)}
    labels = str(arm.runs[0].run.identity["loop"].get("labels", ""))
    return Population(arm.label, strata, _LABELLED.get(labels, ""), _annotator(arm))


def _annotator(arm: Arm) -> float:
    values = [
        run.run.annotators[ANNOTATOR][ACCURACY].value
        for run in arm.runs
        if isinstance(run.run, ReadOnce) and ACCURACY in run.run.annotators.get(ANNOTATOR, {})
    ]
    return float(np.mean(values)) if values else math.nan
