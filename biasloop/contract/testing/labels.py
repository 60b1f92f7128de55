"""Labels that models give, and what else is said of samples: probabilities, losses, shares of error, descriptions."""

from __future__ import annotations

from typing import Any

from biasloop.contract.data import Frame, Ints
from biasloop.contract.domains import Comparing, Describing, Labelling, Losing, Probabilistic, Scoring, names_in
from biasloop.contract.testing.models import ROUNDING, training_set
from biasloop.contract.testing.samples import check_vocabularies
from biasloop.contract.testing.subject import Subject, demand, differing, shuffled, work
from biasloop.lazy import numpy as np

_MOST = 60  # samples that are labelled


def check_labels(subject: Subject, model: Any) -> None:
    """Labels by every rule, and the optional capabilities that speak of labels."""
    domain = subject.built()
    ids = domain.splits().pool[:_MOST]
    human = domain.human_labels(np.setdiff1d(ids, domain.splits().unlabelled))
    if isinstance(domain, Labelling):
        rules = domain.label_rules()
        demand(
            isinstance(rules, tuple) and rules != () and all(isinstance(rule, str) for rule in rules),
            f"{subject.name}.label_rules gives {rules!r}, expected names, the default first",
        )
        for by in rules:
            _check_rule(subject, domain, model, ids, by, human)
    _check_said(subject, domain, model, ids)


def _check_rule(subject: Subject, domain: Any, model: Any, ids: Ints, by: str, human: Frame) -> None:
    where = f"{subject.name}.label by {by!r}"
    given = domain.label(model, ids, by, work("label"))
    demand(len(given) == len(ids), f"{where} gives {len(given)} rows for {len(ids)} ids")
    check_vocabularies(where, given, names_in(domain))
    kinds = {name: (c.values.dtype, c.role, c.vocabulary, c.offsets is None) for name, c in given.columns.items()}
    wanted = {name: (c.values.dtype, c.role, c.vocabulary, c.offsets is None) for name, c in human.columns.items()}
    demand(kinds == wanted, f"{where} has the columns {kinds}, and human_labels have {wanted}")
    column = differing(given, domain.label(model, ids, by, work("label")))
    demand(column is None, f"{where}: {column} differs between two calls of the same streams")
    order = np.array(shuffled(len(ids)), np.int64)
    for rows, why in ((order, "the order of ids"), (order[: max(1, len(ids) // 4)], "which others are labelled")):
        column = differing(domain.label(model, ids[rows], by, work("label")), given.take(rows), ROUNDING)
        demand(column is None, f"{where}: the column {column!r} of a sample depends on {why}")


def _check_said(subject: Subject, domain: Any, model: Any, ids: Ints) -> None:
    train = training_set(domain)
    labels = domain.human_labels(train.ids)
    if isinstance(domain, Scoring):
        scores = domain.score(train.ids, labels, work("score"))
        demand(len(scores) == len(train), f"{subject.name}.score gives {len(scores)} rows for {len(train)} samples")
    if isinstance(domain, Probabilistic):
        _check_probabilities(subject, domain.probabilities(model, ids, work("label")), len(ids))
    if isinstance(domain, Comparing):
        errors = domain.errors(labels, labels)
        demand(
            errors.shape == (len(labels),) and not errors.any(),
            f"{subject.name}.errors of labels beside themselves are not 0, a number a row",
        )
        other = domain.errors(labels.take(np.roll(np.arange(len(labels)), 1)), labels)
        demand(bool(((other >= 0) & (other <= 1)).all()), f"{subject.name}.errors has shares that are not 0 to 1")
    if isinstance(domain, Describing):
        rows = domain.describe(train.ids, labels)
        demand(len(rows) == len(train), f"{subject.name}.describe gives {len(rows)} rows for {len(train)} samples")
    if isinstance(domain, Losing):
        losses, categories = domain.losses(model, train, work("losses")), domain.categories(train)
        demand(
            losses.shape == (len(train),) and bool(np.isfinite(losses).all()),
            f"{subject.name}.losses gives {losses.shape}, expected a finite number for each of {len(train)} samples",
        )
        demand(
            categories.shape == (len(train),) and categories.dtype.kind in "iu" and bool((categories >= 0).all()),
            f"{subject.name}.categories gives {categories.dtype} {categories.shape}, expected a number from 0 a sample",
        )


def _check_probabilities(subject: Subject, probabilities: Any, count: int) -> None:
    demand(
        probabilities.ndim == 2 and len(probabilities) == count,
        f"{subject.name}.probabilities has the shape {probabilities.shape}, expected ({count}, classes)",
    )
    demand(
        bool((probabilities >= 0).all()) and bool(np.allclose(probabilities.sum(1), 1, atol=1e-6)),
        f"{subject.name}.probabilities has rows that are not shares of 1",
    )
