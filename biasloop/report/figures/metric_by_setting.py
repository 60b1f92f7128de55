"""Metrics against a setting that a study varies, or against epochs, instead of rounds: curves of response."""

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biasloop.config.across import EPOCH
from biasloop.config.flatten import flatten
from biasloop.contract.data import Floats, Metric
from biasloop.errors import InvalidInput, near
from biasloop.metrics.intervals import over_seeds, wilson
from biasloop.metrics.shares import are_shares, is_share
from biasloop.report.arms import NAN, arm_names
from biasloop.report.figures.panels import Panel, Series
from biasloop.report.figures.undrawn import Undrawn
from biasloop.report.tables import formatting
from biasloop.store.reader import Run

NORMAL = 1.959963984540054  # standard errors of a 95 % interval
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Response:
    """One line: what was measured at each place on the x axis.

    Attributes:
        label: the settings that set it apart from the other lines, or the preset's arm; empty for the only one.
        x: `(points,)` ascending.
        values: metric -> `(replicates, points)`; NaN where a replicate has no such point.
        of_rows: of a lone replicate, metric -> `(2, points)` 95 % interval from its test rows; NaN where that is not
            known.
        shares: the metrics that are shares of rows.
    """

    label: str
    x: Floats
    values: Mapping[str, Floats]
    of_rows: Mapping[str, Floats]
    shares: Collection[str] = ()


def responses(runs: Sequence[Run], x: str, pool: Sequence[str] = ()) -> list[Response]:
    """Lines of all metrics, after the last round of each run.

    A setting that complements x (`loop.model`, where a round adds as many rows whatever `loop.human` is) sets no line
    apart.

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
    apart = [key for key in _differing(every) if key not in {x, "seed", *pool} and not _complements(every, x, key)]
    lines: dict[str, list[tuple[Run, Settings]]] = {}
    for run, settings in zip(runs, every, strict=True):
        lines.setdefault(_label(settings, apart), []).append((run, settings))
    replicated = {"seed", *pool, *apart}
    labels = _labels(list(lines.values()), apart)
    return [_line(label, members, x, replicated) for label, members in zip(labels, lines.values(), strict=True)]


def _labels(lines: Sequence[Sequence[tuple[Run, Settings]]], apart: Sequence[str]) -> list[str]:
    """What the lines are called: each by its arm's name, and by settings as far as several have that name."""
    names = arm_names([[run for run, _ in members] for members in lines]) or [""] * len(lines)
    firsts = [members[0][1] for members in lines]
    alike: dict[str, list[Settings]] = {}
    for name, settings in zip(names, firsts, strict=True):
        alike.setdefault(name, []).append(settings)
    differing = {name: {*_differing(every)} for name, every in alike.items()}
    return [
        ", ".join(part for part in (name, _label(mine, [key for key in apart if key in differing[name]])) if part)
        for name, mine in zip(names, firsts, strict=True)
    ]


def _complements(every: Sequence[Settings], x: str, key: str) -> bool:
    """Whether two numbers have one sum in all runs."""
    pairs = [(settings.get(x), settings.get(key)) for settings in every]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for pair in pairs for value in pair):
        return False
    sums = np.array(pairs, np.float64).sum(axis=1)  # (runs,)
    return bool(np.allclose(sums, sums[0], rtol=1e-9))


def _line(label: str, members: Sequence[tuple[Run, Settings]], x: str, replicated: set[str]) -> Response:
    """The replicates of a line, each with its points."""
    replicates: dict[str, dict[float, Mapping[str, Metric]]] = {}
    for run, settings in members:
        replicate = json.dumps({key: value for key, value in settings.items() if key in replicated}, sort_keys=True)
        replicates.setdefault(replicate, {}).update(_points(run, settings, x))
    places = sorted({point for points in replicates.values() for point in points})
    names = dict.fromkeys(name for points in replicates.values() for metrics in points.values() for name in metrics)
    missing = Metric(NAN, 0)
    table = {  # metric -> replicates, each a list of points
        name: [[points.get(point, {}).get(name, missing) for point in places] for points in replicates.values()]
        for name in names
    }
    values = {name: np.array([[metric.value for metric in row] for row in rows]) for name, rows in table.items()}
    of_rows = {} if len(replicates) > 1 else {name: row_intervals(name, rows[0]) for name, rows in table.items()}
    shares = {name for name, rows in table.items() if are_shares(name, itertools.chain.from_iterable(rows))}
    return Response(label, np.array(places, np.float64), values, of_rows, shares)


def row_intervals(name: str, metrics: Sequence[Metric]) -> Floats:
    """`(2, points)` 95 % intervals of what rows measured of a name: Wilson's of a share, else the normal one.

    NaN where no error is known.
    """
    return np.array([_interval(name, metric) for metric in metrics]).T


