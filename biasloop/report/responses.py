"""Metrics against a setting that a study varies, or against epochs, instead of rounds: curves of response."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.data import Floats
from biasloop.errors import InvalidInput
from biasloop.metrics.intervals import over_seeds
from biasloop.nesting import flatten
from biasloop.report import tables
from biasloop.report.panels import Panel, Series
from biasloop.report.series import NAN
from biasloop.store.reader import Run

EPOCH = "epoch"  # the x of snapshots, which is no setting
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Response:
    """One line: what was measured at each place on the x axis.

    Attributes:
        label: the settings that set it apart from the other lines; empty for the only one.
        x: `(points,)` ascending.
        values: metric -> `(replicates, points)`; NaN where a replicate has no such point.
    """

    label: str
    x: Floats
    values: Mapping[str, Floats]


def responses(runs: Sequence[Run], x: str, pool: Sequence[str] = ()) -> list[Response]:
    """Lines of all metrics, after the last round of each run.

    Args:
        runs: with a finished round each; those that differ in their seed or in `pool` alone are replicates.
        x: a setting with numbers, such as "loop.human", or "epoch".
        pool: other settings whose values are replicates too.

    Raises:
        InvalidInput: the runs have no such setting or no snapshots, or a value of it is no number.
    """
    every = [flatten(run.identity) for run in runs]
    for key in (*([] if x == EPOCH else [x]), *pool):
        if not any(key in settings for settings in every):
            raise InvalidInput(f"{runs[0].directory} has no setting {key!r}; {_known(every)}")
    apart = [key for key in _differing(every) if key not in {x, "seed", *pool}]
    lines: dict[str, list[tuple[Run, Settings]]] = {}
    for run, settings in zip(runs, every, strict=True):
        lines.setdefault(_label(settings, apart), []).append((run, settings))
    return [_line(label, members, x) for label, members in lines.items()]


def _line(label: str, members: Sequence[tuple[Run, Settings]], x: str) -> Response:
    """The replicates of a line, each with its points."""
    replicates: dict[str, dict[float, Mapping[str, float]]] = {}
    for run, settings in members:
        own = json.dumps({key: value for key, value in settings.items() if key != x}, sort_keys=True)
        replicates.setdefault(own, {}).update(_points(run, settings, x))
    places = sorted({place for points in replicates.values() for place in points})
    names = dict.fromkeys(name for points in replicates.values() for found in points.values() for name in found)
    values = {
        name: np.array([[points.get(place, {}).get(name, NAN) for place in places] for points in replicates.values()])
        for name in names
    }
    return Response(label, np.array(places, np.float64), values)


def _points(run: Run, settings: Settings, x: str) -> dict[float, dict[str, float]]:
    if x == EPOCH:
        snapshots = run.snapshots(run.rounds[-1])
        if not snapshots:
            raise InvalidInput(f"{run.directory} has no snapshots of epochs; set loop.snapshots and run it again")
        return {float(epoch): {name: m.value for name, m in found.items()} for epoch, found in snapshots.items()}
    place = settings.get(x)
    if isinstance(place, bool) or not isinstance(place, int | float):
        raise InvalidInput(f"{run.directory}: {x} is {place!r}, and an x axis needs numbers")
    metrics = [found for _, found, _, _ in run.summaries()][-1]
    return {float(place): {name: metric.value for name, metric in metrics.items()}}


def _differing(every: Sequence[Settings]) -> list[str]:
    keys = sorted({key for settings in every for key in settings})
    return [key for key in keys if len({json.dumps(settings.get(key)) for settings in every}) > 1]


def _label(settings: Settings, apart: Sequence[str]) -> str:
    return ", ".join(f"{key.rsplit('.', 1)[-1]} {settings.get(key, 'not set')}" for key in apart)


def _known(every: Sequence[Settings]) -> str:
    varied = [key for key in _differing(every) if key != "seed"]
    return f"those that differ between the runs are {', '.join(varied)}" if varied else "the runs differ in none"


def panels(found: Sequence[Response], metrics: Mapping[str, str]) -> list[Panel]:
    """A panel for each metric.

    Args:
        found: at least one.
        metrics: name -> what the y axis calls it.

    Raises:
        InvalidInput: no run has such a metric.
    """
    drawn = []
    for metric, label in metrics.items():
        known = dict.fromkeys(name for one in found for name in one.values)
        if metric not in known:
            raise InvalidInput(f"no run has a metric {metric!r}; they have {', '.join(known)}")
        there = [one for one in found if metric in one.values]
        x = np.unique(np.concatenate([one.x for one in there]))
        series = [Series(one.label, _spread(one.values[metric], one.x, x), replicates="run") for one in there]
        drawn.append(Panel("", series, arrow=False, y_label=label, x=x))
    return drawn


def _spread(values: Floats, own: Floats, every: Floats) -> Floats:
    """Values at the points of one line among those of all."""
    found = np.full((len(values), len(every)), NAN)
    found[:, np.searchsorted(every, own)] = values
    return found


def headers(x: str, metrics: Sequence[str], *, several: bool) -> list[str]:
    """Names of the table's columns."""
    return [*(["line"] if several else []), x.rsplit(".", 1)[-1], "n", *metrics]


def rows(found: Sequence[Response], metrics: Sequence[str]) -> list[list[str]]:
    """A row for each point of each line: mean and 95 % t interval over replicates."""
    several = len(found) > 1
    return [
        [*([one.label] if several else []), f"{place:g}", *_cells(one, point, metrics)]
        for one in found
        for point, place in enumerate(one.x.tolist())
    ]


def _cells(one: Response, point: int, metrics: Sequence[str]) -> list[str]:
    cells, most = [], 0
    for name in metrics:
        values = one.values.get(name, np.zeros((0, len(one.x))))[:, point]
        values = values[np.isfinite(values)]
        most = max(most, len(values))
        if not len(values):
            cells.append(tables.MISSING)
            continue
        spread = over_seeds(values)
        interval = f" {tables.interval(spread.low, spread.high)}" if spread.n > 1 else ""
        cells.append(f"{tables.number(spread.mean, 3)}{interval}")
    return [str(most), *cells]
