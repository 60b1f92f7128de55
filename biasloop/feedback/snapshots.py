"""Evaluations of a model in the middle of its training: after every so many epochs of a fit."""

from collections.abc import Callable
from typing import Any

from biasloop.contract import names
from biasloop.contract.data import Evaluation, Frame, Metric, Tables
from biasloop.feedback.work import OnEpoch, RoundWork


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
