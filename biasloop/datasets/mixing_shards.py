"""Originals and generated pictures of the same captions, mixed by key while they are read.

The support is equal for all shares: keys that have an original with a picture and a generated sample. A key's picture
is the generated one iff uniform(seed, key) >= 1 - share, so those of a smaller share are among those of a larger one,
whatever the order of shards; the draws are those of the rule `mixing` with `loop.mix_seed`. Captions stay the same.
A generated sample without a picture says that a safety checker flagged it: the original stands in its place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from biasloop.contract.data import Bools, Floats, Ints
from biasloop.contract.randomness import Streams
from biasloop.datasets import encoding
from biasloop.datasets.shards import PICTURES, Index, Sample, Shard, looks
from biasloop.errors import DamagedShard, InvalidInput

Rows = np.ndarray[tuple[int, int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Keys:
    """Samples of a directory of shards.

    Attributes:
        shards: paths, by name.
        key: `(n,)` in ascending order.
        place: `(n, 2)` number of the shard, and position in it.
        pictured: `(n,)` whether there is a picture.
    """

    shards: Sequence[Path]
    key: Ints
    place: Rows
    pictured: Bools

    @staticmethod
    def of(directory: Path) -> Keys:
        """Read the indexes of all shards, which are built where there are none.

        Raises:
            InvalidInput: there is no shard, a key is no number, or comes twice.
            DamagedShard: a shard is damaged.
        """
        paths = sorted(directory.glob("*.tar"))
        if not paths:
            raise InvalidInput(f"{directory} has no shards; expected files that end in .tar")
        keys, places, pictured = [], [], []
        for number, path in enumerate(paths):
            index = Index.of(path)
            keys.append(_numbers(index, path))
            places.append(np.column_stack([np.full(len(index.keys), number), np.arange(len(index.keys))]))
            pictured.append(_pictured(index))
        key = np.concatenate(keys)
        order = np.argsort(key, kind="stable")
        key, place = key[order], np.concatenate(places)[order]  # (n,), (n, 2)
        again = np.flatnonzero(np.diff(key) == 0)
        if len(again):
            first, second = (paths[place[row, 0]].name for row in (again[0], again[0] + 1))
            raise DamagedShard(f"{directory} has the key {key[again[0]]} twice, in {first} and {second}")
        return Keys(paths, key, place, np.concatenate(pictured)[order])

    def rows_of(self, keys: Ints) -> Ints:
        """`(n,)` rows of some keys.

        Raises:
            InvalidInput: one is not there.
        """
        rows = np.minimum(np.searchsorted(self.key, keys), len(self.key) - 1)
        absent = np.flatnonzero(self.key[rows] != keys)
        if len(absent):
            raise InvalidInput(f"no shard of {self.shards[0].parent} has the key {keys[absent[0]]}")
        return rows

    def read(self, rows: Ints) -> Iterator[Sample]:
        """Samples at some rows, in the order asked for; neighbours in one shard are read together.

        Raises:
            InvalidInput, DamagedShard: a shard cannot be read.
        """
        place = self.place[rows]  # (n, 2)
        cuts = np.flatnonzero(np.diff(place[:, 0])) + 1
        for run in np.split(place, cuts) if len(place) else ():
            path = self.shards[run[0, 0]]
            yield from _shard(path, looks(path)).read(run[:, 1].tolist())


def _numbers(index: Index, path: Path) -> Ints:
    """Keys as numbers: rows of the list of captions, as img2dataset and we call samples."""
    names = [key.rpartition("/")[2] for key in index.keys]
    strange = next((name for name in names if not (name.isascii() and name.isdigit() and len(name) < 19)), None)
    if strange is not None:
        raise InvalidInput(f"{path}: the key {strange!r} is no number; shards are mixed by the row of their caption")
    return np.array([int(name) for name in names], np.int64)


def _pictured(index: Index) -> Bools:
    """`(samples,)` whether one of the parts is a picture."""
    is_picture = np.array([name.lower() in PICTURES for name in index.parts], bool)
    sums = np.concatenate([[0], np.cumsum(is_picture[index.part])]) if len(index.parts) else np.zeros(1, np.int64)
    return np.asarray(sums[index.first[1:]] > sums[index.first[:-1]])


@dataclass(frozen=True)
class Counts:
    """Of keys.

    Attributes:
        kept: that are mixed.
        synthetic: of these, with a generated picture.
        flagged: of these, whose generated picture is left to the original.
        not_generated: originals that have no generated sample, and are dropped.
        not_original: generated samples that have no original, and are dropped.
        unpictured: originals without a picture, which are dropped.
        keys_sha256: SHA-256 of those that are kept, in ascending order, a line each.
    """

    kept: int
    synthetic: int
    flagged: int
    not_generated: int
    not_original: int
    unpictured: int
    keys_sha256: str

    @property
    def share(self) -> float:
        """The realised one."""
        return self.synthetic / self.kept if self.kept else 0.0


@dataclass(frozen=True)
class Mixture:
    """A corpus whose pictures are mixed while they are read.

    Attributes:
        originals: samples as they are.
        pictures: generated ones.
        share: of generated pictures, asked for.
        seed: of which these are.
        equalise: pixels a side of the square into which all pictures are fitted, as JPEG files of one quality; 0 leaves
            them as they are. Originals and generated pictures differ in size and format, which a network can tell.
    """

    originals: Keys
    pictures: Keys
    share: float
    seed: int
    equalise: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InvalidInput(f"a share is from 0 to 1, not {self.share}")

    @cached_property
    def _rows(self) -> Rows:
        """`(n, 2)` rows of originals and of pictures that have the same key, in the order of the originals' shards."""
        _, first, second = np.intersect1d(
            self.originals.key[self.originals.pictured], self.pictures.key, assume_unique=True, return_indices=True
        )
        first = np.flatnonzero(self.originals.pictured)[first]
        order = np.lexsort(self.originals.place[first].T[::-1])
        return np.column_stack([first, second])[order]

    @cached_property
    def keys(self) -> Ints:
        """`(n,)` those that are mixed, in order."""
        return np.asarray(self.originals.key[self._rows[:, 0]])

    @cached_property
    def synthetic(self) -> Bools:
        """`(n,)` whether each has the generated picture."""
        chosen = uniforms(self.seed, self.keys) >= 1 - self.share
        return np.asarray(chosen & self.pictures.pictured[self._rows[:, 1]])

    @cached_property
    def counts(self) -> Counts:
        """How many there are, and are dropped."""
        unpictured = int((~self.originals.pictured).sum())
        return Counts(
            kept=len(self.keys),
            synthetic=int(self.synthetic.sum()),
            flagged=int((~self.pictures.pictured[self._rows[:, 1]]).sum()),
            not_generated=len(self.originals.key) - unpictured - len(self.keys),
            not_original=len(self.pictures.key) - len(self.keys),
            unpictured=unpictured,
            keys_sha256=digest_of(np.sort(self.keys)),
        )

    @cached_property
    def sizes(self) -> Ints:
        """`(shards,)` how many of `keys` come from each shard of the originals."""
        return np.bincount(self.originals.place[self._rows[:, 0], 0], minlength=len(self.originals.shards))

    def rows_of(self, shard: int) -> Ints:
        """Which of `keys` come from a shard of the originals, in its order."""
        return np.flatnonzero(self.originals.place[self._rows[:, 0], 0] == shard)

    def read(self, rows: Sequence[int]) -> Iterator[Sample]:
        """Samples, by their places in `keys`: picture, `json` and `txt`.

        Raises:
            InvalidInput, DamagedShard: a shard cannot be read.
        """
        rows = list(rows)
        originals = self.originals.read(self._rows[rows, 0])
        generated = [row for row in rows if self.synthetic[row]]
        pictures = self.pictures.read(self._rows[generated, 1])
        for row, original in zip(rows, originals, strict=True):
            yield self._mixed(original, next(pictures) if self.synthetic[row] else None)

    def _mixed(self, original: Sample, generated: Sample | None) -> Sample:
        source = generated or original
        part = source.picture
        assert part is not None
        picture, name = source.parts[part], _true_ending(source.parts[part], part)
        if self.equalise:
            corpus = self.originals if generated is None else self.pictures
            where = f"{source.key} in {corpus.shards[0].parent}"
            picture, name = encoding.equalised(picture, self.equalise, where), "jpg"
        about: dict[str, object] = {"generated": generated is not None, "source_key": source.key}
        if generated is not None:
            about |= _told_of(generated)
        parts = {name: picture, "json": f"{json.dumps(about, ensure_ascii=False)}\n".encode()}
        return Sample(original.key, parts | ({"txt": original.parts["txt"]} if "txt" in original.parts else {}))


def digest_of(keys: Ints) -> str:
    """SHA-256 of keys in their order, a line each."""
    return hashlib.sha256("".join(f"{key}\n" for key in keys.tolist()).encode()).hexdigest()


def uniforms(seed: int, keys: Ints) -> Floats:
    """`(n,)` in [0, 1), a function of (seed, key)."""
    return np.asarray(Streams((seed,)).at("run", "mix").uniform(keys)[:, 0])


@lru_cache(maxsize=64)
def _shard(path: Path, looks: tuple[int, int]) -> Shard:
    """A shard as it was; its index is held while others are read."""
    return Shard(path)


def _true_ending(content: bytes, part: str) -> str:
    """What a picture's file is: published mixtures have PNG files that are called `.jpg`."""
    for start, name in ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"RIFF", "webp")):
        if content.startswith(start):
            return name
    return part.lower()


def _told_of(generated: Sample) -> dict[str, object]:
    """What the `json` of a generated sample says of how it was drawn."""
    try:
        said = json.loads(generated.parts.get("json", b"{}"))
    except ValueError:
        return {}
    names = ("generator", "revision", "seed", "steps", "guidance", "flagged")
    return {name: said[name] for name in names if name in said} if isinstance(said, dict) else {}
