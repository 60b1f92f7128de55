"""What domains say of samples besides labels: scores, probabilities, losses, shares of error, descriptions, texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from biasloop.contract.data import Floats, Frame, Ints, Samples
from biasloop.contract.domains import Comparing, ComparingParts, Continuing, Describing, Probabilistic
from biasloop.contract.inputs import Picturing, Reading
from biasloop.contract.losing import Losing
from biasloop.contract.testing.models import ROUNDING, training_set
from biasloop.contract.testing.subject import Subject, demand, shuffled, work
from biasloop.errors import BiasloopError
from biasloop.lazy import numpy as np

_PROMPTS = ["One day", "The next"]


def check_said(subject: Subject, domain: Any, model: Any, ids: Ints) -> None:
    """The optional capabilities that speak of samples, labels or texts."""
    train = training_set(domain)
    labels = domain.human_labels(train.ids)
    if isinstance(domain, Probabilistic):
        _check_probabilities(subject, domain, model, ids)
    if isinstance(domain, Comparing):
        _check_errors(subject, domain, labels)
    if isinstance(domain, Describing):
        _check_described(subject, domain.describe(train.ids, labels), len(train))
    if isinstance(domain, Picturing):
        check_pictures(subject, domain, ids)
    if isinstance(domain, Reading):
        _check_texts(subject, domain, ids)
    if isinstance(domain, Losing):
        _check_losses(subject, domain, model, train)
    if isinstance(domain, Continuing):
        texts = domain.continuations(model, _PROMPTS, work("continuations"))
        demand(
            len(texts) == len(_PROMPTS) and all(isinstance(text, str) for text in texts),
            f"{subject.name}.continuations gives {len(texts)} for {len(_PROMPTS)} prompts, expected a text for each",
        )


def _check_probabilities(subject: Subject, domain: Any, model: Any, ids: Ints) -> None:
    try:
        probabilities = domain.probabilities(model, ids, work("label"))
    except BiasloopError:
        return  # this model says none
    demand(
        probabilities.ndim == 2 and len(probabilities) == len(ids),
        f"{subject.name}.probabilities has the shape {probabilities.shape}, expected ({len(ids)}, classes)",
    )
    demand(
        bool((probabilities >= 0).all()) and bool(np.allclose(probabilities.sum(1), 1, atol=ROUNDING)),
        f"{subject.name}.probabilities has rows that are not shares of 1",
    )
    few = np.array(shuffled(len(ids)), np.int64)[: max(1, len(ids) // 4)]
    alone = domain.probabilities(model, ids[few], work("label"))
    demand(
        alone.shape == probabilities[few].shape and bool(np.allclose(alone, probabilities[few], atol=ROUNDING)),
        f"{subject.name}.probabilities of a sample depend on which others are asked for",
    )


def _check_errors(subject: Subject, domain: Any, labels: Frame) -> None:
    other = labels.take(np.roll(np.arange(len(labels)), 1))
    _check_shares(f"{subject.name}.errors", domain.errors(labels, labels), domain.errors(other, labels), len(labels))
    if isinstance(domain, ComparingParts):
        same, different = domain.part_errors(labels, labels), domain.part_errors(other, labels)
        demand(
            same.keys() == different.keys() and bool(same),
            f"{subject.name}.part_errors names {', '.join(same) or 'no part'}, and of other labels "
            f"{', '.join(different) or 'none'}; expected the same parts of all",
        )
        for part in same:
            _check_shares(f"{subject.name}.part_errors[{part!r}]", same[part], different[part], len(labels))


def _check_shares(called: str, same: Floats, different: Floats, count: int) -> None:
    demand(
        same.shape == (count,) and not same.any(),
        f"{called} of labels beside themselves are not 0, a number a row",
    )
    demand(bool(((different >= 0) & (different <= 1)).all()), f"{called} has shares that are not from 0 to 1")


def _check_described(subject: Subject, rows: Any, count: int) -> None:
    demand(len(rows) == count, f"{subject.name}.describe gives {len(rows)} rows for {count} samples")
    wrong = {
        f"{name} = {cell!r}"
        for row in rows
        for name, cell in row.items()
        if not isinstance(name, str) or not isinstance(cell, str | int | float | None)
    }
    demand(not wrong, f"{subject.name}.describe gives {', '.join(sorted(wrong)[:3])}; a cell is a text or a number")


def check_pictures(subject: Subject, domain: Any, ids: Ints) -> None:
    """What `pictures` gives: one for each id, whatever else is asked for."""
    pictures = domain.pictures(ids)
    demand(
        pictures.dtype == np.uint8 and pictures.ndim == 4 and len(pictures) == len(ids),
        f"{subject.name}.pictures gives {pictures.dtype} {pictures.shape}, expected uint8 ({len(ids)}, H, W, C)",
    )
    demand(pictures.shape[-1] in {1, 3}, f"{subject.name}.pictures has {pictures.shape[-1]} channels, expected 1 or 3")
    order = np.array(shuffled(len(ids)), np.int64)
    demand(
        bool(np.array_equal(domain.pictures(ids[order]), pictures[order])),
        f"{subject.name}.pictures of a sample depend on the order in which they are asked for",
    )


def _check_texts(subject: Subject, domain: Any, ids: Ints) -> None:
    texts = list(domain.texts(ids))
    demand(
        len(texts) == len(ids) and all(isinstance(text, str) for text in texts),
        f"{subject.name}.texts gives {len(texts)} for {len(ids)} ids, expected a text for each",
    )
    order = shuffled(len(ids))
    demand(
        list(domain.texts(ids[np.array(order, np.int64)])) == [texts[place] for place in order],
        f"{subject.name}.texts of a sample depend on the order in which they are asked for",
    )


def _check_losses(subject: Subject, domain: Any, model: Any, train: Samples) -> None:
    losses, categories = domain.losses(model, train, work("losses")), domain.categories(train)
    demand(
        losses.shape == (len(train),) and bool(np.isfinite(losses).all()),
        f"{subject.name}.losses gives {losses.shape}, expected a finite number for each of {len(train)} samples",
    )
    weighted = domain.losses(model, replace(train, weights=np.full(len(train), 3.0)), work("losses"))
    demand(
        bool(np.allclose(weighted, losses, rtol=ROUNDING, atol=ROUNDING)),
        f"{subject.name}.losses depend on weights; who asks for them multiplies",
    )
    demand(
        categories.shape == (len(train),) and categories.dtype.kind in "iu" and bool((categories >= 0).all()),
        f"{subject.name}.categories gives {categories.dtype} {categories.shape}, expected a number from 0 a sample",
    )
    demand(
        int(categories.max()) < len(domain.category_names()),
        f"{subject.name}.category_names has {len(domain.category_names())} names, and category {categories.max()} is "
        "among the training samples",
    )
