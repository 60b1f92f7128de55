"""Zero-shot classification of GeoDE's objects, by region: accuracy, and how far the best and worst region are apart."""

from __future__ import annotations

import math

import numpy as np

from biasloop.contract.data import Metric
from biasloop.datasets.annotated import Annotated
from biasloop.evaluations.measured import flat, largest_gap, remarks, spans_of, told
from biasloop.evaluations.result import EvaluationResult
from biasloop.metrics.intervals import newcombe, wilson
from biasloop.metrics.shares import share_of
from biasloop.predictions.embeddings import Embeddings

GATES = ("accuracy", "gap.region")


def prompt(name: str) -> str:
    """The text that stands for an object, as `dog`, `hand_soap` and `Oven` may be written."""
    words = name.replace("_", " ").strip().lower()
    return f"a photo of {'an' if words[:1] in 'aeiou' else 'a'} {words}"


def geode(embeddings: Embeddings, annotated: Annotated) -> EvaluationResult:
    """Accuracy of the object whose prompt has the highest cosine, overall, by region and by object.

    Of equal cosines the object that comes first in the alphabet counts.

    Args:
        embeddings: of all images, and of each object's `prompt`, under its own words.
        annotated: images with object and region.

    Raises:
        InvalidInput: images or prompts have no embedding.
    """
    features = embeddings.features[embeddings.of_images(annotated.keys, annotated.path)]
    objects, regions = annotated.classes["object"], annotated.classes["region"]
    rows = embeddings.of_texts([prompt(name) for name in objects], annotated.path)
    assert embeddings.texts is not None
    guesses = (features @ embeddings.texts[rows].T).argmax(axis=1)  # (N,)
    hits = guesses == annotated.codes["object"]  # (N,)
    by_region = [share_of(hits[annotated.codes["region"] == number]) for number in range(len(regions))]
    by_object = [share_of(hits[annotated.codes["object"] == number]) for number in range(len(objects))]
    groups = {
        "": {"all": {"accuracy": _told(share_of(hits))}},
        "region": {name: {"accuracy": _told(metric)} for name, metric in zip(regions, by_region, strict=True)},
        "object": {name: {"accuracy": _told(metric)} for name, metric in zip(objects, by_object, strict=True)},
    }
    pair = largest_gap(by_region)
    details = {"model": dict(embeddings.about), "groups": groups}
    value = math.nan
    if pair is not None:
        best, worst = by_region[pair[0]], by_region[pair[1]]
        value = best.value - worst.value
        gap = Metric(value, best.n + worst.n, math.hypot(best.error, worst.error))
        ends = newcombe((round(best.value * best.n), best.n), (round(worst.value * worst.n), worst.n))
        details["gap"] = told(gap, ends) | {"largest": regions[pair[0]], "smallest": regions[pair[1]]}
    return EvaluationResult(
        n=len(np.atleast_1d(hits)),
        metrics={"accuracy": float(hits.mean()), "gap.region": value},
        details=details,
        rows=flat(groups),
        spans=spans_of({"accuracy": groups[""]["all"]["accuracy"], **({"gap.region": details["gap"]} if pair else {})}),
        reason={} if pair else {"gap.region": "fewer than two regions have images"},
        notes=remarks(annotated, len(embeddings.keys)),
    )


def _told(metric: Metric) -> dict[str, object]:
    return told(metric, wilson(round(metric.value * metric.n), metric.n))
