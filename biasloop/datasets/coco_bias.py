"""COCO with perceived skin colour and gender: its table of images, joined with MS-COCO's captions; no pixels.

Zhao, Wang & Russakovsky, "Understanding and Evaluating Racial Biases in Image Captioning" (2021). Annotations are
handed out on request (`images_val2014.csv`), captions are MS-COCO's `captions_val2014.json`. Only rows of `split` val
count, which is a split within COCO's validation set. `skin` is a list with an entry per person: an image is Light if
all of them are. `bb_skin` and `bb_gender` are of the image. Nothing is assumed of the order of either file.
"""

from __future__ import annotations

import ast
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.data import Ints
from biasloop.datasets.annotated import NONE, Annotated, read_json, read_rows, require_unique
from biasloop.datasets.assets import Asked, Asset
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Bools

IMAGES, CAPTIONS = "images_val2014.csv", "captions_val2014.json"
SPLIT, LABELS, TEXTS = "split.txt", "images.csv", "captions.jsonl"
"""What is made of them: file names of the split, an image a row with its classes, a caption a row with its image."""
SKINS = ("Light", "Dark")
CLASSES: Mapping[str, tuple[str, ...]] = {"gender": ("Male", "Female"), "skin": SKINS, "bb_skin": SKINS}
_LONGEST = 10_000  # characters of a list

COCO_BIAS = Asset(
    name="coco-bias",
    summary="15,762 images of COCO's validation set with perceived gender and skin colour of the people in them",
    homepage="https://princetonvisualai.github.io/imagecaptioning-bias/",
    licence="for research, as agreed with the publisher; captions CC BY 4.0",
    citation=(
        "D. Zhao, A. Wang, O. Russakovsky (2021). Understanding and Evaluating Racial Biases in Image Captioning. "
        "ICCV. arXiv:2106.08503."
    ),
    asked=Asked(
        f"its page has the form to fill in for {IMAGES}; {CAPTIONS} is MS-COCO's; then `biasloop fetch coco-bias "
        f"--images {IMAGES} --annotations {CAPTIONS}`",
        (SPLIT, LABELS, TEXTS),
    ),
)


def read(images: Path, captions: Path) -> Annotated:
    """Images of the split and their classes, in the table's order, and their captions, in the order of images.

    Images without a caption stay candidates.

    Raises:
        InvalidInput: a file is not as published, an image is there twice, or no image is of a class.
    """
    columns = ["id", "file_name", "split", "bb_gender", "skin", "bb_skin"]
    ids, *rest = read_rows(images, columns)
    require_unique(images, "id", ids)
    kept = [row for row, split in enumerate(rest[1]) if split == "val"]
    if not kept:
        raise InvalidInput(f"{images}: no row has split val (there are {', '.join(sorted(set(rest[1])))})")
    files, _, genders, skins, bb_skins = ([values[row] for row in kept] for values in rest)
    require_unique(images, "file_name", files)
    numbers = _numbers(images, [ids[row] for row in kept])
    values = {"gender": genders, "skin": _of_lists(images, skins), "bb_skin": bb_skins}
    codes, left = {}, {}
    for attribute, names in values.items():
        codes[attribute], left[attribute] = _coded(images, attribute, names)
    of_image, texts, keys = _captions(captions)
    image_of, order = aligned(numbers, of_image)
    return Annotated(
        images, tuple(files), CLASSES, codes, left, tuple(texts[row] for row in order.tolist()),
        tuple(keys[row] for row in order.tolist()), image_of,
    )  # fmt: skip


def aligned(images: Ints, of_captions: Ints) -> tuple[Ints, Ints]:
    """Which captions are of the images.

    Args:
        images: `(N,)` ids, each once, in any order.
        of_captions: `(C,)` the image id of each caption, in any order.

    Returns:
        `(Q,)` positions of images, in their order, and `(Q,)` the caption of each, of an image's in the file's order.

    Example:
        >>> positions, captions = aligned(np.array([9, 5]), np.array([5, 9, 7, 5]))
        >>> positions.tolist(), captions.tolist()
        ([0, 1, 1], [1, 0, 3])
    """
    order = np.argsort(images, kind="stable")  # (N,)
    at = np.searchsorted(images[order], of_captions)  # (C,)
    known: Bools = np.zeros(len(of_captions), np.bool_)
    inside = at < len(images)
    known[inside] = images[order[at[inside]]] == of_captions[inside]
    captions = np.flatnonzero(known)
    positions = order[at[captions]]
    by_image = np.argsort(positions, kind="stable")
    return np.asarray(positions[by_image], np.int64), np.asarray(captions[by_image], np.int64)


