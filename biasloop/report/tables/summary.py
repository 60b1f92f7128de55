"""The table after a study: every arm's bias at the start and at the end, over seeds, beside its bound."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from biasloop.contract.data import Floats
from biasloop.metrics.intervals import over_seeds
from biasloop.report.arms import Arm
from biasloop.report.figures import metric_by_setting
from biasloop.report.labels import heading
from biasloop.report.tables import formatting
from biasloop.store.reader import Run

HEADERS = (
    "arm",
    "seeds",
    "rounds",
    "{quality}",
    "bias at start",
    "bias at end",
    "95 % interval",
    "bound at end",
)


def _at(series: Sequence[Floats], round_number: int) -> Floats:
    return np.array([row[round_number] for row in series], np.float64)


def arm_statistics(arm: Arm) -> dict[str, Any]:
    """Mean, sample standard deviation, t interval and n over seeds of what an arm measured in its last round."""
    last = arm.rounds - 1
    statistics: dict[str, Any] = {
        "arm": arm.label,
        "seeds": [run.seed for run in arm.runs],
        "rounds": arm.rounds,
        "metrics": {},
    }
    if last < 0:
        return statistics
    series = {name: [run.values(name) for run in arm.runs] for name in arm.runs[0].metrics[last]}
    section = arm.runs[0].bound_section
    if section is not None and {section.metric, section.baseline} <= series.keys():
        series |= {"bias": [run.bias() for run in arm.runs], "bound": [run.bound() for run in arm.runs]}
        statistics["bias_at_start"] = _spread(_at(series["bias"], min(section.lag, last)))
    elif "bias" in series:  # as the runs measured it
        statistics["bias_at_start"] = _spread(_at(series["bias"], 0))
    statistics["metrics"] = {name: _spread(_at(rows, last)) for name, rows in series.items()}
    return statistics


def _spread(values: Floats) -> dict[str, Any]:
    spread = over_seeds(values)
    return {"mean": spread.mean, "std": spread.std, "low": spread.low, "high": spread.high, "n": spread.n}


def quality_of(arms: Sequence[Arm]) -> str:
    """The metric of the quality column."""
    return str(arms[0].runs[0].run.manifest.about.get("plot", {}).get("quality", "accuracy"))


def headers(arms: Sequence[Arm]) -> list[str]:
    """Names of the columns."""
    labels = arms[0].runs[0].run.manifest.about.get("plot", {}).get("labels", {})
    quality = heading(quality_of(arms), labels)
    if _series_of(arms):
        return [*HEADERS[:3], quality, *(f"{heading(name, labels)} at start, end" for name in _series_of(arms))]
    return [name.format(quality=quality) for name in HEADERS]


def rows(arms: Sequence[Arm]) -> list[tuple[str, ...]]:
    """The study's table, one row an arm."""
    quality, series = quality_of(arms), _series_of(arms)
    if series:
        return [_shown(arm, quality, series) for arm in arms]
    return [_row(arm_statistics(arm), quality) for arm in arms]


def by_setting(runs: Sequence[Run]) -> tuple[list[str], list[list[str]]] | None:
    """Headers and rows of a study that its preset draws against a setting; None for one that is about rounds."""
    section = runs[0].manifest.about.get("plot", {})
    finished = [run for run in runs if run.rounds]
    if not section.get("x") or not finished:
        return None
    responses = metric_by_setting.responses(finished, section["x"], section.get("pool", []))
    metrics = list(section.get("series", []))
    named = [heading(name, section.get("labels", {})) for name in metrics]
    return metric_by_setting.headers(section["x"], named, several=len(responses) > 1), metric_by_setting.rows(
        responses, metrics
    )


def _series_of(arms: Sequence[Arm]) -> list[str]:
    """The metrics to show where there is no bound to stand beside the first of them."""
    first = arms[0].runs[0]
    section, shown = first.bound_section, list(first.run.manifest.about.get("plot", {}).get("series", []))
    shown = [] if section is not None and section.is_shown(shown) else shown
    return [name for name in shown if name != quality_of(arms)] or shown  # quality has a column of its own


def _shown(arm: Arm, quality: str, series: Sequence[str]) -> tuple[str, ...]:
    statistics, cells = arm_statistics(arm), []
    for name in series:
        begins = _spread(_at([run.values(name) for run in arm.runs], 0))["mean"] if arm.rounds else float("nan")
        ends = statistics["metrics"].get(name, {"mean": float("nan"), "std": float("nan")})
        std = "" if np.isnan(ends["std"]) else f" ± {ends['std']:.3f}"
        cells.append(f"{formatting.number(begins, 3)}, {formatting.number(ends['mean'], 3)}{std}")
    last = statistics["metrics"].get(quality, {"mean": float("nan")})["mean"]
    return (
        statistics["arm"] or "all",
        str(len(statistics["seeds"])),
        str(arm.rounds),
        formatting.quality(quality, last),
        *cells,
    )


def _row(statistics: dict[str, Any], quality: str) -> tuple[str, ...]:
    metrics, none = statistics["metrics"], {"mean": float("nan"), "std": float("nan")}
    bias, limit = metrics.get("bias", none), metrics.get("bound", none)
    return (
        statistics["arm"] or "all",
        str(len(statistics["seeds"])),
        str(statistics["rounds"]),
        formatting.quality(quality, metrics.get(quality, none)["mean"]),
        _signed(statistics.get("bias_at_start", none)),
        _signed(bias),
        formatting.interval(bias.get("low", float("nan")), bias.get("high", float("nan"))),
        _signed(limit),
    )


def _signed(spread: dict[str, Any]) -> str:
    if np.isnan(spread["mean"]):
        return formatting.MISSING
    std = "" if np.isnan(spread["std"]) else f" ± {spread['std']:.3f}"
    return f"{spread['mean']:+.3f}{std}"
