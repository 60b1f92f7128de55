"""Arms of a study against one of them, seed by seed: the paired difference with its interval."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from biasloop.config import presets
from biasloop.config.arms import ARMS
from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import Spread, over_seeds
from biasloop.metrics.sequential import e_value
from biasloop.report.arms import Arm


@dataclass(frozen=True)
class Paired:
    """What one arm measured, beside another.

    Attributes:
        metric: its name.
        arm: the arm's name.
        seeds: that both arms have and measured it with.
        value: over those seeds.
        difference: the arm minus the reference, over those seeds.
        evidence: e-value of the differences (`metrics.sequential.e_value`).
    """

    metric: str
    arm: str
    seeds: tuple[int, ...]
    value: Spread
    difference: Spread
    evidence: float


def paired(arms: Sequence[Arm], reference: str | None, metrics: Sequence[str], number: int | None) -> list[Paired]:
    """Every arm against the reference, metric by metric; the reference itself comes first, without a difference.

    Args:
        arms: of a study.
        reference: name of the arm that the others are held against; None for the first.
        metrics: names.
        number: of the round; None for the last that both runs of a seed have.

    Raises:
        InvalidInput: there is no such arm, or no run measured a metric.
    """
    base = reference_arm(arms, reference)
    others = [arm for arm in arms if arm is not base]
    rows = []
    for metric in metrics:
        of_base = _values(base, metric, number)
        if not of_base:
            rows_of = [row for run in base.runs for row in run.metrics[-1:]]
            known = sorted({name for row in rows_of for name, value in row.items() if np.isfinite(value.value)})
            near = difflib.get_close_matches(metric, known, 3) or known[:8]
            raise InvalidInput(f"no run of {base.label!r} has a number of {metric!r}; there are {', '.join(near)}")
        first = over_seeds([*of_base.values()])
        rows.append(Paired(metric, base.label, tuple(of_base), first, Spread(0.0, *(float("nan"),) * 3, first.n), 1.0))
        for arm in others:
            mine, theirs = _values(arm, metric, number, base), _values(base, metric, number, arm)
            seeds = tuple(seed for seed in mine if seed in theirs)
            if not seeds:
                continue
            differences = np.array([mine[seed] - theirs[seed] for seed in seeds])
            value = over_seeds([mine[seed] for seed in seeds])
            rows.append(Paired(metric, arm.label, seeds, value, over_seeds(differences), e_value(differences)))
    return rows


def reference_arm(arms: Sequence[Arm], name: str | None) -> Arm:
    """The arm of a name; None: the first.

    Raises:
        InvalidInput: there is none.
    """
    if name is None:
        return arms[0]
    for arm in arms:
        if arm.label == name:
            return arm
    known = [arm.label for arm in arms]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(map(repr, known))}"
    raise InvalidInput(f"--to {name!r}: no arm is called so{hint}")


def first_of_preset(arms: Sequence[Arm]) -> str | None:
    """The label of the arm that is the first of the preset's [arms]; None where that is not known (any more)."""
    about = [arm.runs[0].run.manifest.about for arm in arms]
    names = {str(each.get("name", "")) for each in about}
    if len(names) > 1 or not all(each.get("arm") for each in about):
        return None
    try:
        tables = presets.read(names.pop()).values.get(ARMS, {})
    except InvalidInput:
        return None
    order = [*tables] if isinstance(tables, dict) else []
    known = [name for name in order if any(each["arm"] == name for each in about)]
    return next((arm.label for arm, each in zip(arms, about, strict=True) if [each["arm"]] == known[:1]), None)


def _values(arm: Arm, metric: str, number: int | None, beside: Arm | None = None) -> dict[int, float]:
    """What each seed measured in a round; seeds that did not are left out.

    Args:
        arm: whose runs.
        metric: its name.
        number: of the round; None for the last.
        beside: another arm; the last round is then the last that its run of the seed has, too.
    """
    begun = {} if beside is None else {run.seed: len(run.metrics) for run in beside.runs}
    values = {}
    for run in arm.runs:
        rows = run.metrics[: begun.get(run.seed)] if number is None else run.metrics[number : number + 1]
        if rows and metric in rows[-1] and np.isfinite(rows[-1][metric].value):
            values[run.seed] = rows[-1][metric].value
    return values
