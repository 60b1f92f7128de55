"""Pictures of a folder or of shards, one after another, each with what it is called."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from biasloop.datasets import decoding
from biasloop.datasets.streaming import Unreadable
from biasloop.errors import InvalidInput

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Picture:
    """An image file.

    Attributes:
        key: its path below the folder, with `/`; of a shard the sample's key.
        where: what messages call it.
        content: the file, or its bytes.
    """

    key: str
    where: str
    content: Path | bytes

    def read(self) -> Image:
        """Its pixels as RGB, as they are stored: not turned upright, which models have not seen either.

        Raises:
            InvalidInput: it is no image that can be read.
        """
        source = self.content if isinstance(self.content, Path) else io.BytesIO(self.content)
        try:
            with decoding.opened(source) as image:
                return image.convert("RGB")
        except Unreadable as error:
            raise InvalidInput(
                f"{self.where} is no image that can be read ({error}); mend it or take it away"
            ) from error


@dataclass(frozen=True)
class Pictures:
    """All of a folder or of shards.

    Attributes:
        source: the folder, or a shard.
        files: of the folder, or the shards.
        shards: whether files are shards.
    """

    source: Path
    files: tuple[Path, ...]
    shards: bool

    @property
    def count(self) -> int | None:
        """How many there are; None of shards, which have to be read for it."""
        return None if self.shards else len(self.files)

    def among(self, keys: Sequence[str]) -> Pictures:
        """Those of a folder that annotations name, by path, by name or without its ending; all, if that is none."""
        names = {way for key in keys for way in (key, PurePosixPath(key).name, PurePosixPath(key).stem)}
        files = tuple(path for path in self.files if path.name in names or path.stem in names)
        return self if self.shards or not files else replace(self, files=files)

    def __iter__(self) -> Iterator[Picture]:
        """Pictures in the order of files and, in a shard, of samples.

        Raises:
            InvalidInput: a shard cannot be read, or has a sample without a picture.
        """
        if not self.shards:
            for path in self.files:
                yield Picture(path.relative_to(self.source).as_posix(), str(path), path)
            return
        from biasloop.datasets.shards import samples

        for shard in self.files:
            for sample in samples(shard):
                if sample.picture is None:
                    raise InvalidInput(f"the sample {sample.key!r} of {shard} has no picture")
                yield Picture(sample.key, f"{sample.key!r} of {shard}", sample.parts[sample.picture])


def pictures_at(source: Path) -> Pictures:
    """Pictures of a folder, at any depth, whatever their names end in; of a shard; or of a folder's shards.

    Files whose names begin with a dot are passed over.

    Raises:
        InvalidInput: there is no such folder or file, or the folder is empty.
    """
    if source.is_file():
        return Pictures(source, (source,), shards=True)
    if not source.is_dir():
        raise InvalidInput(f"there is no folder or shard {source}; give a folder of images, or a .tar")
    shards = sorted(source.glob("*.tar"))
    if shards:
        return Pictures(source, tuple(shards), shards=True)
    files = tuple(
        path
        for path in sorted(source.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(source).parts)
    )
    if not files:
        raise InvalidInput(f"{source} has no images")
    return Pictures(source, files, shards=False)
