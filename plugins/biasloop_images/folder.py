"""A person's own images: a folder of class folders.

They are decoded once, into the directory of prepared data, and mapped into memory from there. A file that was added,
removed or written to makes other ones.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from biasloop.contract.context import Context
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.listing import Listing, is_text, several, shown, visible

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from biasloop.contract.data import Array
    from biasloop.datasets import Images
    from biasloop.datasets.decoded import Writer

UNLABELLED = "unlabelled"  # the folder of images that nobody labelled
_DECODING = "upright"  # how files become pixels: what was decoded in another way is not used
_GREY = {"1", "L", "LA"}  # Pillow's modes
_COLOUR = {"RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "La"}
_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"}


@dataclass(frozen=True)
class Folder:
    """Class folders with images.

    Attributes:
        path: where the class folders are.
        size: (height, width) that images are resized to; None if they have one size.
        context: whose data directory keeps the decoded images.
        written: the path as settings have it, for messages.

    Raises:
        InvalidInput: if there are no class folders, or images beside them.
    """

    path: Path
    size: tuple[int, int] | None
    context: Context
    written: str = ""
    mean = std = None
    published: ClassVar[Mapping[str, slice]] = {}

    def check(self) -> None:
        """Refuse a path at which there is no folder."""
        if not self.path.is_dir():
            raise InvalidInput(f"domain.path is {self.written!r}, and there is no such folder in {Path.cwd()}")

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the class folders, by the alphabet."""
        loose = self._beside.images
        if loose:
            raise InvalidInput(
                f"{shown(loose[0])} lies beside the class folders; move it into one, or into "
                f"{self.path / UNLABELLED} if it has no label"
            )
        folders = [folder for folder in self._folders if folder.name != UNLABELLED]
        if not folders:
            raise InvalidInput(
                f"{shown(self.path)} has no class folders; domain.path names a folder with a folder of images for each "
                "class"
            )
        nameless = [folder for folder in folders if not is_text(folder)]
        if nameless:
            raise InvalidInput(
                f"{shown(nameless[0])} names a class, and its name is not UTF-8 text; give the folder another name"
            )
        _refuse_splits(self.path, folders)
        return tuple(folder.name for folder in folders)

    @cached_property
    def _folders(self) -> list[Path]:
        """Those that are no links to nothing, the class folders and that of images without a label."""
        return [entry for entry in visible(self.path) if entry.is_dir()]

    @cached_property
    def _beside(self) -> Listing:
        """What lies beside the class folders."""
        listing = Listing()
        for entry in visible(self.path):
            if not entry.is_dir():
                listing.enter(entry)
        return listing

    def read(self) -> Images:
        """The decoded images, in the order of classes and names; those without a label last.

        Raises:
            InvalidInput: if an image does not read, or the images differ in size; naming a file.
            DownloadError: if decoded images are not what they have to be; naming their directory.
        """
        from biasloop.datasets import mapped_images
        from biasloop.datasets.decoded import decoded

        files = self._files()
        images = decoded(self.context, f"folder-{self._key(files)}", lambda writer: self._decode(files, writer))
        if said := images.facts.get("note"):
            self.context.on_note(said)
        return mapped_images.read(images)

    def _files(self) -> list[tuple[Path, int]]:
        """All images with their labels; says what else is there."""
        everything, files = Listing(), []
        everything.extend(self._beside)
        for label, name in [*enumerate(self.classes), (-1, UNLABELLED)]:
            folder, listing = self.path / name, Listing()
            if folder.is_dir():
                listing.add(folder)
            if label >= 0 and not listing.images:
                raise InvalidInput(_no_images(folder, listing))
            files += [(file, label) for file in sorted(listing.images)]
            everything.extend(listing)
        for sentence in everything.left_out(self.path):
            self.context.on_note(sentence)
        return files

    def _key(self, files: list[tuple[Path, int]]) -> str:
        """Another one whenever a file is another, or files are decoded in another way."""
        key = hashlib.blake2b(os.fsencode(f"{self.path.resolve()}\0{self.size}\0{_DECODING}"), digest_size=12)
        for file, label in files:
            about = file.stat()
            line = f"{file.relative_to(self.path)}\0{label}\0{about.st_size}\0{about.st_mtime_ns}\n"
            key.update(os.fsencode(line))
        return key.hexdigest()

    def _decode(self, files: list[tuple[Path, int]], writer: Writer) -> None:
        from biasloop.datasets import mapped_images

        shape, animated = self._shape(files)
        if animated:
            writer.facts["note"] = several(animated, self.path)
        labels = np.array([label for _, label in files], np.int64)
        mapped_images.write(writer, (len(files), *shape), self._images(files, shape), labels, self.classes)

    def _images(self, files: list[tuple[Path, int]], shape: tuple[int, int, int]) -> Iterator[Array]:
        """Decoded, one after the other."""
        height, width, channels = shape
        for file, _ in files:
            pixels = self._pixels(file, channels)
            if pixels.shape[:2] != (height, width):
                raise self._differs(file, pixels.shape[:2], files[0][0], (height, width))
            yield pixels

    def _shape(self, files: list[tuple[Path, int]]) -> tuple[tuple[int, int, int], list[Path]]:
        """Of all images, grey only if all are, and the files with several; reads how each file begins."""
        from biasloop.datasets.decoding import bits, has_several, upright_size

        size, grey, animated = self.size, True, []
        for file, _ in files:
            with opened_file(file) as image:
                depth = bits(image)
                grey = grey and image.mode in _GREY
                if image.mode not in _GREY | _COLOUR:
                    raise InvalidInput(f"{shown(file)} has pixels of kind {image.mode}; save it with 8 bits a channel")
                if depth > 8:
                    raise InvalidInput(f"{shown(file)} has {depth} bits a channel; save it with 8 bits a channel")
                if has_several(image):
                    animated.append(file)
                if self.size is None:
                    its_size = upright_size(image)
                    size = size or its_size
                    if its_size != size:
                        raise self._differs(file, its_size, files[0][0], size)
        assert size is not None
        return (*size, 1 if grey else 3), animated

    def _differs(self, file: Path, its_size: tuple[int, ...], first: Path, size: tuple[int, int]) -> InvalidInput:
        return InvalidInput(
            f"{shown(file)} has {its_size[0]}x{its_size[1]} pixels (height x width) and {shown(first)} has "
            f"{size[0]}x{size[1]}; set domain.size to the size that all are to be resized to"
        )

    def _pixels(self, file: Path, channels: int) -> Array:
        from PIL import Image

        from biasloop.datasets.decoding import upright

        with opened_file(file) as image:
            pixels = upright(image, "L" if channels == 1 else "RGB")
            if self.size is not None and (pixels.height, pixels.width) != self.size:
                pixels = pixels.resize(self.size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(pixels).reshape(pixels.height, pixels.width, channels)


@contextmanager
def opened_file(file: Path) -> Iterator[ImageFile]:
    """An image file; whatever goes wrong with it names it, also while its pixels are read."""
    from biasloop.datasets.decoding import opened
    from biasloop.datasets.streaming import Unreadable

    try:
        with opened(file) as image:
            yield image
    except Unreadable as error:
        raise InvalidInput(f"{shown(file)} does not read as an image ({error}); mend or remove it") from error


def _no_images(folder: Path, listing: Listing) -> str:
    from biasloop.datasets.decoding import SUFFIXES

    instead = "; ".join(sentence.partition(": ")[2] for sentence in listing.left_out(folder))
    return (
        f"{shown(folder)} has no images ({', '.join(SUFFIXES)}){f': {instead}' if instead else ''}; put some there, "
        "or remove the folder"
    )


def _refuse_splits(path: Path, folders: list[Path]) -> None:
    """Refuse folders that are called as splits are and hold the class folders, which would all become one class.

    Raises:
        InvalidInput: if all are, or two of them hold folders of the same names.
    """
    inside = {
        folder: {entry.name for entry in visible(folder) if entry.is_dir()}
        for folder in folders
        if folder.name.lower() in _SPLITS
    }
    splits = {folder: names for folder, names in inside.items() if names}
    alike = len(splits) > 1 and bool(set.intersection(*splits.values()))
    if not alike and (len(inside) < len(folders) or (len(inside) == 1 and not splits)):
        return
    called = " and ".join(folder.name for folder in splits or inside)
    names = ", ".join(sorted({shown(Path(name)) for names in splits.values() for name in names})[:5])
    how = f"they have folders of their own: {names}" if splits else "they have no class folders"
    alone = f"name one of them, as domain.path = {str(next(iter(splits)))!r}, or " if splits else ""
    raise InvalidInput(
        f"{called} in {shown(path)} look like splits, not like classes ({how}); {alone}move the images of all into "
        "one folder for each class: the test set is drawn from them (domain.test)"
    )
