"""Models of a domain with samples: fitted, stored, predicted with, measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from biasloop.contract.data import Arrays, Frame, Samples, Tables, joined
from biasloop.contract.domains import WEIGHTS, Grouped, Scoring, Sparing, Storing, honoured, names_in
from biasloop.contract.testing.fits import Predict, check_fit
from biasloop.contract.testing.sameness import differing, same_arrays, stored, stored_frame
from biasloop.contract.testing.samples import check_vocabularies
from biasloop.contract.testing.subject import Broken, Recorder, Subject, check_numbers, demand, work
from biasloop.errors import BiasloopError
from biasloop.lazy import numpy as np

ROUNDING = 1e-4
"""How far predictions of batches of other sizes may be apart."""
_MOST = 200  # samples that a fit of the kit is given
_FEW = 3  # rows of a small batch


def training_set(domain: Any) -> Samples:
    """Human-labelled samples of the pool, at most 200."""
    splits = domain.splits()
    ids = np.setdiff1d(splits.pool, splits.unlabelled)[:_MOST]
    labels = domain.human_labels(ids)
    if isinstance(domain, Scoring):
        scores = domain.score(ids, labels, work("score"))
        demand(
            len(scores) == len(ids), f"{type(domain).__name__}.score gives {len(scores)} rows for {len(ids)} samples"
        )
        labels = labels.plus(scores)
    return Samples(ids, np.zeros(len(ids), np.bool_), labels)


def check_models(subject: Subject) -> Any:
    """Fits, what they leave, and what is measured of it; gives a model."""
    domain = subject.built()
    demand(isinstance(domain, Storing), f"{subject.name} has fits, and no save and load to keep models with")
    train = training_set(domain)

    def fit(of: Any, call: Recorder) -> Any:
        before = replace(train, ids=train.ids.copy(), labels=stored_frame(train.labels))
        model = of.fit(train, call)
        column = "the ids" if not np.array_equal(before.ids, train.ids) else differing(before.labels, train.labels)
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


def _check_rows(subject: Subject, domain: Any, tables: Tables) -> None:
    references, names = domain.references(work("references")), names_in(domain)
    demand(
        not references.keys().isdisjoint(tables),
        f"{subject.name}.predict gives the tables {', '.join(tables)}, and references are of {', '.join(references)}",
    )
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
    if isinstance(domain, Grouped):
        train = replace(train, labels=train.labels.plus(domain.groups(train.ids)))
    for what, tables in (("references", references), ("predictions", joined(references, predicted))):
        first = domain.measure(tables, train, names)
        as_stored = replace(train, labels=stored_frame(train.labels), inputs=Frame())
        try:
            second = subject.without_data().measure(stored(tables), as_stored, dict(sorted(names.items())))
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
