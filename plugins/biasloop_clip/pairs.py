"""Pairs of originals and generated pictures with one caption each, in shards: which there are, and where.

A sample is a key that both corpora have with a picture; its id is the key, so that the rule `mixing` with
`loop.mix_seed` chooses the keys that a `Mixture` of that seed does. Planning reads the indexes of shards; captions and
pictures are read when they are asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.datasets.gender_words import gender_group
from biasloop.downloads.temporary import home_of
from biasloop.errors import DamagedShard, InvalidInput
from biasloop.lazy import numpy as np
from biasloop_clip.shards_config import DRAWINGS, FETCHED, Config

if TYPE_CHECKING:
    from biasloop.contract.context import Context, Requirement
    from biasloop.contract.data import Ints, Splits
    from biasloop.contract.randomness import Streams
    from biasloop.datasets.mixing_shards import Keys

PICTURE = "picture"
"""The column of prepared pictures: the key of the generated one, or -1 where the picture is the sample's own."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Keys of both corpora.

    Attributes:
        originals: with captions.
        pictures: generated for these.
        ids: `(n,)` keys that have both pictures, ascending.
    """

    originals: Keys
    pictures: Keys
    ids: Ints

    @staticmethod
    def of(originals: Path, pictures: Path) -> Pairs:
        """Read the indexes of two directories.

        Raises:
            InvalidInput: there are no shards, one is packed, keys are no numbers, or none is in both.
            DamagedShard: a shard is damaged.
        """
        from biasloop.datasets.mixing_shards import Keys

        both = [_opened(folder, Keys) for folder in (originals, pictures)]
        first, second = (keys.key[keys.pictured] for keys in both)
        ids = np.intersect1d(first, second, assume_unique=True)
        if not len(ids):
            raise InvalidInput(f"{originals} and {pictures} have no key with a picture in common")
        return Pairs(both[0], both[1], ids)

    @cached_property
    def digest(self) -> str:
        """Of keys, of names and sizes of all shards, and of their manifests: wherever they lie."""
        total = hashlib.sha256(np.ascontiguousarray(self.ids, "<i8").tobytes())
        for keys in (self.originals, self.pictures):
            for shard in keys.shards:
                total.update(f"{shard.name} {shard.stat().st_size}\n".encode())
            for manifest in sorted(keys.shards[0].parent.glob("*.manifest.json")):
                total.update(manifest.read_bytes())
        return total.hexdigest()

    def splits(self, test: int, streams: Streams) -> Splits:
        """So many keys for testing, the rest in the pool.

        Raises:
            InvalidInput: there are not more than so many.
        """
        from biasloop.contract.data import Splits

        if test >= len(self.ids):
            raise InvalidInput(
                f"domain.test is {test}, and {len(self.ids)} keys have both pictures; set {len(self.ids) - 1} or less"
            )
        order = streams.order(self.ids)
        return Splits(test=np.sort(order[:test]), pool=np.sort(order[test:]))

    @cached_property
    def words(self) -> Ints:
        """`(n,)` of `gender_words.GROUPS`, by each caption; reads all captions.

        Raises:
            DamagedShard: a sample has no caption.
        """
        from biasloop.datasets.shards import Shard

        groups = np.full(len(self.originals.key), -1, np.int64)  # of all originals, by row
        for path in self.originals.shards:
            told = [(int(key.rpartition("/")[2]), gender_group(text)) for key, text in Shard(path).texts("txt")]
            if told:
                keys, of = np.array(told, np.int64).T
                groups[self.originals.rows_of(keys)] = of
        words = groups[self.originals.rows_of(self.ids)]
        if words.min() < 0:
            key = self.ids[words.argmin()]
            raise DamagedShard(f"{self.originals.shards[0].parent}: the sample {key} has no caption (member .txt)")
        return words

    def words_of(self, ids: Ints) -> Ints:
        """`(n,)` of `gender_words.GROUPS`."""
        return self.words[np.searchsorted(self.ids, ids)]

    def captions(self, ids: Ints) -> list[str]:
        """Texts, in the order asked for."""
        from biasloop_clip.preparing import caption_of

        order = np.argsort(ids, kind="stable")
        where = str(self.originals.shards[0].parent)
        texts = [caption_of(sample, where) for sample in self.originals.read(self.originals.rows_of(ids[order]))]
        back = np.argsort(order, kind="stable")
        return [texts[row] for row in back.tolist()]


def requirements(config: Config, context: Context) -> list[Requirement]:
    """What has to be fetched."""
    from biasloop.datasets.catalogue import requirement

    named = dict.fromkeys((config.originals, config.pictures))
    return [requirement(name, context.data) for name in named if name in FETCHED]


def read(config: Config, context: Context) -> Pairs:
    """The pairs that settings name.

    Raises:
        SomethingToFetch: a data set has to be taken first.
        InvalidInput, DamagedShard: as `Pairs.of`.
    """
    if config.originals == DRAWINGS:
        from biasloop_clip import drawn_shards

        folder = context.prepared(drawn_shards.NAME, drawn_shards.build)
        return Pairs.of(folder / drawn_shards.ORIGINALS, folder / drawn_shards.PICTURES)
    return Pairs.of(*(_folder(name, context) for name in (config.originals, config.pictures)))


def _folder(name: str, context: Context) -> Path:
    from biasloop.datasets.catalogue import asset
    from biasloop.datasets.cc3m import folder_of

    if name not in FETCHED:
        return home_of(Path(name))
    known = asset(name)
    directory = known.location(context.data)
    if directory is None:
        raise known.absent(context.data)
    return folder_of(directory)


def _opened(folder: Path, kind: type[Keys]) -> Keys:
    keys = kind.of(folder)
    packed = [path for path in keys.shards if _is_packed(path)]
    if packed:
        raise InvalidInput(
            f"{packed[0]} is packed by gzip, and samples of it cannot be read in any order at speed; unpack the shards "
            f"of {folder} into another directory: for f in *.tar; do gzip -dc $f > DIR/$f; done"
        )
    return keys


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
