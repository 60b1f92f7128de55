"""FairFace: faces with race, gender and age, as its label files have them; no pixels.

Columns `file` (`train/1.jpg`), `age`, `gender`, `race`. Kärkkäinen & Joo, "FairFace" (2021). A spreadsheet turns two
of the ages into dates (`9-Mar`, `19-Oct`); these are read as what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from biasloop.datasets.annotated import Annotated, coded, read_rows, require_unique

CLASSES: Mapping[str, tuple[str, ...]] = {
    "race": ("East Asian", "Indian", "Southeast Asian", "White", "Middle Eastern", "Latino_Hispanic", "Black"),
    "gender": ("Female", "Male"),
    "age": ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"),
}
"""In the published order."""
_DATES = {"9-Mar": "3-9", "19-Oct": "10-19"}


def read(path: Path) -> Annotated:
    """Images and their classes.

    Raises:
        InvalidInput: a column is not there, a row lacks a value, a file is there twice, or a value is none of
            FairFace's.
    """
    files, *labels = read_rows(path, ["file", *CLASSES])
    require_unique(path, "file", files)
    codes = {
        attribute: coded(path, attribute, (_DATES.get(value, value) for value in values), CLASSES[attribute], ())
        for attribute, values in zip(CLASSES, labels, strict=True)
    }
    return Annotated(path, tuple(files), CLASSES, codes)
