"""A comparison of arms, and how many seeds it needs, as headers and cells of tables, and as scripts read them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from biasloop.metrics.intervals import Spread
from biasloop.metrics.power import LONGEST, MOST, Needed
from biasloop.report.comparison import Comparison
from biasloop.report.labels import heading
from biasloop.report.output import finite
from biasloop.report.paired import BIAS, BOUND_BIAS, Paired
from biasloop.report.planning import Planned
from biasloop.report.tables import formatting

SEEDS = ("paired", "unpaired", "e-value")
"""Headers of the seeds that an effect needs: both tests at 80 % / 90 % power, and when the e-value is 20."""

Cells = tuple[list[str], list[list[str]]]
"""Headers, and rows of cells."""


def arms_table(comparison: Comparison) -> Cells:
    """A row an arm: mean and 95 % t interval of every metric over the arm's seeds."""
    metrics = list(dict.fromkeys(name for arm in comparison.arms for name in arm.values))
    rows = [
        [arm.arm or "all", formatting.count(len(arm.seeds)),
         *(_value(name, arm.values.get(name), len(arm.seeds)) for name in metrics)]
        for arm in comparison.arms
    ]  # fmt: skip
    return ["arm", "seeds", *(heading(name, comparison.labels) for name in metrics)], rows


def differences_table(rows: Sequence[Paired], *, values: bool = True) -> Cells:
    """A row an arm of one metric: over the seeds that it shares with the reference, the paired difference.

    Args:
        rows: of one metric, the reference first.
        values: also the mean over those seeds, and the row of the reference.
    """
    cells = [
        [
            row.arm or "all", formatting.count(len(row.seeds)),
            *([formatting.number(row.value.mean)] if values else []),
            *(
                [formatting.MISSING] * 3
                if index == 0
                else [
                    f"{row.difference.mean:+.4f}", formatting.interval(row.difference.low, row.difference.high),
                    formatting.MISSING if math.isnan(row.evidence) else f"{row.evidence:.3g}",
                ]
            ),
        ]
        for index, row in enumerate(rows)
    ]  # fmt: skip
    columns = ["arm", "seeds", *(["mean"] if values else []), "difference", "95 % interval", "e-value"]
    return columns, cells if values else cells[1:]


def title(rows: Sequence[Paired], labels: Mapping[str, str]) -> str:
    """What stands over the table of one metric."""
    return f"{heading(rows[0].metric, labels)}, against {rows[0].arm or 'all'}, in round {rows[0].round}"


def planned_table(rows: Sequence[Planned]) -> Cells:
    """A row an arm of one metric: its effect, and the seeds that an effect of that size needs."""
    cells = [
        [
            row.arm, f"{row.difference:+.4f}", _effect(row), formatting.count(row.seeds), *_needed(row.needed),
        ]
        for row in rows
    ]  # fmt: skip
    return ["arm", "difference", "in s.d. [95 %]", "seeds", *SEEDS], cells


def needed_table(rows: Sequence[Needed]) -> Cells:
    """A row an effect: the seeds that it needs."""
    return ["effect (s.d.)", *SEEDS], [[f"{row.effect:g}", *_needed(row)] for row in rows]


def as_json(comparison: Comparison) -> list[object]:
    """A row a metric and arm, as scripts read it."""
    of_arm = {arm.arm: arm.values for arm in comparison.arms}
    return [
        finite({
            "metric": row.metric, "arm": row.arm, "round": row.round, "seeds": list(row.seeds),
            "value": spread(row.value), "difference": spread(row.difference), "e_value": row.evidence,
            "every_seed": spread(of_arm[row.arm][row.metric]),
        })
        for row in comparison.differences
    ]  # fmt: skip


def planned_as_json(row: Planned) -> object:
    """A measured difference and the seeds that it needs."""
    needed = None if row.needed is None else needed_as_json(row.needed)
    return finite({
        "metric": row.metric, "arm": row.arm, "seeds": row.seeds, "difference": row.difference, "std": row.std,
        "effect": row.effect, "interval": list(row.interval), "unpaired_effect": row.unpaired,
        "detectable": row.detectable, "needed": needed,
    })  # fmt: skip


def needed_as_json(row: Needed) -> dict[str, Any]:
    """The seeds that an effect needs; null where they are more than is searched."""
    return {
        "effect": row.effect,
        "paired": {f"{power:g}": seeds for power, seeds in row.paired.items()},
        "unpaired": {f"{power:g}": seeds for power, seeds in row.unpaired.items()},
        "e_value": {"0.5": row.sequential, "0.8": row.sequential_most},
    }


def as_csv(comparison: Comparison) -> str:
    """A row a metric and arm; empty where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([
        "metric", "arm", "reference", "round", "seeds", "mean", "mean_low", "mean_high", "difference", "difference_std",
        "difference_low", "difference_high", "e_value",
    ])  # fmt: skip
    for row in comparison.differences:
        mine, apart = row.value, row.difference
        of_others = [apart.mean, apart.std, apart.low, apart.high, row.evidence]
        numbers = [mine.mean, mine.low, mine.high, *([math.nan] * 5 if row.arm == comparison.reference else of_others)]
        cells = ["" if math.isnan(number) else number for number in numbers]
        writer.writerow([row.metric, row.arm, comparison.reference, row.round, len(row.seeds), *cells])
    return text.getvalue()


def spread(values: Spread) -> dict[str, object]:
    """A metric over seeds, as scripts read it."""
    return {"mean": values.mean, "std": values.std, "low": values.low, "high": values.high, "n": values.n}


def _value(metric: str, values: Spread | None, seeds: int) -> str:
    if values is None:
        return formatting.MISSING
    mean = f"{values.mean:+.3f}" if metric in {BIAS, BOUND_BIAS} else formatting.number(values.mean, 3)
    fewer = f" (n = {values.n})" if values.n != seeds else ""
    return f"{mean}{_between(values)}{fewer}"


def _between(values: Spread) -> str:
    """An interval behind its mean: how far it reaches to both sides, its ends where one is cut, a dash without any."""
    if not (math.isfinite(values.low) and math.isfinite(values.high)):
        return f" ± {formatting.MISSING}" if values.n > 1 else ""
    below, above = values.mean - values.low, values.high - values.mean
    if math.isclose(below, above, rel_tol=1e-9, abs_tol=1e-12):
        return f" ± {above:.3f}"
    return f" {formatting.interval(values.low, values.high)}"


def _effect(row: Planned) -> str:
    if math.isnan(row.effect):
        return formatting.MISSING
    return f"{row.effect:+.2f} {formatting.interval(*row.interval)}"


def _needed(needed: Needed | None) -> list[str]:
    if needed is None:
        return [formatting.MISSING] * 3
    tests = [" / ".join(_seeds(seeds, MOST) for seeds in by.values()) for by in (needed.paired, needed.unpaired)]
    looks = f"{_seeds(needed.sequential, LONGEST)}, {_seeds(needed.sequential_most, LONGEST)}"
    return [*tests, looks]


def _seeds(seeds: int | None, most: int) -> str:
    return f"> {most:,}" if seeds is None else f"{seeds:,}"
