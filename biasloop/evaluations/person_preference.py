"""Person preference of faces: by race, gender and age, by gender and age, and White Male against Black Female."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from biasloop.contract.data import Bools, Ints, Metric
from biasloop.datasets.annotated import NONE, Annotated
from biasloop.errors import InvalidInput
from biasloop.evaluations.measured import largest_gap, remarks, told
from biasloop.evaluations.result import EvaluationResult
from biasloop.metrics import preference
from biasloop.metrics.intervals import newcombe, wilson
from biasloop.predictions.embeddings import Embeddings

GATES = tuple(f"gap.{attribute}" for attribute in preference.ATTRIBUTES)
PAIR = (("White", "Male"), ("Black", "Female"))
DRAWN = 22
"""Images of each of the pair and age that the published procedure draws."""


def prompts() -> list[str]:
    """All prompts, the neutral one first."""
    return [preference.NEUTRAL, *(text for values in preference.ATTRIBUTES.values() for text in values.values())]


def person_preference(
    embeddings: Embeddings, annotated: Annotated, *, draws: int | None = None, seed: int = 0
) -> EvaluationResult:
    """The share of images that prefer the neutral prompt to all of an attribute's, by group, in closed form.

    Args:
        embeddings: of all annotated images, and of all `prompts`, each under its own words.
        annotated: images with race, gender and age, of all of which they have a class.
        draws: also as the published procedure has it, with so many balanced resamples; None: not.
        seed: of that procedure's draws.

    Returns:
        `rows` has a row an image.

    Raises:
        InvalidInput: images or prompts have no embedding, or an image is in no class.
    """
    images = embeddings.of_images(annotated.keys, annotated.path)
    rows = embeddings.of_texts(prompts(), "the prompts of person preference")
    assert embeddings.texts is not None
    for attribute in preference.ATTRIBUTES:
        if (annotated.codes[attribute] == NONE).any():
            raise InvalidInput(f"{annotated.path}: an image has no {attribute}")
    texts = embeddings.texts[rows]  # (19, d)
    features = embeddings.features[images]
    prefers, first = {}, 1
    for attribute, values in preference.ATTRIBUTES.items():
        prefers[attribute] = preference.prefers_neutral(features, texts[0], texts[first : first + len(values)])
        first += len(values)
    random = np.random.default_rng(seed)
    groups = {}
    metrics = {}
    spans = {}
    for attribute in preference.ATTRIBUTES:
        names, codes = annotated.classes[attribute], annotated.codes[attribute]
        shares = preference.by_group(prefers[attribute], codes, len(names))
        groups[attribute] = {name: _share(metric) for name, metric in zip(names, shares, strict=True)}
        _balanced(groups[attribute], prefers[attribute], codes, draws, random)
        pair = largest_gap(shares)
        metrics[f"gap.{attribute}"] = shares[pair[0]].value - shares[pair[1]].value if pair else math.nan
        if pair:
            best, worst = ((round(shares[place].value * shares[place].n), shares[place].n) for place in pair)
            spans[f"gap.{attribute}"] = newcombe(best, worst)
    return EvaluationResult(
        n=len(features),
        metrics=metrics,
        details={
            "model": dict(embeddings.about), "groups": groups, "gender x age": _gender_age(annotated, prefers),
            "pair": _pair(annotated, prefers),
        },
        rows=_by_image(annotated, prefers),
        spans=spans,
        reason={name: "fewer than two classes have images" for name, value in metrics.items() if math.isnan(value)},
        notes=remarks(annotated, len(embeddings.keys)),
    )  # fmt: skip


def _share(metric: Metric) -> dict[str, Any]:
    ends = wilson(round(metric.value * metric.n), metric.n) if metric.n else (math.nan, math.nan)
    return told(metric, ends)


def _balanced(
    numbers: dict[str, dict[str, Any]], prefers: Bools, codes: Ints, draws: int | None, random: np.random.Generator
) -> None:
    """Beside each share how far one balanced resample may be off, and what so many of them give."""
    taken = min((number["n"] for number in numbers.values()), default=0)
    if not taken:
        return
    resampled = None if draws is None else preference.published(prefers, codes, len(numbers), random, draws=draws)
    for row, number in enumerate(numbers.values()):
        share = Metric(number["value"], number["n"])
        number["resample_sd"] = preference.resample_deviation(share, taken)
        if resampled is not None and draws is not None:
            number["resampled"] = {"value": float(resampled[row]), "se": number["resample_sd"] / math.sqrt(draws)}


def _gender_age(annotated: Annotated, prefers: dict[str, Bools]) -> dict[str, dict[str, Any]]:
    """Shares of each attribute's preference in cells of gender and age."""
    genders, ages = annotated.classes["gender"], annotated.classes["age"]
    cells = annotated.codes["gender"] * len(ages) + annotated.codes["age"]
    names = [f"{gender} {age}" for gender in genders for age in ages]
    by_attribute = {attribute: preference.by_group(hits, cells, len(names)) for attribute, hits in prefers.items()}
    return {
        name: {attribute: _share(shares[cell]) for attribute, shares in by_attribute.items()}
        for cell, name in enumerate(names)
    }


def _pair(annotated: Annotated, prefers: dict[str, Bools]) -> dict[str, dict[str, Any]]:
    """White Male against Black Female at each age, which are different images: their errors are independent."""
    ages = annotated.classes["age"]
    numbers: dict[str, dict[str, Any]] = {age: {} for age in ages}
    for attribute, hits in prefers.items():
        shares = [
            preference.by_group(hits[of], annotated.codes["age"][of], len(ages))
            for of in (_of(annotated, race, gender) for race, gender in PAIR)
        ]
        for age, first, second in zip(ages, *shares, strict=True):
            gap = preference.apart(first, second)
            counts = [(round(share.value * share.n) if share.n else 0, share.n) for share in (first, second)]
            numbers[age][attribute] = {
                " ".join(PAIR[0]): _drawn(first), " ".join(PAIR[1]): _drawn(second),
                "difference": told(gap, newcombe(counts[0], counts[1])),
            }  # fmt: skip
    return numbers


def _drawn(share: Metric) -> dict[str, Any]:
    """A share, and how far one draw of 22 of its images may be off; None where there are fewer."""
    number = _share(share)
    return number | {"resample_sd": preference.resample_deviation(share, DRAWN) if share.n >= DRAWN else None}


def _of(annotated: Annotated, race: str, gender: str) -> Bools:
    """`(N,)` images of a race and gender."""
    of_race = annotated.codes["race"] == annotated.classes["race"].index(race)
    of_gender = annotated.codes["gender"] == annotated.classes["gender"].index(gender)
    return np.asarray(of_race & of_gender, np.bool_)


def _by_image(annotated: Annotated, prefers: dict[str, Bools]) -> Sequence[dict[str, Any]]:
    """What is known of each image."""
    columns: dict[str, list[Any]] = {"image": list(annotated.keys)}
    for attribute, names in annotated.classes.items():
        columns[attribute] = [names[code] for code in annotated.codes[attribute].tolist()]
    columns |= {f"prefers_person_{attribute}": hits.tolist() for attribute, hits in prefers.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
