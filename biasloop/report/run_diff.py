"""In what two runs differ: settings, what they were made with, and what they measured."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biasloop.config.flatten import flatten
from biasloop.contract.data import Metric

NOT_SET = "not set"
_ALIKE = {"host"}  # of what a run was made with; where it ran changes nothing


@dataclass(frozen=True)
class Difference:
    """A key that two runs have other values of; `NOT_SET` where one has none."""

    key: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Compared:
    """A metric of one round of two runs.

    Attributes:
        name: of the metric.
        first: of the first run; None where it did not measure it.
        second: of the second run, likewise.
    """

    name: str
    first: Metric | None
    second: Metric | None

    @property
    def difference(self) -> float:
        """The second less the first; NaN where either is missing or 0/0."""
        return _value(self.second) - _value(self.first)

    @property
    def error(self) -> float:
        """Its standard error as if the two were independent; NaN where either has none.

        Runs that share a test set or a seed are not independent, and differ by less chance than this says.
        """
        if self.first is None or self.second is None:
            return math.nan
        return math.hypot(self.first.error, self.second.error)


def _value(metric: Metric | None) -> float:
    return metric.value if metric is not None and metric.n else math.nan


def settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Keys in whose value two nested mappings differ, flat and sorted."""
    one, other = flatten(first), flatten(second)
    pairs = [Difference(key, one.get(key, NOT_SET), other.get(key, NOT_SET)) for key in sorted({*one, *other})]
    return [pair for pair in pairs if pair.first != pair.second or type(pair.first) is not type(pair.second)]


def made_with(first: Sequence[Mapping[str, str]], second: Sequence[Mapping[str, str]]) -> list[Difference]:
    """Versions, device, threads and resources that differ; a run that was made in segments has several values."""
    return settings(_joined(first), _joined(second))


def _joined(environments: Sequence[Mapping[str, str]]) -> dict[str, str]:
    keys = {key for environment in environments for key in environment if key not in _ALIKE}
    return {
        key: ", then ".join(dict.fromkeys(environment.get(key, NOT_SET) for environment in environments))
        for key in keys
    }


def metrics(
    first: Mapping[str, Metric], second: Mapping[str, Metric], about: Iterable[Mapping[str, Any]]
) -> list[Compared]:
    """Every metric that either has, those first that the presets of the runs show.

    Args:
        first: metrics of a round of one run.
        second: of the other.
        about: of both manifests.
    """
    measured = list(dict.fromkeys([*first, *second]))
    spoken = list(dict.fromkeys(name for each in about for name in spoken_of(each) if name in measured))
    plain = [name for name in measured if "." not in name]
    names = dict.fromkeys([*spoken, *plain, *measured])
    return [Compared(name, first.get(name), second.get(name)) for name in names]


def spoken_of(about: Mapping[str, Any]) -> list[str]:
    """The metrics that a run's preset speaks of, in [plot] and [bound]."""
    bound, plot = about.get("bound", {}), about.get("plot", {})
    wanted = [
        *plot.get("series", []),
        *(bound.get(key) for key in ("metric", "baseline", "train")),
        plot.get("quality"),
    ]
    return [name for name in dict.fromkeys(wanted) if name is not None]
