"""A person's own images: an `.npz` file with `images`, `labels` and perhaps `classes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system.regular import require_regular

if TYPE_CHECKING:
    from biasloop.contract.data import Ints
    from biasloop.datasets import Images
    from biasloop.datasets.npz import Member

_MOST_IMAGES = 20_000_000
_MOST_NAMED = 1 << 26  # bytes of the names of classes
_LAST, _SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)  # of Unicode
_EXPECTED = "expected images (n, H, W) or (n, H, W, C) of uint8, and labels (n,) of whole numbers"


@dataclass(frozen=True)
class Npz:
    """Images and labels in a file.

    Attributes:
        path: the file.
        written: the path as settings have it, for messages.
    """

    path: Path
    written: str = ""
    mean = std = None
    published: ClassVar[Mapping[str, slice]] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names in the file; the numbers from 0 to the largest label if it has none."""
        return self._classes

    def check(self) -> None:
        """Refuse a path at which there is no file."""
        require_regular(self.path)
        if not self.path.is_file():
            raise InvalidInput(f"domain.path is {self.written!r}, and there is no such file in {Path.cwd()}")

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
        return StreamedImages([self._members["images"]], labels.astype(np.int64), classes, "mend the file")

    @cached_property
    def _members(self) -> dict[str, Member]:
        from biasloop.datasets.npz import members
        from biasloop.datasets.streaming import Unreadable

        try:
            arrays = members(self.path)
        except Unreadable as error:
            raise self._refused(str(error)) from error
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from error
        missing = [name for name in ("images", "labels") if name not in arrays]
        if missing:
            there = ", ".join(list(arrays)[:10]) or "none"
            raise self._refused(f"it has no array {missing[0]!r} (found: {there}); {_EXPECTED}")
        images, labels = arrays["images"], arrays["labels"]
        if images.dtype != np.uint8 or len(images.shape) not in {3, 4} or 0 in images.shape:
            raise self._refused(f"its images are {images.dtype} {images.shape}; {_EXPECTED}")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise self._refused(f"its labels are {labels.dtype} {labels.shape}; {_EXPECTED}")
        if labels.shape[0] > _MOST_IMAGES:
            raise self._refused(f"it has {labels.shape[0]:,} images, and {_MOST_IMAGES:,} are the most")
        return arrays

    @cached_property
    def _labels(self) -> Ints:
        """As they are in the file: what is too large for other types is not cut."""
        return self._array("labels")

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        if "classes" not in self._members:
            labels = self._labels
            row = int(labels.argmax())
            if labels[row] >= len(labels):  # a name each would be made, and every class needs an image
                raise self._refused(
                    f"label {labels[row]} of image {row} would make {int(labels[row]) + 1:,} classes of "
                    f"{len(labels):,} images; number the classes from 0, without gaps"
                )
            return tuple(str(label) for label in range(int(labels[row]) + 1))
        names = self._members["classes"]
        if names.dtype.kind != "U" or len(names.shape) != 1 or names.dtype.itemsize * names.shape[0] > _MOST_NAMED:
            raise self._refused(f"its classes are {names.dtype} {names.shape}; expected a row of different names")
        array = self._array("classes")
        codes = np.frombuffer(array.tobytes(), np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if ((codes > _LAST) | ((codes >= _SURROGATES[0]) & (codes <= _SURROGATES[1]))).any():
            raise self._refused("its classes have a name that is no text")
        classes = tuple(array.tolist())
        if len(set(classes)) != len(classes):
            raise self._refused(f"its classes are {names.dtype} {names.shape}; expected a row of different names")
        return classes

    def _array(self, name: str) -> Ints:
        from biasloop.datasets.streaming import Unreadable

        try:
            return self._members[name].read()
        except Unreadable as error:
            raise self._refused(str(error)) from error
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from error

    def _refused(self, why: str) -> InvalidInput:
        return InvalidInput(f"{self.path} (domain.path) cannot be used: {why}")
