"""Fits: equal ones are equal, also where they were stopped, and what is stored of them is the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from biasloop.contract.data import Arrays, Tables
from biasloop.contract.domains import EPOCHS, honoured
from biasloop.contract.testing.chance import no_global_draws
from biasloop.contract.testing.sameness import differing, same_arrays
from biasloop.contract.testing.subject import Notes, Recorder, Subject, demand, work
from biasloop.errors import Interrupted
from biasloop.lazy import numpy as np

Fit = Callable[[Any, Recorder], Any]
"""Fits a model of a domain."""
Predict = Callable[[Any, Any], Tables]
"""What a domain makes of one of its models."""


def check_fit(subject: Subject, kind: str, method: str, fit: Fit, predict: Predict | None = None) -> Arrays:
    """Equal fits are equal; one that is stopped and resumed, too, and what is stored. Gives the model's arrays."""
    domain = subject.built()
    unbroken = work(method)
    model = fit(domain, unbroken)
    arrays: Arrays = domain.save(kind, model)
    if predict is not None:
        with no_global_draws(f"{subject.name}.predict"):
            fresh = predict(domain, model)
        _check_copy(subject, kind, fresh, predict(domain, domain.load(kind, arrays)))
    _check_again(subject, kind, method, fit, arrays, domain, predict)
    if EPOCHS in honoured(domain) and method in ("fit", "fit_classifier"):
        told = unbroken.notes.epochs.get("", [])
        demand(
            told == list(range(1, len(told) + 1)) and told != [],
            f"{subject.name}.honours has {EPOCHS!r}, and {method} ticks the epochs {told}, expected 1, 2, ...",
        )
    _check_resumed(subject, kind, method, fit, arrays, unbroken.notes)
    return arrays


def _check_again(
    subject: Subject, kind: str, method: str, fit: Fit, arrays: Arrays, domain: Any, predict: Predict | None
) -> None:
    """A second fit of the same domain gives the same bits, though its epochs are predicted with."""
    watched = work(method)
    watched.watch = None if predict is None else lambda grown: predict(domain, grown)
    with no_global_draws(f"{subject.name}.{method}"):
        again = domain.save(kind, fit(domain, watched))
    if predict is not None and not same_arrays(arrays, again):
        demand(
            not same_arrays(arrays, domain.save(kind, fit(domain, work(method)))),
            f"{subject.name}.{method} gives another model where its epochs are predicted with; predict is to leave the "
            "model that tick is given as it is",
        )
    demand(
        same_arrays(arrays, again),
        f"{subject.name}.{method}: two fits of the same samples and streams give different models; a fit starts from "
        "scratch, keeps nothing for the next one, and draws from work.streams alone",
    )


def _check_resumed(subject: Subject, kind: str, method: str, fit: Fit, arrays: Arrays, unbroken: Notes) -> None:
    """A fit that is stopped at a drawn step, and resumed by another domain, gives the same bits and curves."""
    offered = len(unbroken.states)
    if not offered:  # whoever is stopped in such a fit begins it anew
        other = subject.built()
        demand(
            same_arrays(arrays, other.save(kind, fit(other, work(method)))),
            f"{subject.name}.{method}: fits of two domains with the same settings give different models",
        )
        return
    at = int(np.random.default_rng(offered).integers(max(1, offered - 1)))
    stopped = work(method)
    stopped.stop_at = at
    try:
        fit(subject.built(), stopped)
    except Interrupted:
        pass
    else:
        demand(False, f"{subject.name}.{method} goes on though tick raised Interrupted; let that pass through")
    resumed = Recorder(stopped.streams, checkpoints=stopped.checkpoints)
    after = subject.built()
    result = after.save(kind, fit(after, resumed))
    step = f"{subject.name}.{method}, stopped at state {at + 1} of {offered} and resumed,"
    demand(not resumed.checkpoints, f"{step} does not ask for what it was stopped in; begin with work.resume()")
    demand(
        same_arrays(arrays, result),
        f"{step} gives another model than without a stop; a state has to hold all that the rest of the fit depends on",
    )
    demand(
        len(resumed.notes.states) < offered or offered == 1,
        f"{step} begins anew: {len(resumed.notes.states)} states were offered after it",
    )
    demand(
        _same_logs(unbroken, resumed.notes),
        f"{step} logs other curves than without a stop; log a step before its tick, and no step twice",
    )


def _same_logs(one: Notes, other: Notes) -> bool:
    if one.logs.keys() != other.logs.keys():
        return False
    for table, rows in one.logs.items():
        others = other.logs[table]
        if len(rows) != len(others) or not all(map(same_arrays, rows, others)):
            return False
    return True


def _check_copy(subject: Subject, kind: str, fresh: Tables, loaded: Tables) -> None:
    """What a fitted model predicts, its stored copy predicts."""
    for name in fresh:
        column = differing(fresh[name], loaded[name])
        demand(
            column is None,
            f"{subject.name}.load({kind!r}, save(...)) predicts another {name}.{column} than the model that was saved",
        )
