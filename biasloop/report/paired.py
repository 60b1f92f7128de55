"""Arms of a study against one of them, seed by seed: the paired difference with its interval."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import Spread, over_seeds
from biasloop.metrics.sequential import e_value
from biasloop.report.arms import Arm, Measured, arms, preset_order
from biasloop.store.reader import Run

BIAS = "bias"
"""Names the metric of a run's [bound] minus its baseline, where no metric of a run is called so."""

BOUND_BIAS = "bound_bias"
"""Names the same where runs measure another bias under that name."""

_SAME = 1e-9


@dataclass(frozen=True)
class Paired:
    """What one arm measured, beside another.

    Attributes:
        metric: its name.
        arm: the arm's name.
        round: of which all its numbers are.
        seeds: that both arms have and measured it with.
        value: over those seeds.
        difference: the arm minus the reference, over those seeds.
        evidence: e-value of the differences (`metrics.sequential.e_value`).
    """

    metric: str
    arm: str
    round: int
    seeds: tuple[int, ...]
    value: Spread
    difference: Spread
    evidence: float


def paired(every: Sequence[Arm], reference: str | None, metrics: Sequence[str], number: int | None) -> list[Paired]:
    """Every arm against the reference, metric by metric; the reference itself comes first, without a difference.

    An arm is left out where no seed of it and of the reference has a number.

    Args:
        every: the arms.
        reference: name of the arm that the others are held against; None for the first.
        metrics: names.
        number: of the round; None for the one that `compared_round` gives.

    Raises:
        InvalidInput: there is no such arm, or no run of the reference has the round, or a number of a metric in it.
    """
    base = reference_arm(every, reference)
    others = [arm for arm in every if arm is not base]
    number = compared_round(every, base) if number is None else number
    reached = max(len(run.metrics) for run in base.runs) - 1
    if number > reached:
        raise InvalidInput(f"no run of {base.label!r} has a round {number}; the last is {reached}")
    rows = []
    for metric in metrics:
        of_base = _values(base, metric, number)
        if not of_base:
            raise InvalidInput(_lacking(base, metric, number))
        first = over_seeds([*of_base.values()])
        nothing = Spread(0.0, *(float("nan"),) * 3, first.n)
        rows.append(Paired(metric, base.label, number, tuple(of_base), first, nothing, 1.0))
        for arm in others:
            values = _values(arm, metric, number)
            seeds = tuple(seed for seed in values if seed in of_base)
            if not seeds:
                continue
            differences = np.array([values[seed] - of_base[seed] for seed in seeds])
            value = over_seeds([values[seed] for seed in seeds])
            rows.append(Paired(metric, arm.label, number, seeds, value, over_seeds(differences), e_value(differences)))
    return rows


def compared_round(every: Sequence[Arm], base: Arm) -> int:
    """The last round that of every arm more than half of the runs have.

    So a run that stopped early is left out, rather than that it cuts all others to its length. Arms of which no run is
    finished do not count where the reference and another have finished ones. If no seed had a pair in that round, it is
    the last round that all have.

    Args:
        every: the arms.
        base: the one of them that the others are held against.

    Raises:
        ValueError: no run has a finished round.
    """
    finished = [arm for arm in every if any(run.finished for run in arm.runs)]
    counting = finished if len(finished) > 1 and base in finished else every
    number = min(_usual_length(arm) for arm in counting if any(run.metrics for run in arm.runs)) - 1
    seeds = {run.seed for run in base.runs if number < len(run.metrics)}
    others = [run for arm in every if arm is not base for run in arm.runs]
    if others and not any(run.seed in seeds and number < len(run.metrics) for run in others):
        return last_common(every)
    return number


