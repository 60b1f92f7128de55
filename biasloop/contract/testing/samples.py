"""Data: what a domain says of itself, its splits, its human labels, its references."""

from __future__ import annotations

from typing import Any

from biasloop.contract.context import Requirement
from biasloop.contract.data import Column, Frame, Ints, Page
from biasloop.contract.domains import (
    EPOCHS,
    INPUTS,
    SELECTION,
    WEIGHTS,
    Checking,
    Computing,
    Demands,
    Executing,
    Grouped,
    Showing,
    Sparing,
    honoured,
    names_in,
)
from biasloop.contract.losing import Truthful
from biasloop.contract.names import GROUP, TARGET, TEST
from biasloop.contract.testing.sameness import differing
from biasloop.contract.testing.subject import Subject, demand, shuffled, work
from biasloop.lazy import numpy as np

_SHOWN = 3  # samples of a page


def check_domain(subject: Subject) -> None:
    """What every domain says of itself."""
    domain, again = subject.built(), subject.built()
    needs = domain.requirements()
    demand(
        isinstance(needs, list) and all(isinstance(need, Requirement) for need in needs),
        f"{subject.name}.requirements gives {needs!r}, expected a list of Requirement",
    )
    if isinstance(domain, Checking):
        domain.check(Demands())
    demand(
        honoured(domain) <= {EPOCHS, WEIGHTS, INPUTS, SELECTION},
        f"{subject.name}.honours gives {sorted(honoured(domain))}, of which only {EPOCHS}, {WEIGHTS}, {INPUTS} and "
        f"{SELECTION} mean anything",
    )
    _check_told(subject, domain)
    if isinstance(domain, Showing):
        _check_page(subject, domain.page(_SHOWN, work("page")))
    fingerprint = domain.fingerprint()
    demand(
        isinstance(fingerprint, str) and fingerprint != "",
        f"{subject.name}.fingerprint gives {fingerprint!r}, expected a text that tells these data from any others",
    )
    demand(
        fingerprint == again.fingerprint(),
        f"{subject.name}.fingerprint differs between two domains of the same settings and data",
    )
    for name, column in domain.vocabularies().items():
        demand(
            isinstance(column, Column) and column.offsets is not None,
            f"{subject.name}.vocabularies[{name!r}] is no column of texts; make it with Column.text",
        )


def _check_told(subject: Subject, domain: Any) -> None:
    """What a domain says of its settings and of the machine."""
    if isinstance(domain, Computing):
        told = domain.environment()
        demand(
            all(isinstance(text, str) for text in (*told, *told.values())),
            f"{subject.name}.environment gives {dict(told)}, expected texts by name; it is stored with each round",
        )
    if isinstance(domain, Executing):
        demand(
            all(isinstance(word, str) for arguments in domain.programs() for word in arguments),
            f"{subject.name}.programs gives {domain.programs()!r}, expected lists of arguments",
        )
    if isinstance(domain, Sparing):
        known = {f"domain.{name}" for name in type(subject.config).model_fields}
        strange = [name for name in domain.memory_settings() if ".".join(name.split(".")[:2]) not in known]
        demand(
            not strange,
            f"{subject.name}.memory_settings names {', '.join(strange)}, which Config does not have; expected names as "
            "a preset has them, such as domain.batch_size",
        )


def _check_page(subject: Subject, page: Page) -> None:
    pictures = page.pictures
    demand(
        pictures.ndim == 4 and len(pictures) <= _SHOWN and pictures.shape[3] in (1, 3) and pictures.dtype == np.uint8,
        f"{subject.name}.page({_SHOWN}) has pictures of {pictures.dtype} {pictures.shape}, expected uint8 (n, H, W, C) "
        f"of at most {_SHOWN}, C 1 or 3",
    )
    sizes = tuple(map(len, page.classes))
    wrong = {split: counts.shape for split, counts in page.counts.items() if counts.shape != sizes}
    demand(
        len(page.targets) == len(sizes) and not wrong,
        f"{subject.name}.page has the targets {page.targets} with {sizes} classes, and counts {wrong or sizes}; "
        "expected an axis for each target, as long as it has classes",
    )


