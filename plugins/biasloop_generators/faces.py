"""CelebA and FairFace, from a folder with their published files: attributes, splits, and images decoded once.

Source: Wyllie et al. (2024), released code. Of CelebA the label is `Attractive` and the group `Male`; of FairFace the
label is gender and the groups are race and age.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.context import Context
from biasloop.contract.data import Column
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular
from biasloop_generators.pictures import LABEL, Colored

if TYPE_CHECKING:
    from biasloop.contract.data import Array, Ints
    from biasloop.datasets.decoded import Writer

SIDE = 128
FAIRFACE_TEST = 10_954  # first rows of the training list, which are the published test set
_CELEBA = (
    "img_align_celeba/*.jpg, list_attr_celeba.txt and list_eval_partition.txt "
    "(mmlab.ie.cuhk.edu.hk/projects/CelebA.html)"
)
_FAIRFACE = "fairface_label_train.csv, fairface_label_val.csv and the images they name (github.com/joojs/fairface)"
_RACES = ("White", "Latino_Hispanic", "Indian", "East Asian", "Black", "Southeast Asian", "Middle Eastern")
_YOUNGER = ("0-2", "3-9", "10-19", "20-29")
_OLDER = ("30-39", "40-49", "50-59", "60-69", "more than 70")


@dataclass(frozen=True)
class Listing:
    """What the lists of a data set say.

    Attributes:
        files: `N` paths below the folder.
        attributes: `(N, 1 + G)` int64, label and groups.
        splits: `(N,)` 0 train, 1 valid, 2 test.
    """

    files: Sequence[str]
    attributes: Ints
    splits: Ints


@dataclass(frozen=True)
class Faces:
    """Images of faces in a folder.

    Attributes:
        path: the folder.
        lists: names of the files that have attributes and splits.
        listing: reads them.
        classes: names of the label's classes, then of each group's.
        targets: what they are called.
        mirrored: whether images are mirrored at random in training.
        side: height and width that networks take.
    """

    path: Path
    lists: tuple[str, ...]
    listing: Callable[[Path], Listing]
    classes: tuple[tuple[str, ...], ...]
    targets: tuple[str, ...]
    mirrored: bool
    side: int = SIDE

    def read(self, context: Context) -> Colored:
        """All of it; the first time, images are decoded and resized, which takes minutes and disk space.

        They are resized bilinearly without antialiasing and rounded to whole numbers. What was decoded before is used
        again unless the lists have changed.

        Raises:
            InvalidInput: if a list or an image is not there, or is not as published; naming it.
        """
        from biasloop.datasets.decoded import decoded

        listing = self.listing(self.path)
        faces = decoded(context, f"faces-{self._key()}", lambda writer: self._decode(listing.files, writer))
        images = faces.frame["images"]
        content = faces.facts["digest"] + hashlib.blake2b(listing.attributes.tobytes()).hexdigest()
        train, valid, test = (np.flatnonzero(listing.splits == split) for split in range(3))
        return Colored(
            images, listing.attributes[:, 0].copy(), listing.attributes[:, 1:].copy(), train, valid, test, self.classes,
            self.targets, self.side, self.mirrored, hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
        )  # fmt: skip

    def _key(self) -> str:
        """Another one whenever a list is another."""
        about = [(name, (self.path / name).stat()) for name in self.lists]
        text = "\0".join(f"{name}\0{at.st_size}\0{at.st_mtime_ns}" for name, at in about)
        return hashlib.blake2b(f"{self.path.resolve()}\0{self.side}\0{text}".encode(), digest_size=12).hexdigest()

    def _decode(self, files: Sequence[str], writer: Writer) -> None:
        writer.append("images", Column(np.zeros((0, self.side, self.side, 3), np.uint8)))  # lists may name none
        digest = hashlib.blake2b(digest_size=16)
        for file in files:
            pixels = np.floor(resized(_decoded(self.path / file), self.side) + 0.5).astype(np.uint8, order="C")
            writer.append("images", Column(pixels[None]))
            digest.update(pixels.data)
        writer.facts["digest"] = digest.hexdigest()


def celeba(path: Path) -> Faces:
    """CelebA: 162,770 training, 19,867 validation and 19,962 test images as published, 128x128 pixels."""
    classes = (("not attractive", "attractive"), ("female", "male"))
    lists = ("list_attr_celeba.txt", "list_eval_partition.txt")
    return Faces(path, lists, _list_celeba, classes, (LABEL, "gender"), mirrored=True)


def fairface(path: Path) -> Faces:
    """FairFace: 75,790 training, 10,954 validation and 10,954 test images, 128x128 pixels (our choice)."""
    classes = (("male", "female"), _RACES, ("under 30", "30 and over"))
    lists = ("fairface_label_train.csv", "fairface_label_val.csv")
    return Faces(path, lists, _list_fairface, classes, (LABEL, "race", "age"), mirrored=False)


def resized(image: Array, side: int) -> Array:
    """An image resized bilinearly without antialiasing, each pixel at the centre of its square.

    Args:
        image: `(H, W, C)`.
        side: height and width wanted.

    Returns:
        `(side, side, C)` float32.
    """
    rows, columns = (_between(length, side) for length in image.shape[:2])
    pixels = image.astype(np.float32)
    above, below, part = rows
    pixels = pixels[above] + (pixels[below] - pixels[above]) * part[:, None, None]
    left, right, part = columns
    return np.asarray(pixels[:, left] + (pixels[:, right] - pixels[:, left]) * part[:, None])


def _between(length: int, side: int) -> tuple[Ints, Ints, Array]:
    """For each of `side` places, the two neighbours among `length` and how near it is to the second."""
    places = np.maximum((np.arange(side) + 0.5) * (length / side) - 0.5, 0)
    first = np.floor(places).astype(np.int64)
    return first, np.minimum(first + 1, length - 1), (places - first).astype(np.float32)


def _list_celeba(path: Path) -> Listing:
    lines = _lines(path / "list_attr_celeba.txt", _CELEBA)
    split_of = dict(
        line.split() for line in _lines(path / "list_eval_partition.txt", _CELEBA) if len(line.split()) == 2
    )
    names = lines[1].split() if len(lines) > 1 else []
    if "Attractive" not in names or "Male" not in names:
        raise InvalidInput(
            f"line 2 of {path / 'list_attr_celeba.txt'} does not name Attractive and Male; it is not CelebA's list"
        )
    wanted = [1 + names.index(name) for name in ("Attractive", "Male")]
    files, attributes, splits = [], [], []
    for number, line in enumerate(lines[2:], 3):
        words = line.split()
        file = words[0] if words else ""
        if len(words) != len(names) + 1 or split_of.get(file) not in {"0", "1", "2"}:
            raise InvalidInput(
                f"line {number} of {path / 'list_attr_celeba.txt'} has not a file with {len(names)} attributes that "
                "list_eval_partition.txt gives a split 0, 1 or 2"
            )
        files.append(f"img_align_celeba/{file}")
        attributes.append([int(words[column] == "1") for column in wanted])
        splits.append(int(split_of[file]))
    return Listing(files, np.array(attributes, np.int64).reshape(-1, 2), np.array(splits, np.int64))


def _list_fairface(path: Path) -> Listing:
    files, attributes, splits = [], [], []
    for name, split in (("fairface_label_train.csv", 0), ("fairface_label_val.csv", 1)):
        for number, row in enumerate(_rows(path / name)):
            try:
                age = (*_YOUNGER, *_OLDER).index(row["age"]) >= len(_YOUNGER)
                attributes.append([("Male", "Female").index(row["gender"]), _RACES.index(row["race"]), int(age)])
                files.append(str(Path(row["file"])))
            except (KeyError, ValueError, TypeError) as error:
                raise InvalidInput(
                    f"row {number + 1} of {path / name} is not FairFace's ({error}); expected file, age, gender, race"
                ) from error
            splits.append(2 if split == 0 and number < FAIRFACE_TEST else split)
    return Listing(files, np.array(attributes, np.int64).reshape(-1, 3), np.array(splits, np.int64))


def _rows(file: Path) -> Iterator[dict[str, str]]:
    try:
        yield from csv.DictReader(_lines(file, _FAIRFACE))
    except csv.Error as error:
        raise InvalidInput(f"{file} does not read as a table ({error}); domain.path needs {_FAIRFACE}") from error


def _lines(file: Path, expected: str) -> list[str]:
    require_regular(file)
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidInput(f"{file} does not read ({reason}); domain.path needs {expected}") from error


def _decoded(file: Path) -> Array:
    """`(H, W, 3)` uint8."""
    from biasloop.datasets.decoding import opened
    from biasloop.datasets.streaming import Unreadable

    try:
        with opened(file) as image:
            return np.asarray(image.convert("RGB"))
    except Unreadable as error:
        reason = error if error.__cause__ is None else type(error.__cause__).__name__
        raise InvalidInput(
            f"{file} does not read as an image ({reason}); fetch it again, or take it off the lists"
        ) from error
