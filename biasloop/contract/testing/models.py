"""Fits, stored models, predictions and metrics of a domain with samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from biasloop.contract.data import Arrays, Frame, Samples, Tables
from biasloop.contract.domains import EPOCHS, WEIGHTS, Grouped, Scoring, Sparing, Storing, honoured, names_in
from biasloop.contract.testing.samples import check_vocabularies
from biasloop.contract.testing.subject import (
    Broken,
    Notes,
    Recorder,
    Subject,
    check_numbers,
    demand,
    differing,
    no_global_draws,
    same_arrays,
    stored,
    stored_frame,
    work,
)
from biasloop.errors import BiasloopError, Interrupted
from biasloop.lazy import numpy as np

ROUNDING = 1e-4
"""How far predictions of batches of other sizes may be apart."""
_MOST = 200  # samples that a fit of the kit is given
_FEW = 3  # rows of a small batch

Fit = Callable[[Any, Recorder], Any]
"""Fits a model of a domain."""
Predict = Callable[[Any, Any], Tables]
"""What a domain makes of one of its models."""


def training_set(domain: Any) -> Samples:
    """Human-labelled samples of the pool, at most 200."""
    splits = domain.splits()
    ids = np.setdiff1d(splits.pool, splits.unlabelled)[:_MOST]
    labels = domain.human_labels(ids)
    if isinstance(domain, Scoring):
        labels = labels.plus(domain.score(ids, labels, work("score")))
    return Samples(ids, np.zeros(len(ids), np.bool_), labels)


def check_models(subject: Subject) -> Any:
    """Fits, what they leave, and what is measured of it; gives a model."""
    domain = subject.built()
    demand(isinstance(domain, Storing), f"{subject.name} has fits, and no save and load to keep models with")
    train = training_set(domain)

    def fit(of: Any, call: Recorder) -> Any:
        before = replace(train, ids=train.ids.copy(), labels=stored_frame(train.labels))
        model = of.fit(train, call)
        column = "ids" if not np.array_equal(before.ids, train.ids) else differing(before.labels, train.labels)
        demand(column is None, f"{subject.name}.fit changes {column} of the training set that it is given; copy it")
        return model

    def predict(of: Any, model: Any) -> Tables:
        predicted: Tables = of.predict(model, work("predict"))
        return predicted

    arrays = check_fit(subject, "model", "fit", fit, predict)
    if WEIGHTS in honoured(domain):
        _check_weights(subject, domain, train, arrays)
    model = check_stored(subject, "model", arrays, predict)
    tables = domain.predict(model, work("predict"))
    _check_rows(subject, domain, tables)
    _check_batches(subject, arrays, tables)
    check_measured(subject, {**domain.references(work("references"))}, tables, train)
    return model


def check_fit(subject: Subject, kind: str, method: str, fit: Fit, predict: Predict | None = None) -> Arrays:
    """Equal fits are equal; one that is stopped and resumed, too, and what is stored. Gives the model's arrays."""
    domain = subject.built()
    whole = work(method)
    model = fit(domain, whole)
    arrays: Arrays = domain.save(kind, model)
    if predict is not None:
        with no_global_draws(f"{subject.name}.predict"):
            fresh = predict(domain, model)
        _check_copy(subject, kind, fresh, predict(domain, domain.load(kind, arrays)))
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
    if EPOCHS in honoured(domain) and method in ("fit", "fit_classifier"):
        told = whole.notes.epochs.get("", [])
        demand(
            told == list(range(1, len(told) + 1)) and told != [],
            f"{subject.name}.honours has {EPOCHS!r}, and {method} ticks the epochs {told}, expected 1, 2, ...",
        )
    _check_resumed(subject, kind, method, fit, arrays, whole.notes)
    return arrays