def _usual_length(arm: Arm) -> int:
    """How many rounds more than half of an arm's runs have; those without any do not count."""
    lengths = sorted((len(run.metrics) for run in arm.runs if run.metrics), reverse=True)
    return lengths[len(lengths) // 2]


def last_common(every: Sequence[Arm]) -> int:
    """The last round that all runs have; those without a finished round do not count.

    Raises:
        ValueError: no run has a finished round.
    """
    return min(len(run.metrics) for arm in every for run in arm.runs if run.metrics) - 1


def _lacking(base: Arm, metric: str, number: int) -> str:
    """That an arm has no number of a metric in a round, and what it has."""
    rows = [run.metrics[number] for run in base.runs if number < len(run.metrics)]
    known = sorted({name for row in rows for name, value in row.items() if np.isfinite(value.value)})
    near = difflib.get_close_matches(metric, known, 3)
    few = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {few}"
    return f"no run of {base.label!r} has a number of {metric!r} in round {number}; {hint}"


def arms_of_studies(runs: Sequence[Run]) -> list[Arm]:
    """The arms of runs, each called by its preset first where they are of several.

    Raises:
        InvalidInput: they are of several domains, which have nothing to pair.
    """
    studies: dict[str, list[Run]] = {}
    domains: dict[str, Run] = {}
    for run in runs:
        studies.setdefault(str(run.manifest.about.get("name", "")), []).append(run)
        domains.setdefault(str(run.identity["domain"]["name"]), run)
    if len(domains) > 1:
        which = " and ".join(f"{run.directory} of the domain {name!r}" for name, run in domains.items())
        raise InvalidInput(
            f"{which} are of different studies, whose seeds are no pairs; give directories of one study: "
            "`biasloop runs list` says of which preset a run is"
        )
    if len(studies) == 1:
        return arms(runs)
    return [
        replace(arm, label=", ".join(part for part in (preset, arm.label) if part))
        for preset, members in studies.items()
        for arm in arms(members)
    ]


def reference_arm(every: Sequence[Arm], name: str | None) -> Arm:
    """The arm of a name, or of the directory that holds its runs; None: the first.

    Raises:
        InvalidInput: there is none, or several have a directory of that name.
    """
    if name is None:
        return every[0]
    labelled = [arm for arm in every if arm.label == name]
    matching = labelled or [arm for arm in every if any(_folder(run) == name for run in arm.runs)]
    if len(matching) == 1:
        return matching[0]
    known = [arm.label for arm in matching or every]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(map(repr, known))}"
    raise InvalidInput(f"--to {name!r}: {'several arms are' if matching else 'no arm is'} called so{hint}")


def _folder(run: Measured) -> str:
    """The name of the directory of a run's arm."""
    return run.run.directory.resolve().parent.name


def first_of_preset(every: Sequence[Arm]) -> str | None:
    """The label of the arm that is the first of the preset's [arms]; None where that is not known (any more)."""
    about = [arm.runs[0].run.manifest.about for arm in every]
    if not all(each.get("arm") for each in about):
        return None
    order = preset_order([arm.runs[0].run for arm in every])
    known = [name for name in order if any(each["arm"] == name for each in about)]
    return next((arm.label for arm, each in zip(every, about, strict=True) if [each["arm"]] == known[:1]), None)


def _values(arm: Arm, metric: str, number: int) -> dict[int, float]:
    """What each seed measured in a round; seeds that did not are left out."""
    rows = {run.seed: value_of(run, metric, number) for run in arm.runs if number < len(run.metrics)}
    return {seed: value for seed, value in rows.items() if np.isfinite(value)}


def value_of(run: Measured, metric: str, number: int) -> float:
    """What a run measured in a round that it has, the bias of its bound too; NaN where it did not."""
    row = run.metrics[number]
    if metric in row:
        return row[metric].value
    section = run.bound_section if metric in {BIAS, BOUND_BIAS} else None
    if section is None or section.metric not in row or section.baseline not in row:
        return float("nan")
    return row[section.metric].value - row[section.baseline].value


def bias_of_bound(every: Sequence[Arm]) -> str:
    """What the bias of the bound is called: `BOUND_BIAS` where a run measures another one that is called `BIAS`."""
    return BOUND_BIAS if any(_has_other_bias(run) for arm in every for run in arm.runs) else BIAS


def _has_other_bias(run: Measured) -> bool:
    rounds = [number for number, row in enumerate(run.metrics) if BIAS in row]
    pairs = [(value_of(run, BIAS, number), value_of(run, BOUND_BIAS, number)) for number in rounds]
    return any(abs(own - of_bound) > _SAME for own, of_bound in pairs)  # a NaN is no difference
