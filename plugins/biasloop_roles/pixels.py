"""Pixels of annotated images: decoded once, into one file that is mapped into memory.

126,102 images of 256x256 are 24.8 GB, of which no more than a few are in memory at a time. Where images lie in imSitu's
archive they are read in its order, else in that of the annotations.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from biasloop.datasets.imsitu import ARCHIVE, IMSITU
from biasloop.downloads import require_space
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop.system import cores
from biasloop.system.ahead import in_advance

if TYPE_CHECKING:
    from biasloop.contract.context import Context
    from biasloop.contract.data import Array, Bools, Ints
    from biasloop.datasets.decoded import Writer

SIDE = 256
"""Height and width of images, as imSitu's are published."""

_FOLDERS = (Path(ARCHIVE).stem, "images_512", "images")  # beside annotations: imSitu's, SWiG's, a person's own
_DECODING = "squashed-1"  # how files become pixels: what was decoded in another way is not used
_DIGEST = "digest"
_NAMED = 3  # images


class Source(Protocol):
    """Image files by name."""

    @property
    def path(self) -> Path:
        """Where they are, for messages."""

    def stamp(self, names: Sequence[str]) -> bytes:
        """Other bytes whenever a file is another."""

    def order(self, names: Sequence[str]) -> list[int]:
        """Positions in `names` of those that are there, in the order in which they are read."""

    def contents(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Names and bytes of those, in that order."""


def source(folder: Path) -> Source:
    """Images of a folder with annotations: in a folder of their own, in imSitu's archive, or beside them."""
    inside = next((folder / name for name in _FOLDERS if (folder / name).is_dir()), None)
    if inside is None and (folder / ARCHIVE).is_file():
        return InArchive(folder / ARCHIVE)
    return InFolder(inside or folder)


@dataclass(frozen=True)
class InFolder:
    """Image files in a folder, by their paths in it."""

    path: Path

    def stamp(self, names: Sequence[str]) -> bytes:
        """Sizes and times of change."""
        states = [self._state(name) for name in names]
        return "\n".join("-" if at is None else f"{at.st_size} {at.st_mtime_ns}" for at in states).encode()

    def order(self, names: Sequence[str]) -> list[int]:
        """That of the names."""
        return [row for row, name in enumerate(names) if self._state(name) is not None]

    def contents(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Read one after the other; of one that went away meanwhile nothing."""
        for name in names:
            try:
                yield name, (self.path / name).read_bytes()
            except OSError:
                yield name, b""

    def _state(self, name: str) -> os.stat_result | None:
        """None of what is not there, is no file, or lies elsewhere."""
        if name.startswith("/") or ".." in name.split("/"):
            return None
        try:
            at = (self.path / name).stat()
        except (OSError, ValueError):
            return None
        return at if stat.S_ISREG(at.st_mode) else None


@dataclass(frozen=True)
class InArchive:
    """Image files in a tar archive, by their names without folders; of two of one name the first."""

    path: Path

    def stamp(self, names: Sequence[str]) -> bytes:
        """Of the archive."""
        at = self.path.stat()
        return f"{at.st_size} {at.st_mtime_ns}".encode()

    def order(self, names: Sequence[str]) -> list[int]:
        """That of the archive.

        Raises:
            DownloadError: it is damaged.
        """
        from biasloop.datasets import tarred_images
        from biasloop.datasets.streaming import Unreadable

        rows = {name: row for row, name in enumerate(names)}
        try:
            return [rows.pop(name) for name in tarred_images.names(self.path) if name in rows]
        except Unreadable as error:
            raise IMSITU.damaged(self.path, str(error)) from error

    def contents(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Read one after the other.

        Raises:
            DownloadError: it is damaged.
        """
        from biasloop.datasets import tarred_images
        from biasloop.datasets.streaming import Unreadable

        wanted = set(names)
        try:
            for name, content in tarred_images.contents(self.path, wanted):
                wanted.remove(name)
                yield name, content
        except Unreadable as error:
            raise IMSITU.damaged(self.path, str(error)) from error


@dataclass(frozen=True)
class Pixels:
    """Images as they lie on disk, and which annotation each is of.

    Attributes:
        images: `(n, side, side, 3)` uint8, mapped; black where a file does not read.
        rows: `(N,)` int64 row in `images` of each annotated image; -1 of one that is missing or does not read.
        digest: of all images.
        unreadable: why files do not read, by name.
    """

    images: Array
    rows: Ints
    digest: str
    unreadable: Mapping[str, str]

    @cached_property
    def usable(self) -> Bools:
        """`(N,)` which annotated images have pixels."""
        return self.rows >= 0

    def of(self, ids: Ints) -> Ints:
        """`(n,)` rows of images by their ids.

        Raises:
            ValueError: one of them has no pixels.
        """
        rows = self.rows[ids]
        if (rows < 0).any():
            raise ValueError(f"image {ids[rows < 0][0]} has no pixels")
        return rows


def opened(names: Sequence[str], files: Source, context: Context, *, side: int = SIDE, skip_missing: bool) -> Pixels:
    """The images of some names; decoded first, unless they were before.

    Images of another size are squashed to the square, as imSitu's published ones were.

    Args:
        names: `(N,)` of images, by id.
        files: where they are.
        context: whose data directory keeps them; told how many are left out.
        side: height and width.
        skip_missing: leave out images that are missing or do not read.

    Raises:
        InvalidInput: some are missing or do not read, and are not to be left out; names a few. Or all are.
        DownloadError: an archive is damaged, or the disk has no room.
    """
    from biasloop.datasets import mapped_images
    from biasloop.datasets.decoded import decoded

    def build(writer: Writer) -> None:
        _build(writer, names, files, context, side, skip_missing=skip_missing)

    on_disk = decoded(context, f"situations-{_key(names, files, side, _DECODING)}", build)
    images = mapped_images.read(on_disk)
    unreadable: dict[str, str] = json.loads(on_disk.facts["unreadable"])
    rows = np.full(len(names), -1, np.int64)
    rows[images.labels] = np.arange(len(images))
    _check(files.path, _missing(names, images.labels), unreadable, len(names), skip=skip_missing)
    if unreadable:
        rows[[row for row, name in enumerate(names) if name in unreadable]] = -1
    pixels = Pixels(images.pixels, rows, images.known, unreadable)
    if left_out := int((~pixels.usable).sum()):
        context.on_note(f"{files.path}: {left_out:,} of {len(names):,} images are left out, missing or not readable")
    return pixels


def digest(names: Sequence[str], files: Source, context: Context) -> str:
    """Tells the image files of some names from any others by what they contain, and decodes none.

    Copied elsewhere, or put into an archive, they have the same. They are read once, and again only after a file
    was added, removed or written to.

    Args:
        names: `(N,)` of images, by id.
        files: where they are.
        context: whose data directory keeps what was read.

    Raises:
        DownloadError: an archive is damaged.
    """

    def build(directory: Path) -> None:
        there = [names[row] for row in files.order(names)]
        contents = {name: _hashed(content) for name, content in files.contents(there)}
        everything = _hashed(b"".join(contents.get(name, b"-") for name in names))
        (directory / _DIGEST).write_text(everything.hex(), encoding="ascii")

    key = _key(names, files, _DIGEST)
    return (context.prepared(f"situations-files-{key}", build) / _DIGEST).read_text(encoding="ascii")


def _hashed(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _key(names: Sequence[str], files: Source, *made_how: object) -> str:
    """Another one whenever a file is another, or something else is made of them."""
    said = "".join(f"{how}\0" for how in made_how)
    key = hashlib.blake2b(os.fsencode(f"{files.path.resolve()}\0{said}"), digest_size=12)
    key.update(json.dumps(names).encode())
    key.update(files.stamp(names))
    return key.hexdigest()


def check_present(names: Sequence[str], files: Source, *, skip_missing: bool) -> None:
    """Refuse images that are not there, unless they are to be left out and others remain; opens none.

    Raises:
        InvalidInput: naming a few.
    """
    _check(files.path, _missing(names, files.order(names)), {}, len(names), skip=skip_missing)


def _missing(names: Sequence[str], there: Ints | Sequence[int]) -> list[str]:
    mask = np.ones(len(names), bool)
    mask[np.asarray(there, np.int64)] = False
    return [names[row] for row in np.flatnonzero(mask).tolist()]


def _build(
    writer: Writer, names: Sequence[str], files: Source, context: Context, side: int, *, skip_missing: bool
) -> None:
    """Decode those that are there; what does not read is black, so that nothing has to be decoded again."""
    from biasloop.datasets import mapped_images

    order = files.order(names)
    _check(files.path, _missing(names, order), {}, len(names), skip=skip_missing)
    shape = (len(order), side, side, 3)
    require_space(context.data, len(order) * side * side * 3, str(files.path))
    unreadable: dict[str, str] = {}
    threads = context.threads or cores.available()

    def images() -> Iterator[Array]:
        contents = files.contents([names[row] for row in order])
        with warnings.catch_warnings():  # each decoder puts filters back, and of several threads not the first ones
            for name, pixels, reason in in_advance(lambda file: _decoded(*file, side), contents, 4 * threads, threads):
                if reason:
                    unreadable[name] = reason
                yield pixels

    mapped_images.write(writer, shape, images(), np.array(order, np.int64), ())
    writer.facts["unreadable"] = json.dumps(unreadable)


def _decoded(name: str, content: bytes, side: int) -> tuple[str, Array, str]:
    """Name, `(side, side, 3)` uint8, and why the file does not read if it does not."""
    from PIL import Image

    from biasloop.datasets.decoding import opened as opened_image
    from biasloop.datasets.decoding import upright
    from biasloop.datasets.streaming import Unreadable

    try:
        with opened_image(io.BytesIO(content)) as image:
            pixels = upright(image, "RGB")
            if pixels.size != (side, side):
                pixels = pixels.resize((side, side), Image.Resampling.BILINEAR)
            return name, np.asarray(pixels), ""
    except Unreadable as error:
        return name, np.zeros((side, side, 3), np.uint8), str(error)


def _check(path: Path, missing: Sequence[str], unreadable: Mapping[str, str], count: int, *, skip: bool) -> None:
    """Refuse images that cannot be read, unless they are to be left out and others remain."""
    lost = len(missing) + len(unreadable)
    if not lost or (skip and lost < count):
        return
    said = []
    if missing:
        said.append(f"{_are(missing)} missing ({_few(list(map(repr, missing)))})")
    if unreadable:
        few = [f"{name!r}: {reason}" for name, reason in unreadable.items()]
        said.append(f"{_are(few)} not readable ({_few(few)})")
    advice = "name the folder that has them" if lost == count else "set domain.skip_missing = true to leave them out"
    raise InvalidInput(f"{path}: of {count:,} annotated images {' and '.join(said)}; get them anew, or {advice}")


def _are(names: Sequence[str]) -> str:
    return f"{len(names):,} {'is' if len(names) == 1 else 'are'}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
