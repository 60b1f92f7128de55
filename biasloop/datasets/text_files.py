"""Texts to encode, by key: of tables, of annotations that hold captions, and prompts."""

from __future__ import annotations

from pathlib import Path

from biasloop.datasets.annotated import columns_of, read_json, read_rows, require_unique
from biasloop.errors import InvalidInput

CAPTION, KEY = "caption", "key"


def read_texts(path: Path) -> dict[str, str]:
    """Texts by key, as they are written.

    A table has a column `caption` and, if wished, `key`; without it keys are numbers of rows, from 0. A .json file is
    PHASE's, of an object with a caption for each image, whose keys are the images', or MS-COCO's, whose keys are the
    captions' ids.

    Raises:
        InvalidInput: it is none of these, or a key is there twice.
    """
    if path.suffix.lower() == ".json":
        return _of_annotations(path)
    if KEY in columns_of(path):
        keys, texts = read_rows(path, [KEY, CAPTION])
    else:
        (texts,) = read_rows(path, [CAPTION])
        keys = [str(row) for row in range(len(texts))]
    require_unique(path, KEY, keys)
    return dict(zip(keys, texts, strict=True))


def _of_annotations(path: Path) -> dict[str, str]:
    document = read_json(path)
    entries = document.get("annotations")
    if isinstance(entries, list):
        pairs = [(str(entry.get("id")), entry.get(CAPTION)) for entry in entries if isinstance(entry, dict)]
    else:
        pairs = [(key, entry.get(CAPTION)) for key, entry in document.items() if isinstance(entry, dict)]
    texts = {key: text for key, text in pairs if isinstance(text, str)}
    if not pairs or "None" in texts or any(not isinstance(text, str) for _, text in pairs):
        raise InvalidInput(f"{path} has no captions; give PHASE's file of regions, MS-COCO's captions, or a table")
    require_unique(path, KEY, [key for key, _ in pairs])
    return texts