def _check_resumed(subject: Subject, kind: str, method: str, fit: Fit, arrays: Arrays, whole: Notes) -> None:
    """A fit that is stopped at a drawn step, and resumed by another domain, gives the same bits and curves."""
    offered = len(whole.states)
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
    resumed = Recorder(stopped.streams, kept=stopped.kept)
    after = subject.built()
    result = after.save(kind, fit(after, resumed))
    step = f"{subject.name}.{method}, stopped at state {at + 1} of {offered} and resumed,"
    demand(not resumed.kept, f"{step} does not ask for what it was stopped in; begin with work.resume()")
    demand(
        same_arrays(arrays, result),
        f"{step} gives another model than without a stop; a state has to hold all that the rest of the fit depends on",
    )
    demand(
        len(resumed.notes.states) < offered or offered == 1,
        f"{step} begins anew: {len(resumed.notes.states)} states were offered after it",
    )
    demand(
        _same_logs(whole, resumed.notes),
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


def _check_weights(subject: Subject, domain: Any, train: Samples, arrays: Arrays) -> None:
    weights = np.random.default_rng(0).uniform(0.1, 3.0, len(train))
    weights[: len(train) // 3] = 0.0
    weighted = domain.save("model", domain.fit(replace(train, weights=weights), work("fit")))
    demand(
        not same_arrays(arrays, weighted),
        f"{subject.name}.honours says that samples are weighed, and fit gives the same model with weights as without; "
        "multiply losses by train.weights, or do not name them in honours",
    )


def check_stored(subject: Subject, kind: str, arrays: Arrays, predict: Predict) -> Any:
    """A model that is saved, loaded by another domain and saved again is the same; gives it as loaded."""
    check_numbers(f"{subject.name}.save({kind!r})", arrays)
    domain, other = subject.built(), subject.built()
    model = domain.load(kind, {name: np.array(values) for name, values in arrays.items()})
    demand(
        same_arrays(arrays, domain.save(kind, model)),
        f"{subject.name}.save({kind!r}) of a model that was loaded gives other arrays than those it was loaded from",
    )
    first, second = predict(domain, model), predict(other, other.load(kind, arrays))
    for name in first:
        column = differing(first[name], second[name])
        demand(column is None, f"{subject.name}.load({kind!r}): two loaded models predict different {name}.{column}")
    return model


def _check_copy(subject: Subject, kind: str, fresh: Tables, loaded: Tables) -> None:
    """What a fitted model predicts, its stored copy predicts."""
    for name in fresh:
        column = differing(fresh[name], loaded[name])
        demand(
            column is None,
            f"{subject.name}.load({kind!r}, save(...)) predicts another {name}.{column} than the model that was saved",
        )


def _check_rows(subject: Subject, domain: Any, tables: Tables) -> None:
    references, names = domain.references(work("references")), names_in(domain)
    for name, table in tables.items():
        check_vocabularies(f"{subject.name}.predict", table, names)
        if name in references:
            demand(
                len(table) == len(references[name]),
                f"{subject.name}.predict: {name} has {len(table)} rows, and references have {len(references[name])}",
            )
            both = sorted(table.columns.keys() & references[name].columns.keys())
            demand(
                not both,
                f"{subject.name}.predict: {name} has columns of references, which are stored once: {', '.join(both)}",
            )


def _check_batches(subject: Subject, arrays: Arrays, tables: Tables) -> None:
    """Batches of another size change predictions by rounding alone."""
    domain = subject.built()
    named = domain.memory_settings() if isinstance(domain, Sparing) else []
    small = {key.removeprefix("domain."): _FEW for key in named if "batch" in key and key.count(".") == 1}
    if not small:
        return
    other = subject.varied(**small)
    predicted = other.predict(other.load("model", arrays), work("predict"))
    for name in tables:
        column = differing(tables[name], predicted[name], ROUNDING)
        demand(
            column is None,
            f"{subject.name}.predict: {name}.{column} depends on the size of batches ({', '.join(small)} = {_FEW})",
        )


def check_measured(subject: Subject, references: Tables, predicted: Tables, train: Samples) -> None:
    """Metrics are the same of tables that were stored, where no data are."""
    domain = subject.built()
    names = names_in(domain)
    joined = {
        **references,
        **{n: references[n].plus(table) if n in references else table for n, table in predicted.items()},
    }
    if isinstance(domain, Grouped):
        train = replace(train, labels=train.labels.plus(domain.groups(train.ids)))
    for what, tables in (("references", references), ("predictions", joined)):
        first = domain.measure(tables, train, names)
        kept = replace(train, labels=stored_frame(train.labels), inputs=Frame())
        try:
            second = subject.without_data().measure(stored(tables), kept, dict(sorted(names.items())))
        except (BiasloopError, OSError) as error:
            raise Broken(
                f"{subject.name}.measure fails where none of the data are ({error}): it is to be a function of "
                "settings and of what is stored, and a domain is made without looking for any file"
            ) from error
        demand(
            list(first) == list(second),
            f"{subject.name}.measure of stored {what} gives {', '.join(second)}, and at first {', '.join(first)}",
        )
        for name, metric in first.items():
            demand(
                _equal(metric, second[name]),
                f"{subject.name}.measure: {name} of stored {what} is {second[name]}, and at first {metric}; it is to "
                "depend on settings, tables, train and vocabularies alone",
            )


def _equal(one: Any, other: Any) -> bool:
    pairs = zip((one.value, one.n, one.error), (other.value, other.n, other.error), strict=True)
    return all(a == b or (a != a and b != b) for a, b in pairs)  # noqa: PLR0124 # NaN
