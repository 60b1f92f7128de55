"""A person's own images: a folder of class folders.

They are decoded once, into a file in the directory of prepared data that runs read blocks of. A file that was added,
removed or written to makes another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from biasloop.domains import Context
from biasloop.errors import DownloadError, InvalidInput
from biasloop.late import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from biasloop.data import Array
    from biasloop.datasets import Images

UNLABELLED = "unlabelled"  # the folder of images that nobody labelled
FORMATS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_FILE = "images.h5"
_GREY = {"1", "L", "LA"}  # Pillow's modes
_COLOUR = {"RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "La"}


@dataclass(frozen=True)
class Folder:
    """Class folders with images.

    Attributes:
        path: where the class folders are.
        size: (height, width) that images are resized to; None if they have one size.
        context: whose data directory keeps the decoded images.

    Raises:
        InvalidInput: if there are no class folders, or images beside them.
    """

    path: Path
    size: tuple[int, int] | None
    context: Context
    mean = std = None
    published: ClassVar[Mapping[str, slice]] = {}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the class folders, by the alphabet."""
        loose = [file.name for file in _visible(self.path) if _is_image(file)]
        if loose:
            raise InvalidInput(
                f"{self.path / loose[0]} lies beside the class folders; move it into one, or into "
                f"{self.path / UNLABELLED} if it has no label"
            )
        names = [place.name for place in _visible(self.path) if place.is_dir() and place.name != UNLABELLED]
        if not names:
            raise InvalidInput(
                f"{self.path} has no class folders; domain.path names a folder with a folder of images for each class"
            )
        return tuple(names)

    def read(self) -> Images:
        """The decoded images, in the order of classes and names; those without a label last.

        Raises:
            InvalidInput: if an image does not read, or the images differ in size; naming a file.
        """
        from biasloop.datasets.stored import open_stored
        from biasloop.datasets.streaming import Unreadable

        files = self._files()
        directory = self.context.prepared(f"folder-{self._key(files)}", lambda place: self._decode(files, place))
        mend = f"delete {directory}, and the same command makes it anew"
        try:
            return open_stored(directory / _FILE, mend)
        except Unreadable as error:
            raise DownloadError(f"{directory / _FILE} is damaged: {error}; {mend}") from error

    def _files(self) -> list[tuple[Path, int]]:
        """All images with their labels."""
        files = []
        for label, name in [*enumerate(self.classes), (-1, UNLABELLED)]:
            place = self.path / name
            inside = sorted(file for file in place.rglob("*") if _is_image(file)) if place.is_dir() else []
            if label >= 0 and not inside:
                raise InvalidInput(
                    f"{place} has no images ({', '.join(FORMATS)}); put some there, or remove the folder"
                )
            files += [(file, label) for file in inside]
        return files

    def _key(self, files: list[tuple[Path, int]]) -> str:
        """Another one whenever a file is another."""
        key = hashlib.blake2b(f"{self.path.resolve()}\0{self.size}".encode(), digest_size=12)
        for file, label in files:
            about = file.stat()
            key.update(f"{file.relative_to(self.path)}\0{label}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
        return key.hexdigest()

    def _decode(self, files: list[tuple[Path, int]], place: Path) -> None:
        from biasloop.datasets.stored import storing

        height, width, channels = self._shape(files)
        labels = np.array([label for _, label in files], np.int64)
        with storing(place / _FILE, (len(files), height, width, channels), labels, self.classes) as stored:
            for row, (file, _) in enumerate(files):
                stored[row] = self._pixels(file, channels)

    def _shape(self, files: list[tuple[Path, int]]) -> tuple[int, int, int]:
        """Of all images: grey only if all are; reads how each file begins."""
        first, size, grey = files[0][0], self.size, True
        for file, _ in files:
            with _opened(file) as image:
                grey = grey and image.mode in _GREY
                if image.mode not in _GREY | _COLOUR:
                    raise InvalidInput(f"{file} has pixels of kind {image.mode}; save it with 8 bits a channel")
                found = (image.height, image.width)
            size = size or found
            if self.size is None and found != size:
                raise InvalidInput(
                    f"{file} has {found[0]}x{found[1]} pixels (height x width) and {first} has {size[0]}x{size[1]}; "
                    "set domain.size to the size that all are to be resized to"
                )
        assert size is not None
        return *size, 1 if grey else 3

    def _pixels(self, file: Path, channels: int) -> Array:
        from PIL import Image

        with _opened(file) as image:
            pixels = image.convert("L" if channels == 1 else "RGB")
            if self.size is not None and (image.height, image.width) != self.size:
                pixels = pixels.resize(self.size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(pixels).reshape(pixels.height, pixels.width, channels)


class _opened:  # noqa: N801 (used as a function)
    """An image file; whatever goes wrong with it names it, also while its pixels are read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> Image.Image:
        from PIL import Image

        try:
            self._image = Image.open(self._file)
        except Exception as error:
            raise self._unreadable(error) from error
        return self._image

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._image.close()
        if isinstance(error, Exception) and not isinstance(error, InvalidInput):
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InvalidInput:
        reason = " ".join(str(error).split()).replace(f" {str(self._file)!r}", " it") or type(error).__name__
        return InvalidInput(f"{self._file} does not read as an image ({reason}); mend or remove it")


def _visible(place: Path) -> Iterator[Path]:
    return (entry for entry in sorted(place.iterdir()) if not entry.name.startswith("."))


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in FORMATS and not file.name.startswith(".") and file.is_file()
