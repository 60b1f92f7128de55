"""PHASE: people in images of Conceptual Captions, with six attributes each; no pixels.

The "regions" file has an object per image id: its caption, and an object per person (`region`, `annotations`) whose
annotations are the annotators' majority. Garcia et al., "Uncurated Image-Text Datasets: Shedding Light on Demographic
Bias" (2023). An image is of a class if all of its people carry that value: mixed images, `unsure` and `disagreement`
are in none, and are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from biasloop.datasets.annotated import NONE, Annotated, read_json
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

UNDECIDED = ("unsure", "disagreement")
CHILDREN = "baby&child"
CLASSES: Mapping[str, tuple[str, ...]] = {
    "age": (CHILDREN, "young", "adult", "senior"),
    "gender": ("male", "female"),
    "skintone": ("lighter", "darker"),
    "ethnicity": ("black", "east_asian", "indian", "latino", "middle_eastern", "southeast_asian", "white"),
    "emotion": ("happiness", "sadness", "fear", "anger", "neutral"),
    "activity": (
        "helping and caring", "eating", "household", "dance and music", "personal care", "posing", "sports",
        "transportation", "work",
    ),
}  # fmt: skip
"""Those that are reported, by attribute, in the published order; emotion and activity are annotated, not published."""
_CHILDREN = {"fixed": ("baby", "child"), "released": ("baby", "children")}
_OTHER: Mapping[str, tuple[str, ...]] = {"ethnicity": ("other",), "activity": ("other",)}

Compat = Literal["fixed", "released"]


def read(path: Path, compat: Compat = "fixed") -> Annotated:
    """Images, captions and classes of a regions file.

    Args:
        path: of the file.
        compat: "released": as the published code has it, children are those called `baby` or `children`, and not those
            that the file calls `child`.

    Raises:
        InvalidInput: the file is none of PHASE's, or has a value that PHASE has not.
    """
    images = read_json(path)
    codes = {attribute: np.full(len(images), NONE, np.int64) for attribute in CLASSES}
    left = {attribute: Counter[str]() for attribute in CLASSES}
    captions = []
    for row, (key, image) in enumerate(images.items()):
        if not isinstance(image, dict) or not isinstance(image.get("caption"), str):
            raise InvalidInput(f"{path}: image {key!r} is no object with a caption; give PHASE's file of regions")
        captions.append(image["caption"])
        people = [_annotations(path, key, name, image[name]) for name in image if name != "caption"]
        for attribute in CLASSES:
            number = _class_of({person[attribute] for person in people}, attribute, compat, left[attribute])
            codes[attribute][row] = number
    keys = tuple(images)
    return Annotated(
        path, keys, CLASSES, codes, {attribute: dict(why) for attribute, why in left.items()}, tuple(captions), keys,
        np.arange(len(keys)),
    )  # fmt: skip


def _annotations(path: Path, key: str, name: str, person: Any) -> dict[str, str]:
    """What is said of a person."""
    values = person.get("annotations") if isinstance(person, dict) else None
    if not isinstance(values, dict):
        raise InvalidInput(f"{path}: {name!r} of image {key!r} has no annotations; give PHASE's file of regions")
    for attribute in CLASSES:
        if values.get(attribute) not in _known(attribute):
            raise InvalidInput(
                f"{path}: {attribute} of {name!r} of image {key!r} is {values.get(attribute)!r}; expected one of "
                f"{', '.join(_known(attribute))}"
            )
    return values


def _known(attribute: str) -> tuple[str, ...]:
    """All values of an attribute."""
    names = CLASSES[attribute]
    if attribute == "age":
        names = ("baby", "child", "children", *names[1:])
    return (*names, *_OTHER.get(attribute, ()), *UNDECIDED)


def _class_of(values: set[str], attribute: str, compat: Compat, left: Counter[str]) -> int:
    """The number of the class that all of an image's people are of; `NONE` and why, counted, where there is none."""
    if compat == "fixed" and "children" in values:
        values = values - {"children"} | {"child"}
    if len(values) != 1:
        left["several values" if values else "no people"] += 1
        return NONE
    (value,) = values
    name = CHILDREN if attribute == "age" and value in _CHILDREN[compat] else value
    if name not in CLASSES[attribute]:
        left[name] += 1
        return NONE
    return CLASSES[attribute].index(name)
