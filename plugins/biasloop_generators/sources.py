"""Where the images come from: data sets that are coloured here, a person's own file, and folders of faces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from biasloop import datasets
from biasloop.contract.context import Context, Requirement
from biasloop.contract.data import Array, Floats, Ints
from biasloop.downloads.temporary import home_of
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_generators import compat
from biasloop_generators.coloring import EVEN, Coloring, colored, draws, luminance
from biasloop_generators.faces import Faces, celeba, fairface
from biasloop_generators.pictures import LABEL, Colored, check

if TYPE_CHECKING:
    from biasloop_generators.config import Config

NPZ = "colored-npz"
FACES = {"celeba": celeba, "fairface": fairface}
_NAMES = (("0", "1"), ("green", "red"))
COLORED = (LABEL, "color")
_EXPECTED = "expected images (n, H, H) or (n, H, H, C) of uint8, C 1 or 3, and labels (n,) of whole numbers from 0 to 9"


class Source(Protocol):
    """Images that are known and not yet read."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The label, then groups: known without any data."""

    def check(self) -> None:
        """Refuse files that are not there.

        Raises:
            InvalidInput: naming what is missing.
        """

    @property
    def side(self) -> int:
        """Height and width that networks take; of a person's own file, known once its header is read."""

    def requirements(self) -> list[Requirement]:
        """What has to be fetched; nothing of a person's own."""

    def read(self) -> Colored:
        """Read the images, with labels, groups and splits.

        Raises:
            SomethingToFetch: if they have to be fetched first.
            DownloadError: if a fetched file is damaged.
            InvalidInput: if a person's files are not as they have to be.
        """


@dataclass(frozen=True)
class Published:
    """A data set of `biasloop fetch` that is coloured as published.

    Attributes:
        dataset: its name there.
        side: height and width that networks take.
        train: rows below are the training set; in the order of files, training files first.
        valid: rows from `train` up to this are the validation set; all others are the test set.
        reverse: whether classes below the threshold, not those from it on, have label 1.
        released_even: whether the released test set has colours of probability 1/2.
    """

    dataset: str
    side: int
    train: int
    valid: int
    reverse: bool = False
    released_even: bool = False


# Of Fashion-MNIST, which was not published with colours, the first 7,000 of the 10,000 shipped images train, the next
# 1,000 validate and the last 2,000 test.
PUBLISHED = {
    "colored-fashion": Published("fashion-mnist-t10k", 28, 7_000, 8_000),
    "colored-mnist": Published("mnist", 28, 50_001, 60_000),
    "colored-svhn": Published("svhn", 64, 52_327, 73_257, reverse=True, released_even=True),
}


def names() -> tuple[str, ...]:
    """Values of `domain.data`."""
    return (*PUBLISHED, NPZ, *FACES)


def source(config: Config, context: Context) -> Source:
    """The images that `domain.data` and `domain.path` name; looks for none.

    Raises:
        InvalidInput: if there is no data set of that name, or settings do not go together.
    """
    data = config.data
    if data not in names():
        raise InvalidInput(f"no data set is called {data!r} (domain.data; known: {', '.join(names())})")
    if (data in PUBLISHED) != (config.path is None):
        missing = "domain.path is given" if config.path is not None else f'domain.data = "{data}" needs domain.path'
        raise InvalidInput(
            f'{missing}; path goes with data = "{NPZ}" (one file), "celeba" or "fairface" (the folder with the '
            "published files)"
        )
    if config.path is None:
        return Named(PUBLISHED[data], config, context)
    path = home_of(Path(config.path))
    return OwnArrays(path, config, context) if data == NPZ else OwnFaces(FACES[data](path), config, context)


@dataclass(frozen=True)
class Named:
    """A published data set, coloured."""

    facts: Published
    config: Config
    context: Context
    targets: ClassVar[tuple[str, ...]] = COLORED

    def check(self) -> None:
        """What has to be fetched, `requirements` say."""

    @property
    def side(self) -> int:
        """As published."""
        return self.facts.side

    def requirements(self) -> list[Requirement]:
        """The data set."""
        dataset = datasets.get(self.facts.dataset)
        return [Requirement(dataset.name, "data", dataset.bytes, dataset.present(self.context.data))]

    def read(self) -> Colored:
        """Grey images coloured, in the order of files: MNIST, SVHN and Fashion-MNIST take under a second or two."""
        grey = datasets.get(self.facts.dataset).load(self.context.data)
        rows = np.arange(len(grey.labels))
        splits = np.split(rows, [self.facts.train, self.facts.valid])
        data = recolored(
            grey.images, grey.labels, splits, _coloring(self.config, reverse=self.facts.reverse),
            even_test=self.config.bias_of_test == "balanced" or self.facts.released_even,
            uniforms=self._uniforms(len(rows)), side=self.facts.side,
        )  # fmt: skip
        return _used(data, self.config)

    def _uniforms(self, count: int) -> Floats:
        seed = coloring_seed(self.config, self.context)
        if self.config.released:
            return compat.released_draws(self.config.data, seed, count, count - self.facts.valid)
        return draws(seed, count)


