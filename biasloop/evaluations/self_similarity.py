"""Self-similarity of faces by race, gender and age, and by their combinations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biasloop.contract.data import Bools, Floats, Ints, Metric
from biasloop.datasets.annotated import NONE, Annotated
from biasloop.errors import InvalidInput
from biasloop.evaluations.measured import flat, largest_gap, remarks, told
from biasloop.evaluations.result import EvaluationResult
from biasloop.metrics import similarity
from biasloop.metrics.retrieval import interval
from biasloop.predictions.embeddings import Embeddings

GROUPINGS = (("gender",), ("race",), ("age",), ("race", "age"), ("gender", "age"), ("race", "gender", "age"))
"""In the order in which the published code draws."""
GATES = tuple(f"gap.{name}" for (name,) in GROUPINGS[:3])


def self_similarity(
    embeddings: Embeddings, annotated: Annotated, *, draws: int | None = None, seed: int = 0
) -> EvaluationResult:
    """Self-similarity by group, in closed form.

    Args:
        embeddings: of all annotated images.
        annotated: images with race, gender and age.
        draws: also as the published procedure has it, with so many resamples; None: not.
        seed: of that procedure's generator, which goes through gender, race, age, race x age, gender x age and all
            three; the published order within combinations was that of a hash.

    Raises:
        InvalidInput: images have no embedding, or no annotated image is in a class of every attribute.
    """
    features = embeddings.features[embeddings.of_images(annotated.keys, annotated.path)]
    cells, names = _cells(annotated)
    rows = cells != NONE
    if not rows.any():
        raise InvalidInput(f"{annotated.path}: no image is in a class of every attribute")
    cells, features = cells[rows], features[rows]
    chosen = {" x ".join(grouping): _groups(annotated, grouping, names) for grouping in GROUPINGS}
    members = np.concatenate([of.members for of in chosen.values()])  # (G, C)
    measured = iter(similarity.by_group(features, cells, members))
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    metrics: dict[str, float] = {}
    spans: dict[str, tuple[float, float]] = {}
    state = np.random.RandomState(seed)
    for grouping, of in chosen.items():
        values = list(itertools.islice(measured, len(of.names)))
        groups[grouping] = _told(of.names, values, normal=grouping in annotated.classes)
        if grouping in annotated.classes:
            pair = largest_gap(values)
            metrics[f"gap.{grouping}"] = values[pair[0]].value - values[pair[1]].value if pair else math.nan
            if pair:  # different images: their errors are independent
                first, second = (values[place] for place in pair)
                gap = Metric(metrics[f"gap.{grouping}"], first.n + second.n, math.hypot(first.error, second.error))
                spans[f"gap.{grouping}"] = interval(gap, -1, 1, min(first.n, second.n))
        if draws is not None:
            for name, cells_of in zip(of.names, of.members, strict=True):
                groups[grouping][name] |= _drawn(features[cells_of[cells]], state, draws)
    empty = sum(1 for name in groups["race x gender x age"].values() if not name["self_similarity"]["n"])
    notes = remarks(annotated, len(embeddings.keys))
    if empty:
        notes.append(f"{empty} of {members.shape[1]} combinations of race, gender and age have no image")
    return EvaluationResult(
        n=len(features),
        metrics=metrics,
        details={"model": dict(embeddings.about), "groups": groups},
        rows=flat(groups),
        spans=spans,
        reason={name: "fewer than two classes have images" for name, value in metrics.items() if math.isnan(value)},
        notes=notes,
    )


def _cells(annotated: Annotated) -> tuple[Ints, list[tuple[str, ...]]]:
    """`(N,)` the combination of race, gender and age of each image, and the values of each combination."""
    attributes = GROUPINGS[-1]
    cells = np.zeros(len(annotated), np.int64)
    known = np.ones(len(annotated), np.bool_)
    for attribute in attributes:
        codes = annotated.codes[attribute]
        cells = cells * len(annotated.classes[attribute]) + codes
        known &= codes != NONE
    names = list(itertools.product(*(annotated.classes[attribute] for attribute in attributes)))
    return np.where(known, cells, NONE), names


class _Groups:
    """Groups of one or more attributes: what they are called, and which cells they are made of."""

    def __init__(self, names: Sequence[str], members: Bools) -> None:
        self.names, self.members = names, members


def _groups(annotated: Annotated, grouping: Sequence[str], cells: Sequence[tuple[str, ...]]) -> _Groups:
    """In the order of the attributes' values; names are joined by spaces."""
    at = [GROUPINGS[-1].index(attribute) for attribute in grouping]
    of_cells = [tuple(cell[index] for index in at) for cell in cells]
    values = list(itertools.product(*(annotated.classes[attribute] for attribute in grouping)))
    members = np.array([[of == value for of in of_cells] for value in values], np.bool_)  # (groups, C)
    return _Groups([" ".join(value) for value in values], members)


def _told(names: Sequence[str], values: Sequence[Metric], *, normal: bool) -> dict[str, dict[str, Any]]:
    """Numbers by group; of single attributes also by how many percent each is above their mean."""
    numbers = {}
    percents = similarity.normalised(values)
    for name, metric, percent in zip(names, values, percents, strict=True):
        apart = similarity.without_replacement(metric)
        numbers[name] = {
            "self_similarity": told(metric, interval(metric, 0, 1)),
            "different_images": told(apart, interval(apart, -1, 1)),
        }
        if normal:
            numbers[name]["percent"] = told(percent, interval(percent))
    return numbers


def _drawn(features: Floats, state: np.random.RandomState, draws: int) -> Mapping[str, Any]:
    """The published procedure's number, whose error is that of drawing."""
    if not len(features):
        return {}
    value = similarity.published(features, state, draws=draws)
    metric = Metric(value, len(features), similarity.resample_deviation(features) / math.sqrt(draws))
    return {"resampled": told(metric, interval(metric, -1, 1, draws))}
