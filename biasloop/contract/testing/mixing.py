"""Inputs that a generator makes for samples, and fits of a mixed corpus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from biasloop.contract.data import Column, Frame, Ints, Samples, Tables
from biasloop.contract.domains import INPUTS, Storing, honoured, missing_methods
from biasloop.contract.making import Making, Mixing
from biasloop.contract.names import MAKER
from biasloop.contract.testing.chance import no_global_draws
from biasloop.contract.testing.fits import check_fit
from biasloop.contract.testing.models import ROUNDING, check_measured, check_stored, training_set
from biasloop.contract.testing.sameness import differing
from biasloop.contract.testing.subject import Subject, demand, shuffled, work
from biasloop.lazy import numpy as np


def check_mixing(subject: Subject) -> bool:
    """A generator of the samples' own inputs and one of a mixed corpus, and what they make.

    Returns:
        Whether the domain has inputs that can be made.
    """
    domain = subject.built()
    if missing_methods(subject.kind, Mixing):
        return False
    learns = not missing_methods(subject.kind, Making)
    demand(
        INPUTS in honoured(domain),
        f"{subject.name} has make, and honours does not name {INPUTS!r}: fits are to take the inputs that were made",
    )
    demand(isinstance(domain, Storing), f"{subject.name} has make, and no save and load to keep generators with")
    train = training_set(domain)
    maker = _maker(subject, train) if learns else None
    made = _check_made(subject, domain, maker, train.ids)
    mixed = half_made(train, made)
    domain.fit(mixed, work("fit"))
    if learns:
        arrays = check_fit(subject, MAKER, "fit_maker", lambda of, call: of.fit_maker(mixed, call))
        tables = domain.predict_maker(domain.load(MAKER, arrays), work("predict-maker"))
        references = domain.references(work("references"))
        demand(
            references.keys().isdisjoint(tables),
            f"{subject.name}.predict_maker gives the tables {', '.join(tables)}, and references have some of them: "
            "what a generator makes is of no sample of the test set",
        )
        check_measured(subject, references, tables, replace(mixed, inputs=Frame()))
    return True


def half_made(train: Samples, made: Frame) -> Samples:
    """Every second sample with the input that was made for it, as the rule `mixing` has it."""
    chosen = np.arange(len(train)) % 2 == 0  # (n,)
    columns = {}
    for name, column in made.columns.items():
        values = np.array(column.values)
        values[~chosen] = -1 if np.issubdtype(values.dtype, np.integer) else np.nan
        columns[name] = Column(values, None, column.role, column.vocabulary)
    return replace(train, synthetic=chosen, inputs=Frame(columns))


def _maker(subject: Subject, train: Samples) -> Any:
    """One that has learnt from the samples' own inputs."""
    arrays = check_fit(subject, MAKER, "fit_maker", lambda of, call: of.fit_maker(train, call))

    def predict(of: Any, model: Any) -> Tables:
        predicted: Tables = of.predict_maker(model, work("predict-maker"))
        return predicted

    return check_stored(subject, MAKER, arrays, predict)


def _check_made(subject: Subject, domain: Any, maker: Any, ids: Ints) -> Frame:
    where = f"{subject.name}.make"
    with no_global_draws(where):
        made: Frame = domain.make(maker, ids, work("make"))
    demand(made.columns != {} and len(made) == len(ids), f"{where} gives {len(made)} inputs for {len(ids)} samples")
    for name, column in made.columns.items():
        values = column.values
        whole_number = values.dtype == np.int64 and values.ndim == 1 and bool((values >= 0).all())
        number = np.issubdtype(values.dtype, np.floating) and bool(np.isfinite(values).all())
        demand(
            column.offsets is None and (whole_number or number),
            f"{where}: {name} is {values.dtype} {values.shape}, expected int64 keys (n,) from 0, or finite "
            "floating-point values, a row an id",
        )
    order = np.array(shuffled(len(ids)), np.int64)
    for rows, why in ((order, "the order of ids"), (order[: max(1, len(ids) // 4)], "which others are asked for")):
        unlike = differing(domain.make(maker, ids[rows], work("make")), made.take(rows), ROUNDING)
        demand(
            unlike is None,
            f"{where}: {unlike!r} of a sample depends on {why}; draw by id, with work.streams.uniform(ids)",
        )
    return made