@dataclass(frozen=True)
class OwnArrays:
    """A person's own images of classes 0 to 9, coloured: an `.npz` file with `images` and `labels`.

    A random seven tenths train, one tenth validates, the rest tests; which, depends on the seed alone. They stay in
    random order, since files are often sorted by class and `domain.images` takes the first.
    """

    path: Path
    config: Config
    context: Context
    targets: ClassVar[tuple[str, ...]] = COLORED

    def check(self) -> None:
        """Refuse a file that is not there."""
        if not self.path.is_file():
            raise _missing(self.config, "file")

    @property
    def side(self) -> int:
        """Of the images in the file."""
        from biasloop.datasets.npz import members
        from biasloop.datasets.streaming import Unreadable

        try:
            shape = members(self.path)["images"].shape
        except (Unreadable, OSError, KeyError) as error:
            raise self._refused(f"it has no images that can be read ({error})") from error
        if len(shape) not in {3, 4} or shape[1] != shape[2]:
            raise self._refused(f"its images are {shape}")
        return int(shape[1])

    def requirements(self) -> list[Requirement]:
        """None."""
        return []

    def read(self) -> Colored:
        """Grey images coloured."""
        images, labels = self._arrays()
        rows = self.context.streams.at("split").order(np.arange(len(labels)))
        splits = np.split(rows, [len(rows) * 7 // 10, len(rows) * 8 // 10])
        data = recolored(
            images, labels, splits, _coloring(self.config, reverse=False),
            even_test=self.config.bias_of_test == "balanced",
            uniforms=draws(coloring_seed(self.config, self.context), len(rows)), side=self.side,
        )  # fmt: skip
        return _used(data, self.config)

    def _arrays(self) -> tuple[Array, Ints]:
        from biasloop.datasets.npz import members
        from biasloop.datasets.streaming import Unreadable

        try:
            arrays = {
                name: member.read() for name, member in members(self.path).items() if name in {"images", "labels"}
            }
        except (Unreadable, OSError) as error:
            raise self._refused(str(error)) from error
        if len(arrays) < 2:
            raise self._refused(f"it has {', '.join(arrays) or 'neither images nor labels'}")
        images, labels = arrays["images"], arrays["labels"]
        images = images[..., None] if images.ndim == 3 else images
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in {1, 3}:
            raise self._refused(f"its images are {images.dtype} {images.shape}")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise self._refused(f"its labels are {labels.dtype} {labels.shape}")
        if not ((labels >= 0) & (labels <= 9)).all():
            raise self._refused(f"label {labels[(labels < 0) | (labels > 9)][0]} is not a whole number from 0 to 9")
        return images, labels.astype(np.int64)

    def _refused(self, why: str) -> InvalidInput:
        return InvalidInput(f"{self.path} (domain.path) cannot be used: {why}; {_EXPECTED}")


@dataclass(frozen=True)
class OwnFaces:
    """CelebA or FairFace, in a folder that a person has."""

    faces: Faces
    config: Config
    context: Context

    @property
    def targets(self) -> tuple[str, ...]:
        """As published."""
        return self.faces.targets

    def check(self) -> None:
        """Refuse a folder that is not there."""
        if not self.faces.path.is_dir():
            raise _missing(self.config, "folder")

    @property
    def side(self) -> int:
        """As published."""
        return self.faces.side

    def requirements(self) -> list[Requirement]:
        """None: both ask each person to agree to their terms."""
        return []

    def read(self) -> Colored:
        """The images, decoded once; then mapped into memory."""
        return _used(self.faces.read(self.context), self.config)


def _missing(config: Config, kind: str) -> InvalidInput:
    where = f"; {config.data} is given to people who agree to its terms: " if config.data in FACES else "; "
    return InvalidInput(
        f"domain.path is {config.path!r}, and there is no such {kind} in {Path.cwd()}{where}"
        f"name yours with --set domain.path={kind.upper()}"
    )


def recolored(
    images: Array,
    classes: Ints,
    splits: list[Ints],
    coloring: Coloring,
    *,
    even_test: bool,
    uniforms: Floats,
    side: int,
) -> Colored:
    """Images of classes as a data set of labels and colours (Wyllie et al. 2024).

    Args:
        images: `(N, H, W, C)` uint8, C 1 or 3.
        classes: `(N,)` int64.
        splits: rows of training, validation and test set; in their order, of which `domain.images` takes the first.
        coloring: how classes become labels and colours.
        even_test: whether test images are green with probability 1/2, whatever their label.
        uniforms: `(N, 2)` in [0, 1), of the label and of the colour of each image.
        side: height and width that networks take.
    """
    from biasloop.datasets.images import digest_of

    train, valid, test = splits
    labels = coloring.labels(classes, uniforms[:, 0])
    groups = coloring.groups(labels, uniforms[:, 1])
    if even_test:
        groups[test] = replace(coloring, green=EVEN).groups(labels[test], uniforms[test, 1])
    pixels = colored(luminance(images), groups)
    digest = digest_of(pixels, labels, groups)
    return Colored(
        pixels, labels, groups[:, None], train, valid, test, _NAMES, COLORED, side,
        mirrored=False, digest=digest,
    )  # fmt: skip


def coloring_seed(config: Config, context: Context) -> int:
    """The seed of noise and colours: as set, else as released, else the run's own stream."""
    if config.coloring_seed is not None:
        return config.coloring_seed
    if config.released:
        return compat.released_coloring_seed(config.data, context)
    return context.streams.at("coloring").seed % 2**32


def _coloring(config: Config, *, reverse: bool) -> Coloring:
    return Coloring(config.threshold, reverse, config.noise, (config.green[0], config.green[1]))


def _used(data: Colored, config: Config) -> Colored:
    """The data with as many training images as are wanted, if they can be learnt from."""
    wanted = config.images
    if wanted is not None and wanted > len(data.train):
        raise InvalidInput(
            f"domain.images is {wanted:,} and {config.data} has {len(data.train):,} training images; set fewer"
        )
    data = replace(data, train=data.train[:wanted])
    check(data, config.data)
    return data
