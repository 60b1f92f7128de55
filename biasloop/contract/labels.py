"""Labels that are a class a row, given by probabilities; and what labels of any kind read as.

A label rule is `ARGMAX`, the most probable class, or `SAMPLE`, one drawn with the probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from biasloop.contract.data import Array, Column, Floats, Frame, Ints, Vocabularies
from biasloop.contract.names import CLASSES, CONFIDENCE, TARGET, TEXT
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.randomness import Streams

ARGMAX, SAMPLE = "argmax", "sample"
BETWEEN = "; "
"""Stands between the names of classes where a row has several."""

Cell = str | float | None
"""Of a row that somebody reads; None where there is no value."""


def softmax(logits: Array) -> Floats:
    """Probabilities in float64 of `(rows, classes)` logits."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def cross_entropy(logits: Array, target: Ints) -> Floats:
    """`(rows,)` minus the logarithm of the probability of each row's class, in float64.

    Args:
        logits: `(rows, classes)`, finite.
        target: `(rows,)` class ids.

    Raises:
        InvalidInput: a target is no class.
    """
    if len(target) and not 0 <= target.min() <= target.max() < logits.shape[1]:
        raise InvalidInput(f"a loss needs a class from 0 to {logits.shape[1] - 1} in every row")
    shifted = logits.astype(np.float64) - logits.max(1, keepdims=True, initial=-np.inf)  # (rows, classes)
    return np.asarray(np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(target)), target], np.float64)


def most_probable(scores: Array) -> Ints:
    """`(rows,)` the class of the highest of `(rows, classes)` logits or probabilities; of equals the first."""
    return np.asarray(scores.argmax(1), np.int64)


def draw(probabilities: Floats, uniform: Floats) -> Ints:
    """The class at which summed probabilities pass a uniform number, row by row (inverse CDF).

    Args:
        probabilities: `(rows, classes)`; those of a row sum to 1, or to what rounding made of it.
        uniform: `(rows,)` in [0, 1).

    Returns:
        `(rows,)` class ids; a class of probability 0 is never drawn.
    """
    summed = probabilities.cumsum(1)  # (rows, classes)
    # Rounding may leave the last sum below 1; divided by it, it is above any uniform number.
    return np.asarray((summed / summed[:, -1:] <= uniform[:, None]).sum(1), np.int64)


def check_rule(by: str, domain: str) -> None:
    """Refuse a label rule that is neither of both.

    Raises:
        InvalidInput: naming both.
    """
    if by not in (ARGMAX, SAMPLE):
        raise InvalidInput(f"loop.label_by is {by!r}; domain {domain} knows {ARGMAX} and {SAMPLE}")


def labelled(probabilities: Floats, by: str, ids: Ints, streams: Streams, *, best: Ints | None = None) -> Frame:
    """Labels by a rule, each with its probability; a drawn one depends on (stream, id), not on other rows.

    Args:
        probabilities: `(rows, classes)`.
        by: `ARGMAX` or `SAMPLE`.
        ids: `(rows,)`.
        streams: of the call; labels are drawn with the first uniform number of each id.
        best: `(rows,)` the most probable class, where something tells it more exactly than rounded probabilities do.

    Returns:
        As `class_labels`.
    """
    if by == ARGMAX:
        target = most_probable(probabilities) if best is None else best
    else:
        target = draw(probabilities, streams.uniform(ids)[:, 0])
    return class_labels(target, probabilities[np.arange(len(ids)), target])


def class_labels(target: Ints, confidence: Floats, vocabulary: str = CLASSES) -> Frame:
    """The frame of labels that are a class a row.

    Args:
        target: `(rows,)` class ids, kept as int64.
        confidence: `(rows,)` in each label, kept as float32; 1 of human labels, NaN where nobody said.
        vocabulary: that classes index.
    """
    return Frame({
        TARGET: Column(target.astype(np.int64), role=TARGET, vocabulary=vocabulary),
        CONFIDENCE: Column(confidence.astype(np.float32), role=CONFIDENCE),
    })  # fmt: skip


def described(labels: Frame, vocabularies: Vocabularies) -> Mapping[str, list[Cell]]:
    """What labels read as where a domain does not say it better (`Describing`): cells of each column.

    Left out is what has several values a row that are no classes (tokens, embeddings, pictures).
    """
    cells: dict[str, list[Cell]] = {}
    for name, column in labels.columns.items():
        texts = texts_of(column, vocabularies)
        if texts is not None:
            cells[name] = [*texts]
        elif column.offsets is None and column.values.ndim == 1:
            cells[name] = column.values.tolist()
    return cells


def texts_of(column: Column, vocabularies: Vocabularies) -> list[str | None] | None:
    """What a column of texts, or of numbers of classes, reads as; None for a column of something else.

    A number that is no class (-1 is padding, or says that nobody knows) has no text, a row without a class neither.
    Several classes of a row are one text.
    """
    if column.offsets is not None:
        return [*column.strings()] if column.role == TEXT else None
    names = vocabularies.get(column.vocabulary)
    if names is None or column.values.dtype.kind not in "iu":
        return None
    if column.values.ndim == 1:
        return [names[value] if 0 <= value < len(names) else None for value in column.values.tolist()]
    rows = column.values.reshape(len(column), math.prod(column.values.shape[1:])).tolist()  # (rows, classes of each)
    return [BETWEEN.join(names[value] for value in row if 0 <= value < len(names)) or None for row in rows]
