"""Data of which some classes alone are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from biasloop.contract.data import Array, Ints
from biasloop.datasets.imbalance import class_id
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.datasets import Images
    from biasloop_images.sources import Source


@dataclass(frozen=True)
class ChosenImages:
    """Some of other images, numbered anew from 0 in their order (`biasloop.datasets.Images`).

    Attributes:
        base: the others.
        rows: `(n,)` int64 ascending ids in them.
        labels: `(n,)` int64; -1 for an image that nobody labelled.
        classes: names.
    """

    base: Images
    rows: Ints
    labels: Ints
    classes: tuple[str, ...]

    @classmethod
    def of(cls, base: Images, chosen: Sequence[int]) -> ChosenImages:
        """The images of some classes, and those without a label."""
        number = np.full(len(base.classes) + 1, -2, np.int64)  # the last is of images without a label
        number[-1] = -1
        number[list(chosen)] = np.arange(len(chosen))
        labels = number[base.labels]  # (N,)
        rows = np.flatnonzero(labels > -2)
        return cls(base, rows, labels[rows], tuple(base.classes[label] for label in chosen))

    def take(self, ids: Ints) -> Array:
        """`(n, H, W, C)` uint8, the images of ascending ids."""
        return self.base.take(self.rows[ids])

    def digest(self, pixels: Array) -> str:
        """That of the others, with the classes."""
        return f"{self.base.digest(pixels)}:{','.join(self.classes)}"


@dataclass(frozen=True)
class Chosen:
    """A source of which some classes are used (`biasloop_images.sources.Source`).

    Attributes:
        base: the source.
        wanted: the classes, as settings name them.
        name: the data's, for messages.

    Raises:
        InvalidInput: a class is none, or named twice.
    """

    base: Source
    wanted: Sequence[str]
    name: str

    @cached_property
    def _numbers(self) -> list[int]:
        numbers = [class_id(name, self.base.classes, self.name, "domain.classes") for name in self.wanted]
        if len(set(numbers)) < len(numbers):
            raise InvalidInput(f"domain.classes names a class twice: {', '.join(self.wanted)}; name each once")
        return numbers

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that are used, in the order of the setting."""
        return tuple(self.base.classes[number] for number in self._numbers)

    @property
    def mean(self) -> tuple[float, ...] | None:
        """As of all classes."""
        return self.base.mean

    @property
    def std(self) -> tuple[float, ...] | None:
        """As of all classes."""
        return self.base.std

    @property
    def published(self) -> Mapping[str, slice]:
        """Rows of what is left of each split."""
        rows = self.read().rows
        splits = self.base.published.items()
        return {name: slice(*(int(row) for row in np.searchsorted(rows, [of.start, of.stop]))) for name, of in splits}

    def check(self) -> None:
        """As of all classes."""
        self.base.check()

    def read(self) -> ChosenImages:
        """Those of the classes, which are read once."""
        return self._images

    @cached_property
    def _images(self) -> ChosenImages:
        return ChosenImages.of(self.base.read(), self._numbers)