def _numbers(path: Path, ids: Sequence[str]) -> Ints:
    try:
        return np.array([int(value) for value in ids], np.int64)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{path}: column 'id' must be COCO's image ids, whole numbers ({error})") from error


def _of_lists(path: Path, texts: Sequence[str]) -> list[str]:
    """The value that all entries of a list have; "mixed" for several, "nobody" for none."""
    by_text = {text: _of_list(path, text) for text in set(texts)}
    return [by_text[text] for text in texts]


def _of_list(path: Path, text: str) -> str:
    try:
        entries = ast.literal_eval(text) if len(text) <= _LONGEST else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise InvalidInput(
            f"{path}: skin is {text[:60]!r}; expected a list with an entry for each person, such as ['Light', 'Dark']"
        )
    values = set(entries)
    return values.pop() if len(values) == 1 else "mixed" if values else "nobody"


def _coded(path: Path, attribute: str, values: Sequence[str]) -> tuple[Ints, dict[str, int]]:
    """`(N,)` classes, and values that are none, counted: nobody but the publisher has a list of them.

    Raises:
        InvalidInput: no value is a class, or a value is one in another spelling.
    """
    numbers = {name: number for number, name in enumerate(CLASSES[attribute])}
    left = Counter(value for value in values if value not in numbers)
    spelled = next((value for value in left if value.strip().capitalize() in numbers), None)
    if spelled is not None or sum(left.values()) == len(values):
        value = next(iter(left)) if spelled is None else spelled
        raise InvalidInput(
            f"{path}: {attribute} is {value!r}, and not {' or '.join(numbers)}; these are annotations in another "
            "vocabulary"
        )
    return np.array([numbers.get(value, NONE) for value in values], np.int64), dict(left)


def _captions(path: Path) -> tuple[Ints, list[str], list[str]]:
    """The image, text and key of each caption."""
    entries = read_json(path).get("annotations")
    try:
        if not isinstance(entries, list):
            raise TypeError
        images = np.array([entry["image_id"] for entry in entries], np.int64)
        texts = [entry["caption"] for entry in entries]
        keys = [str(entry["id"]) for entry in entries]
        " ".join(texts)  # a text each
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{path} has no list of annotations with image_id, id and caption; give MS-COCO's {CAPTIONS}"
        ) from error
    require_unique(path, "caption", keys)
    return images, texts, keys


def written(annotated: Annotated) -> dict[str, bytes]:
    """What is made of the published files: content by name, as `read_made` reads it."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file_name", *CLASSES])
    for row, key in enumerate(annotated.keys):
        writer.writerow([key, *([*CLASSES[a], "none"][annotated.codes[a][row]] for a in CLASSES)])  # `NONE` is the last
    captions = [
        json.dumps({"key": key, "image": annotated.keys[image], "caption": text})
        for key, image, text in zip(
            annotated.caption_keys, annotated.image_of.tolist(), annotated.captions, strict=True
        )
    ]
    return {
        SPLIT: "".join(f"{key}\n" for key in annotated.keys).encode(),
        LABELS: table.getvalue().encode(),
        TEXTS: "".join(f"{line}\n" for line in captions).encode(),
    }


def read_made(directory: Path) -> Annotated:
    """The same of the files that `written` has made.

    Raises:
        InvalidInput: a file is not there, or not as it was made.
    """
    labels, texts = directory / LABELS, directory / TEXTS
    keys, *values = read_rows(labels, ["file_name", *CLASSES])
    require_unique(labels, "file_name", keys)
    codes, left = {}, {}
    for attribute, names in zip(CLASSES, values, strict=True):
        codes[attribute], left[attribute] = _coded(labels, attribute, names)
    caption_keys, images, captions = read_rows(texts, ["key", "image", "caption"])
    at = {key: row for row, key in enumerate(keys)}
    try:
        image_of = np.array([at[image] for image in images], np.int64)
    except KeyError as error:
        raise InvalidInput(f"{texts}: image {error.args[0]!r} is not in {labels}; fetch coco-bias anew") from error
    return Annotated(labels, tuple(keys), CLASSES, codes, left, tuple(captions), tuple(caption_keys), image_of)
