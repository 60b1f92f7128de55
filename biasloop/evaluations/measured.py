"""Measured numbers of embeddings as scripts read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from biasloop.contract.data import Metric
from biasloop.datasets.annotated import Annotated
from biasloop.evaluations.result import ends_of

NOBODY = "no image is of the group"


def told(metric: Metric, ends: tuple[float, float]) -> dict[str, Any]:
    """Value, n, standard error and 95 % interval; None where there is none, with the reason where it is 0/0."""
    if math.isnan(metric.value):
        return {"value": None, "n": metric.n, "se": None, "interval": None, "reason": NOBODY}
    error = None if math.isnan(metric.error) else metric.error
    return {"value": metric.value, "n": metric.n, "se": error, "interval": ends_of(ends)}


def spans_of(numbers: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """The intervals of numbers that have one, by name."""
    return {name: tuple(number["interval"]) for name, number in numbers.items() if number["interval"] is not None}


def flat(groups: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """A row for each group and number of it, by attribute and group."""
    return [
        {
            "attribute": attribute, "group": group, "metric": name, "value": number["value"], "n": number["n"],
            "se": number["se"], "low": (number["interval"] or [None])[0], "high": (number["interval"] or [None])[-1],
        }
        for attribute, of_attribute in groups.items()
        for group, numbers in of_attribute.items()
        for name, number in numbers.items()
    ]  # fmt: skip


def largest_gap(values: Sequence[Metric]) -> tuple[int, int] | None:
    """Positions of the largest and the smallest of several values; None where fewer than two are known."""
    known = [index for index, metric in enumerate(values) if not math.isnan(metric.value)]
    if len(known) < 2:
        return None
    by_value = sorted(known, key=lambda index: values[index].value)
    return by_value[-1], by_value[0]


def remarks(annotated: Annotated, stored: int) -> list[str]:
    """What of annotations and embeddings takes no part, counted."""
    notes = []
    if stored > len(annotated):
        notes.append(f"{stored - len(annotated):,} embeddings of images without annotations take no part")
    for attribute, why in annotated.left.items():
        total = sum(why.values())
        if total:
            listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(why.items()))
            notes.append(f"{total:,} images are in no class of {attribute} ({listed})")
    for attribute, names in annotated.classes.items():
        empty = [name for number, name in enumerate(names) if not (annotated.codes[attribute] == number).any()]
        if empty:
            notes.append(f"no image is of {attribute} {', '.join(empty)}: nothing is measured of it")
    return notes
