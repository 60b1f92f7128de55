"""A person's own images: an `.npz` file with `images`, `labels` and perhaps `classes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from biasloop.errors import InvalidInput
from biasloop.late import numpy as np

if TYPE_CHECKING:
    from biasloop.data import Ints
    from biasloop.datasets import Images
    from biasloop.datasets.npz import Member

_EXPECTED = "expected images (n, H, W) or (n, H, W, C) of uint8, and labels (n,) of whole numbers"


@dataclass(frozen=True)
class Npz:
    """Images and labels in a file.

    Attributes:
        path: the file.
    """

    path: Path
    mean = std = None
    published: ClassVar[Mapping[str, slice]] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names in the file; the numbers from 0 to the largest label if it has none."""
        return self._classes

    def read(self) -> Images:
        """The images, which stay in the file until they are taken; their labels are read.

        Raises:
            InvalidInput: if an array is not there, or not of the right kind.
        """
        from biasloop.datasets.streaming import StreamedImages

        labels, classes = self._labels, self.classes
        wrong = (labels < -1) | (labels >= len(classes))
        if wrong.any():
            row = int(wrong.argmax())
            raise self._refused(
                f"label {labels[row]} of image {row} is not a whole number from 0 to {len(classes) - 1}, or -1 for none"
            )
        return StreamedImages([self._members["images"]], labels, classes, "mend the file")

    @cached_property
    def _members(self) -> dict[str, Member]:
        from biasloop.datasets.npz import members
        from biasloop.datasets.streaming import Unreadable

        try:
            found = members(self.path)
        except Unreadable as error:
            raise self._refused(str(error)) from error
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from error
        missing = [name for name in ("images", "labels") if name not in found]
        if missing:
            raise self._refused(f"it has no array {missing[0]!r} (found: {', '.join(found) or 'none'}); {_EXPECTED}")
        images, labels = found["images"], found["labels"]
        if images.dtype != np.uint8 or len(images.shape) not in {3, 4} or 0 in images.shape:
            raise self._refused(f"its images are {images.dtype} {images.shape}; {_EXPECTED}")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise self._refused(f"its labels are {labels.dtype} {labels.shape}; {_EXPECTED}")
        return found

    @cached_property
    def _labels(self) -> Ints:
        return self._array("labels").astype(np.int64)

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        if "classes" not in self._members:
            return tuple(str(label) for label in range(int(self._labels.max()) + 1))
        names = self._array("classes")
        if names.dtype.kind != "U" or names.ndim != 1 or len(set(names.tolist())) != len(names):
            raise self._refused(f"its classes are {names.dtype} {names.shape}; expected a row of different names")
        return tuple(names.tolist())

    def _array(self, name: str) -> Ints:
        from biasloop.datasets.streaming import Unreadable

        try:
            return self._members[name].read()
        except Unreadable as error:
            raise self._refused(str(error)) from error

    def _refused(self, why: str) -> InvalidInput:
        return InvalidInput(f"{self.path} (domain.path) cannot be used: {why}")
