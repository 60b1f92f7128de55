"""Labels that models give."""

from __future__ import annotations

from typing import Any

from biasloop.contract.data import Frame, Ints
from biasloop.contract.domains import Labelling, names_in
from biasloop.contract.labels import ARGMAX
from biasloop.contract.names import IDS, PREDICTION, TARGET, TEST
from biasloop.contract.testing.chance import no_global_draws
from biasloop.contract.testing.models import ROUNDING
from biasloop.contract.testing.said import check_said
from biasloop.contract.testing.sameness import differing
from biasloop.contract.testing.samples import check_vocabularies
from biasloop.contract.testing.subject import Subject, demand, shuffled, work
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
        if ARGMAX in rules:
            _check_predicted(subject, domain, model)
    check_said(subject, domain, model, ids)


def _check_predicted(subject: Subject, domain: Any, model: Any) -> None:
    """The most probable classes of the test set are what is predicted of it, row for row."""
    references, predicted = domain.references(work("references")), domain.predict(model, work("predict"))
    test, table = references.get(TEST, Frame()), predicted.get(TEST, Frame())
    if IDS not in test or PREDICTION not in table:
        return
    given = domain.label(model, test[IDS], ARGMAX, work("label"))
    demand(
        TARGET not in given or np.array_equal(given[TARGET], table[PREDICTION]),
        f"{subject.name}.predict gives other classes than label by {ARGMAX!r} of the same samples; its rows are those "
        "of references, in their order",
    )


def _check_rule(subject: Subject, domain: Any, model: Any, ids: Ints, by: str, human: Frame) -> None:
    where = f"{subject.name}.label by {by!r}"
    with no_global_draws(where):
        given = domain.label(model, ids, by, work("label"))
    demand(len(given) == len(ids), f"{where} gives {len(given)} rows for {len(ids)} ids")
    check_vocabularies(where, given, names_in(domain))
    kinds = {name: (c.values.dtype, c.role, c.vocabulary, c.offsets is None) for name, c in given.columns.items()}
    wanted = {name: (c.values.dtype, c.role, c.vocabulary, c.offsets is None) for name, c in human.columns.items()}
    demand(kinds == wanted, f"{where} has the columns {kinds}, and human_labels have {wanted}")
    column = differing(given, domain.label(model, ids, by, work("label")))
    demand(column is None, f"{where}: {column} differs between two calls of the same streams; draw from work.streams")
    order = np.array(shuffled(len(ids)), np.int64)
    for rows, why in ((order, "the order of ids"), (order[: max(1, len(ids) // 4)], "which others are labelled")):
        column = differing(domain.label(model, ids[rows], by, work("label")), given.take(rows), ROUNDING)
        demand(
            column is None,
            f"{where}: the column {column!r} of a sample depends on {why}; draw by id, with work.streams.uniform(ids)",
        )
