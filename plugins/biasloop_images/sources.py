"""Where the images come from: a data set that has a name, a person's folder, a person's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from biasloop import datasets
from biasloop.contract.context import Context, Requirement
from biasloop.datasets.clothing1m import CLOTHING1M
from biasloop.datasets.weights import RESNET18
from biasloop.downloads.temporary import home_of
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_images.chosen import Chosen
from biasloop_images.clothing import Clothing
from biasloop_images.folder import Folder
from biasloop_images.listing import is_text, shown
from biasloop_images.user_arrays import Npz

if TYPE_CHECKING:
    from biasloop.datasets import Images
    from biasloop_images.config import Config

FOLDER, NPZ, CLOTHING = "folder", "npz", CLOTHING1M.name


class Source(Protocol):
    """Images that are known and not yet read."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def mean(self) -> tuple[float, ...] | None:
        """Published mean of each channel, if one is to be used."""

    @property
    def std(self) -> tuple[float, ...] | None:
        """Published standard deviation of each channel, if one is to be used."""

    @property
    def published(self) -> Mapping[str, slice]:
        """Rows of each published split; none of a person's own images."""

    def check(self) -> None:
        """Refuse a file or folder that is not there.

        Raises:
            InvalidInput: naming it.
        """

    def read(self) -> Images:
        """Read the labels, and what else has to be read to say what is wrong.

        Raises:
            SomethingToFetch: if it has to be fetched first.
            DownloadError: if a fetched file is damaged.
            InvalidInput: if a person's file is not as it has to be.
        """


@dataclass(frozen=True)
class Named:
    """A data set of `biasloop fetch`."""

    dataset: datasets.ImageDataset
    data: Path

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.dataset.classes

    @property
    def mean(self) -> tuple[float, ...] | None:
        """As published."""
        return self.dataset.mean

    @property
    def std(self) -> tuple[float, ...] | None:
        """As published."""
        return self.dataset.std

    @property
    def published(self) -> Mapping[str, slice]:
        """Rows of each split."""
        return self.dataset.splits

    def check(self) -> None:
        """What has to be fetched, `requirements` say."""

    def read(self) -> Images:
        """Its labels; its images too, unless it is streamed."""
        return self.dataset.open(self.data)


def requirements(source: Source, config: Config, data: Path) -> list[Requirement]:
    """What has to be fetched: data but a person's own, and weights."""
    weights = [Requirement(RESNET18.name, "weights", RESNET18.bytes, RESNET18.present(data))]
    return _of_data(source, config.data) + (weights if config.pretrained else [])


def _of_data(source: Source, name: str) -> list[Requirement]:
    if isinstance(source, Chosen):
        return _of_data(source.base, name)
    if isinstance(source, Clothing):
        return [] if source.written else [Requirement(name, "data", 0, CLOTHING1M.present(source.context.data))]
    if not isinstance(source, Named):
        return []
    return [Requirement(name, "data", source.dataset.bytes, source.dataset.present(source.data))]


def source(config: Config, context: Context) -> Source:
    """The images that `domain.data` and `domain.path` name, of `domain.classes` alone; looks for none.

    Raises:
        InvalidInput: if settings do not go together.
    """
    entire = _source(config, context)
    return entire if config.classes is None else Chosen(entire, config.classes, config.path or config.data)


def _source(config: Config, context: Context) -> Source:
    data, by_path = config.data, config.data in {FOLDER, NPZ}
    if by_path != (config.path is not None) and data != CLOTHING:
        missing = f'domain.data = "{data}" needs domain.path' if by_path else "domain.path is given"
        raise InvalidInput(f'{missing}; path goes with data = "{FOLDER}" (class folders) or "{NPZ}" (one file)')
    if config.size is not None and data not in {FOLDER, CLOTHING}:
        raise InvalidInput(f'domain.size resizes the images of data = "{FOLDER}"; to pad others, set domain.shape')
    if config.path is None and data == CLOTHING:
        return Clothing.of(config, context, CLOTHING1M.directory(context.data))
    if config.path is None:
        return Named(datasets.get(data), context.data)
    path = home_of(Path(config.path))
    if not is_text(path):
        raise InvalidInput(f"domain.path is '{shown(path)}', which is not UTF-8 text; give it another name, or link it")
    if data == CLOTHING:
        return Clothing.of(config, context, path)
    if data == NPZ:
        return Npz(path, config.path)
    size = (config.size, config.size) if isinstance(config.size, int) else config.size
    return Folder(path, None if size is None else (size[0], size[1]), context, config.path)


def check_classes(images: Images, name: str) -> None:
    """Refuse what no classifier can learn from.

    Raises:
        InvalidInput: if there are fewer than two classes, or one has no image.
    """
    classes, counts = images.classes, np.bincount(images.labels[images.labels >= 0], minlength=len(images.classes))
    if len(classes) < 2:
        only = f"only the class {classes[0]!r}" if classes else "no labelled image"
        raise InvalidInput(f"{name} has {only}; a classifier needs images of at least two classes")
    if not counts.all():
        missing = classes[int(np.flatnonzero(counts == 0)[0])]
        raise InvalidInput(
            f"class {missing!r} has no image in {name}; every one of the {len(classes)} classes needs some in the pool"
        )
