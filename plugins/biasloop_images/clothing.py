"""Clothing1M, from the folder as it is published.

Photographs are resized and cut once, into the directory of prepared data, and mapped into memory from there: a million
of 224x224 are 161 GB. They are decoded anew when the lists of keys or labels are others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.context import Context
from biasloop.datasets import clothing1m
from biasloop.datasets.clothing1m import CLASSES, CLEAN_LABELS, CLOTHING1M, MEAN, NOISY_LABELS, STD
from biasloop.downloads import require_space
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.folder import opened_file

if TYPE_CHECKING:
    from biasloop.contract.data import Array
    from biasloop.datasets import Images
    from biasloop.datasets.decoded import Writer
    from biasloop_images.config import Config

_DECODING = "cut-1"  # how files become pixels: what was decoded in another way is not used


@dataclass(frozen=True)
class Clothing:
    """Photographs of clothes (`biasloop_images.sources.Source`).

    Attributes:
        path: the folder.
        side: of the square that is cut out of an image.
        released: whether the images of the validation set are in the training set too, as in the released code.
        context: whose data directory keeps the decoded images.
        written: the path as settings have it; "" for that in the data directory.
    """

    path: Path
    side: int
    released: bool
    context: Context
    written: str = ""
    classes = CLASSES
    mean, std = MEAN, STD

    @classmethod
    def of(cls, config: Config, context: Context, path: Path) -> Clothing:
        """As settings ask for them.

        Raises:
            InvalidInput: if they ask for images that are not square.
        """
        size = (
            [224, 224] if config.size is None else config.size if isinstance(config.size, list) else [config.size] * 2
        )
        if size[0] != size[1]:
            raise InvalidInput(f"domain.size is {size}, and of clothing1m images are square; set it to one number")
        return cls(path, size[0], config.compat == "released", context, config.path or "")

    @property
    def published(self) -> Mapping[str, slice]:
        """Rows of each split."""
        counts = {split: len(keys) for split, keys in self._keys.items()}
        stops = dict(zip(counts, np.cumsum([*counts.values()]).tolist(), strict=True))
        return {split: slice(stops[split] - count, stops[split]) for split, count in counts.items()}

    def check(self) -> None:
        """Refuse a folder that lacks some of what is published.

        Raises:
            InvalidInput: of a person's path.
            SomethingToFetch: of the data directory, saying whom to ask.
        """
        lacking = CLOTHING1M.lacking(self.path)
        if lacking and self.written:
            raise InvalidInput(
                f"domain.path is {self.written!r}, which lacks {', '.join(lacking)}; it names the folder of Clothing1M "
                "as it is published"
            )
        if lacking:
            raise CLOTHING1M.absent(self.context.data)

    def read(self) -> Images:
        """The images of all splits, those with noisy labels first.

        Raises:
            InvalidInput: if a key has no label or no image, or an image does not read; naming it.
            SomethingToFetch: as `check`.
            DownloadError: if the disk has no room for decoded images, or they are damaged.
        """
        from biasloop.datasets import mapped_images
        from biasloop.datasets.decoded import decoded

        self.check()
        return mapped_images.read(decoded(self.context, f"clothing1m-{self._digest}", self._decode))

    @cached_property
    def _keys(self) -> dict[str, list[tuple[str, str]]]:
        """Of each split, keys of images and the file that has their labels."""
        self.check()
        clean = {
            split: [(key, CLEAN_LABELS) for key in self._lines(name)]
            for split, name in (("train", clothing1m.CLEAN_TRAIN), ("valid", clothing1m.CLEAN_VALID),
                                ("test", clothing1m.CLEAN_TEST))
        }  # fmt: skip
        noisy = [(key, NOISY_LABELS) for key in self._lines(clothing1m.NOISY_TRAIN)]
        again = clean["valid"] if self.released else []
        return {"train": [*noisy, *clean["train"], *again], "valid": clean["valid"], "test": clean["test"]}

    def _lines(self, name: str) -> list[str]:
        try:
            return [line for line in (self.path / name).read_text(encoding="utf-8").splitlines() if line]
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{self.path / name} does not read as text ({error}); get it anew") from error

    def _labels(self, name: str) -> dict[str, int]:
        """Labels by key."""
        labels = {}
        for number, line in enumerate(self._lines(name), 1):
            key, _, label = line.rpartition(" ")
            if not key or label not in _NUMBERS:
                raise InvalidInput(
                    f"{self.path / name}, line {number}, is {line!r}; expected a key, a space and a label from 0 to "
                    f"{len(CLASSES) - 1}"
                )
            labels[key] = int(label)
        return labels

    @property
    def _digest(self) -> str:
        """Another one whenever lists are others, or files are decoded in another way."""
        about = f"{self.path.resolve()}\0{self.side}\0{self.released}\0{_DECODING}"
        digest = hashlib.blake2b(os.fsencode(about), digest_size=12)
        for name in clothing1m.FILES:
            digest.update((self.path / name).read_bytes())
        return digest.hexdigest()

    def _decode(self, writer: Writer) -> None:
        from biasloop.datasets import mapped_images

        rows = [row for keys in self._keys.values() for row in keys]
        shape = (len(rows), self.side, self.side, 3)
        require_space(self.context.data, int(np.prod(shape)), CLOTHING1M.name)
        by_file = {name: self._labels(name) for name in (NOISY_LABELS, CLEAN_LABELS)}
        without = next((row for row in rows if row[0] not in by_file[row[1]]), None)
        if without is not None:
            raise InvalidInput(f"{self.path / without[1]} has no label of {without[0]!r}; get it anew")
        labels = np.array([by_file[name][key] for key, name in rows], np.int64)
        mapped_images.write(writer, shape, self._images([key for key, _ in rows]), labels, CLASSES)

    def _images(self, keys: list[str]) -> Iterator[Array]:
        for key in keys:
            yield self._pixels(self.path / key)

    def _pixels(self, file: Path) -> Array:
        """`(side, side, 3)` uint8: the middle of the image, whose shorter side is 8/7 of that first."""
        from PIL import Image

        from biasloop.datasets.decoding import upright

        with opened_file(file) as image:
            pixels = upright(image, "RGB")
            shorter = round(self.side * 8 / 7)
            scale = shorter / min(pixels.size)
            width, height = (max(shorter, int(scale * length)) for length in pixels.size)
            pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
            left, top = round((width - self.side) / 2), round((height - self.side) / 2)
            return np.asarray(pixels.crop((left, top, left + self.side, top + self.side)))


_NUMBERS = frozenset(map(str, range(len(CLASSES))))