def check_samples(subject: Subject) -> None:
    """Splits, human labels and references."""
    domain, again = subject.built(), subject.built()
    splits, others = domain.splits(), again.splits()
    for name in (TEST, "pool", "holdout", "unlabelled"):
        ids = getattr(splits, name)
        demand(
            ids.dtype == np.int64 and ids.ndim == 1 and len(np.unique(ids)) == len(ids),
            f"{subject.name}.splits: {name} is {ids.dtype} of shape {ids.shape}, expected int64 ids, none twice",
        )
        demand(
            np.array_equal(ids, getattr(others, name)),
            f"{subject.name}.splits: {name} differs between two domains of the same settings and streams",
        )
    parts = {TEST: splits.test, "pool": splits.pool, "holdout": splits.holdout}
    for first, second in ((TEST, "pool"), (TEST, "holdout"), ("pool", "holdout")):
        demand(not np.isin(parts[first], parts[second]).any(), f"{subject.name}.splits: {first} and {second} share ids")
    demand(
        len(splits.test) > 0 and len(splits.pool) > 0,
        f"{subject.name}.splits: {len(splits.test)} samples are the test set and {len(splits.pool)} the pool; give "
        "settings that leave some of each",
    )
    demand(
        bool(np.isin(splits.unlabelled, splits.pool).all()),
        f"{subject.name}.splits: unlabelled samples are not in the pool",
    )
    labelled = np.setdiff1d(splits.pool, splits.unlabelled)
    _check_order(subject, "human_labels", domain.human_labels, labelled)
    for name, column in domain.human_labels(np.concatenate([labelled, splits.test])).columns.items():
        if column.role == TARGET and column.offsets is None and column.values.ndim == 1:
            lacking = int((column.values < 0).sum()) if column.vocabulary else 0
            demand(
                not lacking,
                f"{subject.name}.human_labels: {name} of {lacking} samples is -1, which is nothing; splits is to name "
                "samples without a label as unlabelled, and to have none of them in the test set",
            )
    if isinstance(domain, Truthful):
        _check_truth(subject, domain, labelled)
    if isinstance(domain, Grouped):
        _check_order(subject, "groups", domain.groups, labelled)
        other = [name for name, column in domain.groups(labelled).columns.items() if column.role != GROUP]
        demand(not other, f"{subject.name}.groups: {', '.join(other)} has another role than {GROUP!r}")
    _check_references(subject, domain)


def _check_truth(subject: Subject, domain: Any, ids: Ints) -> None:
    """Right labels are like human ones."""
    _check_order(subject, "truth", domain.truth, ids)
    truth, human = domain.truth(ids).columns, domain.human_labels(ids).columns
    kinds = {name: (c.values.dtype, c.role, c.vocabulary, c.offsets is None) for name, c in truth.items()}
    wanted = {name: (c.values.dtype, c.role, c.vocabulary, c.offsets is None) for name, c in human.items()}
    demand(
        not kinds or kinds == wanted,
        f"{subject.name}.truth has the columns {kinds}, and human_labels have {wanted}; give no column where human "
        "labels are right",
    )


def _check_order(subject: Subject, method: str, of: Any, ids: Ints) -> None:
    """What is asked of ids does not depend on their order, nor on what else is asked for."""
    frame, order = of(ids), np.array(shuffled(len(ids)), np.int64)
    if not frame.columns:
        return
    demand(len(frame) == len(ids), f"{subject.name}.{method} gives {len(frame)} rows for {len(ids)} ids")
    column = differing(of(ids[order]), frame.take(order))
    demand(column is None, f"{subject.name}.{method}: the column {column!r} depends on the order of ids")
    few = order[: max(1, len(order) // 3)]
    column = differing(of(ids[few]), frame.take(few))
    demand(column is None, f"{subject.name}.{method}: the column {column!r} of a sample depends on the other ids")


def _check_references(subject: Subject, domain: Any) -> None:
    tables = domain.references(work("references"))
    demand(TEST in tables, f"{subject.name}.references has no table 'test'")
    names = names_in(domain)
    for name, table in tables.items():
        again = domain.references(work("references"))[name]
        column = differing(table, again)
        demand(column is None, f"{subject.name}.references: {name}.{column} differs from call to call")
        check_vocabularies(f"{subject.name}.references", table, names)


def check_vocabularies(where: str, table: Frame, names: Any) -> None:
    """Columns that index a vocabulary stay within it; -1 stands for nothing."""
    for name, column in table.columns.items():
        if not column.vocabulary or not len(column.values) or column.values.dtype.kind not in "iu":
            continue
        demand(column.vocabulary in names, f"{where}: {name} indexes {column.vocabulary!r}, which vocabularies lacks")
        low, high = int(column.values.min()), int(column.values.max())
        demand(
            low >= -1 and high < len(names[column.vocabulary]),
            f"{where}: {name} has {low} to {high}, and the vocabulary {column.vocabulary!r} has "
            f"{len(names[column.vocabulary])} names (-1 stands for nothing)",
        )