def _interval(name: str, metric: Metric) -> tuple[float, float]:
    if is_share(name, metric):
        return wilson(round(metric.value * metric.n), metric.n)
    if not metric.error > 0:
        return NAN, NAN
    return metric.value - NORMAL * metric.error, metric.value + NORMAL * metric.error


def _points(run: Run, settings: Settings, x: str) -> dict[float, Mapping[str, Metric]]:
    if x == EPOCH:
        snapshots = run.snapshots(run.rounds[-1])
        if not snapshots:
            raise InvalidInput(f"{run.directory} has no snapshots of epochs; set loop.snapshots and run it again")
        return {float(epoch): metrics for epoch, metrics in snapshots.items()}
    setting = settings.get(x)
    if isinstance(setting, bool) or not isinstance(setting, int | float):
        raise InvalidInput(f"{run.directory}: {x} is {setting!r}, and an x axis needs numbers")
    return {float(setting): [metrics for _, metrics, _, _ in run.summaries()][-1]}


def _differing(every: Sequence[Settings]) -> list[str]:
    keys = sorted({key for settings in every for key in settings})
    return [key for key in keys if len({json.dumps(settings.get(key)) for settings in every}) > 1]


def _label(settings: Settings, apart: Sequence[str]) -> str:
    return ", ".join(f"{key.rsplit('.', 1)[-1]} {settings.get(key, 'not set')}" for key in apart)


def _known(every: Sequence[Settings]) -> str:
    varied = [key for key in _differing(every) if key != "seed"]
    return f"those that differ between the runs are {', '.join(varied)}" if varied else "the runs differ in none"


def is_measured(responses: Sequence[Response], metric: str) -> bool:
    """Whether any line has a value of a metric at any point."""
    return any(bool(np.isfinite(response.values[metric]).any()) for response in responses if metric in response.values)


def panels(responses: Sequence[Response], metrics: Mapping[str, str]) -> list[Panel]:
    """A panel for each metric.

    Args:
        responses: at least one.
        metrics: name -> what the y axis calls it.

    Raises:
        InvalidInput: no run has such a metric, or a value of it, at these points.
    """
    drawn = []
    for metric, label in metrics.items():
        known = dict.fromkeys(name for response in responses for name in response.values)
        if metric not in known:
            raise Undrawn(f"no run has a metric {metric!r} there", known, near(metric, known))
        if not is_measured(responses, metric):
            measured = [name for name in known if is_measured(responses, name)]
            raise Undrawn(f"no run has a value of {metric!r} there", measured)
        there = [response for response in responses if metric in response.values]
        x = np.unique(np.concatenate([response.x for response in there]))  # (points,) of all lines
        series = [_series(response, metric, x) for response in there]
        drawn.append(Panel("", series, arrow=False, y_label=label, x=x))
    return drawn


def _series(response: Response, metric: str, x: Floats) -> Series:
    values = _spread(response.values[metric], response.x, x)
    of_rows = response.of_rows.get(metric)
    if of_rows is None or not np.isfinite(of_rows).any():
        return Series(response.label, values, replicates="run", share=metric in response.shares)
    return Series(response.label, values, replicates="run", of_rows=_spread(of_rows, response.x, x))


def _spread(values: Floats, x: Floats, every: Floats) -> Floats:
    """Values at the points of one line among those of all."""
    spread = np.full((len(values), len(every)), NAN)  # (rows, points of all)
    spread[:, np.searchsorted(every, x)] = values  # (rows, points of the line)
    return spread


def headers(x: str, metrics: Sequence[str], *, several: bool) -> list[str]:
    """Names of the table's columns."""
    return [*(["line"] if several else []), x.rsplit(".", 1)[-1], "n", *metrics]


def rows(responses: Sequence[Response], metrics: Sequence[str]) -> list[list[str]]:
    """A row for each point of each line: mean and 95 % t interval over replicates."""
    several = len(responses) > 1
    return [
        [*([response.label] if several else []), f"{x:g}", *_cells(response, point, metrics)]
        for response in responses
        for point, x in enumerate(response.x.tolist())
    ]


def _cells(response: Response, point: int, metrics: Sequence[str]) -> list[str]:
    cells, most = [], 0
    for name in metrics:
        values = response.values.get(name, np.zeros((0, len(response.x))))[:, point]  # (replicates,)
        values = values[np.isfinite(values)]
        most = max(most, len(values))
        if not len(values):
            cells.append(formatting.MISSING)
            continue
        spread = over_seeds(values)
        interval = f" {formatting.interval(spread.low, spread.high)}" if spread.n > 1 else ""
        cells.append(f"{formatting.number(spread.mean, 3)}{interval}")
    return [str(most), *cells]
