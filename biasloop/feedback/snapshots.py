"""Evaluations of a model in the middle of its training: after every so many epochs of a fit."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from biasloop.contract import names
from biasloop.contract.data import Evaluation, Frame, Metric, Tables
from biasloop.feedback.work import OnEpoch, RoundWork

LATE = ("accuracy", "worst_class_recall")
"""Metrics that are also told as their mean over the last half of a fit."""


def watching(every: int | None, predict: Callable[[Any, RoundWork], Tables]) -> OnEpoch | None:
    """What is to be told of the epochs of a fit, so that predictions are kept with the fit's curve.

    Args:
        every: epochs from one look to the next; None for no look.
        predict: of a model, its outputs on the test set.
    """
    if every is None:
        return None

    def look(epoch: int, model: Any, fit: RoundWork) -> None:
        if epoch % every:
            return
        call = RoundWork(fit.streams.at("snapshot", epoch), fit.session, f"{fit.call}/{names.SNAPSHOT}{epoch}")
        for name, table in predict(model, call).items():
            fit.keep(f"{names.SNAPSHOT}{epoch:04}.{name}", table)

    return look


def evaluated(work: RoundWork, fit: str, measure: Callable[[Tables], dict[str, Metric]]) -> dict[str, Evaluation]:
    """Evaluations of the epochs of a fit that was watched, by name.

    Args:
        work: of the round.
        fit: name of the fit's call.
        measure: metrics of what was predicted.
    """
    tables: dict[str, dict[str, Frame]] = {}
    for name, table in work.taken(fit, names.SNAPSHOT).items():
        epoch, _, part = name.partition(".")
        tables.setdefault(epoch, {})[part] = table
    return {epoch: Evaluation(measure(predicted), predicted) for epoch, predicted in tables.items()}


def of_last_half(evaluations: Mapping[str, Evaluation], epochs: int) -> dict[str, Evaluation]:
    """Those of a round's evaluations that are of epochs after the middle of its fit, of so many epochs."""
    numbers = {name: name.removeprefix(names.SNAPSHOT) for name in evaluations if name.startswith(names.SNAPSHOT)}
    return {name: evaluations[name] for name, number in numbers.items() if 2 * int(number) > epochs}


def late(snapshots: Iterable[Mapping[str, Metric]]) -> dict[str, Metric]:
    """Means over epochs of `late_accuracy` and `late_worst_class_recall`, as far as there are any.

    They are of one test set and one fit, so that they have no standard error; n is the number of epochs.

    Args:
        snapshots: metrics of each epoch.
    """
    values: dict[str, list[float]] = {name: [] for name in LATE}
    for metrics in snapshots:
        for name in LATE:
            if name in metrics and math.isfinite(metrics[name].value):
                values[name].append(metrics[name].value)
    return {f"late_{name}": Metric(math.fsum(of) / len(of), len(of)) for name, of in values.items() if of}
