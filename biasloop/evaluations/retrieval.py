"""Retrieval of annotated images by their captions: R@k by group and gaps between groups, of PHASE and of COCO.

The candidates are all annotated images, whatever the group; a group restricts the captions that ask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from biasloop.contract.data import Bools, Floats, Ints, Metric
from biasloop.datasets.annotated import NONE, Annotated
from biasloop.datasets.gender_words import has_gender_word
from biasloop.errors import InvalidInput
from biasloop.evaluations.measured import flat, largest_gap, remarks, spans_of, told
from biasloop.evaluations.result import EvaluationResult
from biasloop.metrics import retrieval as measuring
from biasloop.metrics.intervals import newcombe, wilson
from biasloop.predictions.embeddings import Embeddings

KS = (1, 5, 10)
Compat = Literal["fixed", "released"]


def gates(classes: Mapping[str, Sequence[str]]) -> list[str]:
    """What a gate may name: recall over all captions, and the largest gap between classes of an attribute."""
    return [*(f"R@{k}" for k in KS), *(f"gap@{k}.{attribute}" for attribute in classes for k in KS)]


@dataclass(frozen=True)
class _Queries:
    """Captions with the rank of their images, and the groups that they are of.

    Attributes:
        by_rank: `(Q,)`.
        classes: `(Q,)` class of each caption's image, by attribute.
        clusters: `(Q,)` the image of each caption; None where each has one.
        spoken: `(Q,)` whether a caption has a word that says a gender, whatever the picture shows.
    """

    by_rank: Ints
    classes: Mapping[str, Ints]
    clusters: Ints | None
    spoken: Bools

    def hits(self, k: int) -> Floats:
        """`(Q,)` 1.0 where the image is among the first k."""
        return (self.by_rank < k).astype(np.float64)

    def units(self, rows: Bools) -> int:
        """Images that some captions ask for."""
        return int(np.count_nonzero(rows) if self.clusters is None else len(np.unique(self.clusters[rows])))


def retrieval(
    embeddings: Embeddings, annotated: Annotated, *, against: Embeddings | None = None, compat: Compat = "fixed"
) -> EvaluationResult:
    """R@1, R@5 and R@10 over all captions and by group, and gaps.

    Args:
        embeddings: of all annotated images and captions.
        annotated: images, captions and classes.
        against: those of another model, with which the first is compared caption by caption.
        compat: "released": as the published code scores, which divides all images by the length of the first; needs
            the lengths.

    Raises:
        InvalidInput: images or captions have no embedding, or lengths are not stored.
    """
    if not len(annotated.captions):
        raise InvalidInput(f"{annotated.path} has no captions that could ask for images")
    here = _queries(embeddings, annotated, compat)
    answer = _of_model(here, embeddings, annotated, compat)
    if against is None:
        return answer
    there = _queries(against, annotated, compat)
    other = _of_model(there, against, annotated, compat)
    details = {**answer.details, "against": other.as_json(), "difference": _differences(here, there, annotated, answer)}
    return replace(answer, details=details)


def _queries(embeddings: Embeddings, annotated: Annotated, compat: Compat) -> _Queries:
    images = embeddings.of_images(annotated.keys, annotated.path)
    texts = embeddings.of_texts(annotated.caption_keys, annotated.path)
    assert embeddings.texts is not None
    features = embeddings.features[images]
    if compat == "released":
        if embeddings.norms is None:
            raise InvalidInput(
                f"{embeddings.path} does not have the lengths that images had ('norms'), on which the released code's "
                "scores depend; leave out --compat, or compute embeddings with `biasloop generate --embeddings`"
            )
        features = features * np.asarray(embeddings.norms[images], np.float32)[:, None]
    by_rank = measuring.ranks(embeddings.texts[texts], features, annotated.image_of, cosine=compat == "fixed")
    single = len(np.unique(annotated.image_of)) == len(annotated.image_of)
    classes = {attribute: codes[annotated.image_of] for attribute, codes in annotated.codes.items()}
    spoken = np.array([has_gender_word(caption) for caption in annotated.captions], np.bool_)
    return _Queries(by_rank, classes, None if single else annotated.image_of, spoken)


def _of_model(queries: _Queries, embeddings: Embeddings, annotated: Annotated, compat: Compat) -> EvaluationResult:
    everybody = np.ones(len(queries.by_rank), np.bool_)
    groups = {"": {"all": _recalls(queries, everybody)}}
    gaps: dict[str, dict[str, Any]] = {}
    numbers = dict(groups[""]["all"])
    for attribute, names in annotated.classes.items():
        codes = queries.classes[attribute]
        groups[attribute] = {name: _recalls(queries, codes == number) for number, name in enumerate(names)}
        gaps[attribute] = _gaps(queries, names, codes)
        numbers |= {f"{name}.{attribute}": number for name, number in gaps[attribute].items()}
    spoken = {"gender word": queries.spoken, "no gender word": ~queries.spoken}
    groups["caption"] = {name: _recalls(queries, rows) for name, rows in spoken.items()}
    metrics = {name: math.nan if number["value"] is None else number["value"] for name, number in numbers.items()}
    missing = {name: "fewer than two classes have captions" for name, value in metrics.items() if math.isnan(value)}
    return EvaluationResult(
        n=len(queries.by_rank),
        metrics=metrics,
        details={
            "images": len(annotated), "compat": compat, "model": dict(embeddings.about), "groups": groups, "gaps": gaps,
            "left": {attribute: dict(why) for attribute, why in annotated.left.items()},
            "gaps_by_caption": {
                name: {
                    attribute: _gaps(queries, names, np.where(rows, queries.classes[attribute], NONE))
                    for attribute, names in annotated.classes.items()
                }
                for name, rows in spoken.items()
            },
        },
        rows=flat(groups),
        spans=spans_of(numbers),
        reason=missing,
        notes=[*remarks(annotated, len(embeddings.keys)), *_chance(gaps)],
    )  # fmt: skip


def _chance(gaps: Mapping[str, Any]) -> list[str]:
    """What to know of a largest difference of more than two."""
    many = [attribute for attribute, of in gaps.items() if of[f"gap@{KS[0]}"].get("classes", 0) > 2]
    if not many:
        return []
    names = ", ".join(many)
    return [
        f"a largest gap of several classes ({names}) is above 0 by chance, too; its interval is that of two of them"
    ]


def _recalls(queries: _Queries, rows: Bools) -> dict[str, Any]:
    """R@k of some captions."""
    numbers = {}
    for k in KS:
        metric = measuring.recall(queries.by_rank, k, rows, queries.clusters)
        if queries.clusters is None and metric.n:
            ends = wilson(round(metric.value * metric.n), metric.n)
        else:
            ends = measuring.interval(metric, 0, 1, queries.units(rows))
        numbers[f"recall@{k}"] = told(metric, ends)
    return numbers


def _gaps(queries: _Queries, names: Sequence[str], codes: Ints) -> dict[str, Any]:
    """Of an attribute, for each k."""
    return {f"gap@{k}": _gap(queries, names, codes, k) for k in KS}


def _gap(queries: _Queries, names: Sequence[str], codes: Ints, k: int) -> dict[str, Any]:
    """The largest difference of R@k between classes; of two classes also the first minus the second."""
    hits = queries.hits(k)
    values = [measuring.mean(hits, codes == number) for number in range(len(names))]
    pair = largest_gap(values)
    if pair is None:
        return told(Metric(math.nan, 0), (math.nan, math.nan))
    number = told(*_between(queries, hits, codes, pair))
    number |= {
        "largest": names[pair[0]], "smallest": names[pair[1]],
        "classes": sum(1 for metric in values if metric.n),
    }  # fmt: skip
    if len(names) == 2:
        number["signed"] = told(*_between(queries, hits, codes, (0, 1))) | {"of": f"{names[0]} - {names[1]}"}
    return number


def _between(queries: _Queries, hits: Floats, codes: Ints, pair: tuple[int, int]) -> tuple[Metric, tuple[float, float]]:
    """A gap and its interval."""
    first, second = codes == pair[0], codes == pair[1]
    metric = measuring.gap(hits, first, second, queries.clusters)
    if queries.clusters is not None:
        return metric, measuring.interval(metric, -1, 1, queries.units(first | second))
    counts = [(int(hits[rows].sum()), int(np.count_nonzero(rows))) for rows in (first, second)]
    return metric, newcombe(counts[0], counts[1])


def _differences(here: _Queries, there: _Queries, annotated: Annotated, answer: EvaluationResult) -> dict[str, Any]:
    """How much larger each number of the first model is, paired by caption; gaps are of the same two classes."""
    numbers = {}
    everybody = np.ones(len(here.by_rank), np.bool_)
    for k in KS:
        moved = here.hits(k) - there.hits(k)  # (Q,) -1, 0 or 1
        numbers[f"recall@{k}"] = _paired(here, moved, everybody)
        for attribute, names in annotated.classes.items():
            codes = here.classes[attribute]
            for number, name in enumerate(names):
                numbers[f"recall@{k}.{attribute}.{name}"] = _paired(here, moved, codes == number)
            of = answer.details["gaps"][attribute][f"gap@{k}"]
            if of["value"] is not None:
                first, second = (codes == names.index(of[end]) for end in ("largest", "smallest"))
                metric = measuring.gap(moved, first, second, here.clusters)
                ends = measuring.interval(metric, -2, 2, here.units(first | second))
                numbers[f"gap@{k}.{attribute}"] = told(metric, ends)
    return numbers


def _paired(queries: _Queries, moved: Floats, rows: Bools) -> dict[str, Any]:
    metric = measuring.mean(moved, rows, queries.clusters)
    return told(metric, measuring.interval(metric, -1, 1, queries.units(rows)))
