"""GeoDE: photographs of 40 kinds of objects from six regions of the world; no pixels.

Either a table with the columns of `FILES`, `object` and `region`, as its index has them, or a folder with a folder for
each region, which has a folder for each object. Ramaswamy et al., "GeoDE: a Geographically Diverse Evaluation Dataset
for Object Recognition" (2023).
"""

from __future__ import annotations

from pathlib import Path

from biasloop.datasets.annotated import Annotated, coded, columns_of, read_rows, require_unique
from biasloop.errors import InvalidInput

FILES = ("file_path", "file_name", "file", "path", "image")
"""What the column of images may be called; the first that is there."""


def read(path: Path) -> Annotated:
    """Images with attributes "object" and "region", whose classes are those that occur, sorted.

    Raises:
        InvalidInput: there is neither such a table nor such a folder, a row lacks a value, or a file is there twice.
    """
    files, objects, regions = _of_folders(path) if path.is_dir() else _of_table(path)
    require_unique(path, "image", files)
    values = {"object": objects, "region": regions}
    classes = {attribute: tuple(sorted(set(names))) for attribute, names in values.items()}
    codes = {attribute: coded(path, attribute, names, classes[attribute], ()) for attribute, names in values.items()}
    return Annotated(path, tuple(files), classes, codes)


def _of_table(path: Path) -> tuple[list[str], list[str], list[str]]:
    columns = columns_of(path)
    file = next((name for name in FILES if name in columns), None)
    if file is None:
        raise InvalidInput(f"{path} has no column of images ({' or '.join(FILES)}); there are {', '.join(columns)}")
    files, objects, regions = read_rows(path, [file, "object", "region"])
    return files, objects, regions


def _of_folders(path: Path) -> tuple[list[str], list[str], list[str]]:
    images = sorted(image for image in path.glob("*/*/*") if image.is_file() and not image.name.startswith("."))
    if not images:
        raise InvalidInput(f"{path} has no images in folders region/object; give such a folder, or a table of images")
    parts = [image.relative_to(path).parts for image in images]
    return ["/".join(names) for names in parts], [names[1] for names in parts], [names[0] for names in parts]
