"""What is shown of runs whose preset names nothing to show: no [bound], and no series of [plot]."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from biasloop.contract.data import Metric

if TYPE_CHECKING:
    from biasloop.report.arms import Arm, Measured

BIAS, PARITY = "bias", "demographic_parity_difference"
"""The metrics that stand in: of a class that is followed, and of groups that are compared."""

_BOUND = {"metric": "share_predicted", "baseline": "share_target", "train": "share_train"}
_NEAR = 8  # metrics that an error names


def stand_ins(every: Sequence[Arm]) -> list[str]:
    """The metrics that stand in for what a preset does not name, as far as a run has a number of them.

    `bias`, and the demographic parity difference of each sensitive column by itself; none where the preset names some.

    Args:
        every: arms, at least one.
    """
    first = every[0].runs[0]
    if first.bound_section is not None or first.run.manifest.about.get("plot", {}).get("series"):
        return []
    return of_measured(row for arm in every for run in arm.runs for row in run.metrics)


def of_measured(rows: Iterable[Mapping[str, Metric]]) -> list[str]:
    """The same, of the metrics of rounds."""
    known = _with_values(rows)
    return [name for name in known if name == BIAS] + [name for name in known if _is_parity(name)]


def drawable(runs: Sequence[Measured]) -> list[str]:
    """A few metrics that can be drawn of runs, those that stand in first."""
    rows = [row for run in runs for row in run.metrics]
    return list(dict.fromkeys([*of_measured(rows), *_with_values(rows)]))[:_NEAR]


def bound_lines(rows: Sequence[Mapping[str, Metric]]) -> str:
    """The lines of [bound] that a preset can have whose runs measure the share of a class; empty for others.

    Example:
        >>> row = {name: Metric(0.5, 10) for name in ("share_predicted", "share_target")}
        >>> print(bound_lines([row]))
        [bound]
        metric = "share_predicted"
        baseline = "share_target"
    """
    known = _with_values(rows)
    if not {_BOUND["metric"], _BOUND["baseline"]} <= {*known}:
        return ""
    return "\n".join(["[bound]", *(f'{key} = "{name}"' for key, name in _BOUND.items() if name in known)])


def _is_parity(name: str) -> bool:
    base, _, column = name.partition(".")
    return base == PARITY and "+" not in column


def _with_values(rows: Iterable[Mapping[str, Metric]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name, metric in row.items() if math.isfinite(metric.value)))
