"""A few drawings in shards, for trials without a download: originals, and other variants in place of generated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from biasloop.contract.randomness import Streams
from biasloop.datasets import encoding
from biasloop.datasets.shards import Index, Sample, ShardWriter
from biasloop.lazy import numpy as np
from biasloop_clip.captions import caption
from biasloop_clip.config import PictureSettings
from biasloop_clip.pictures import pictures

if TYPE_CHECKING:
    from biasloop.contract.data import Ints
    from biasloop.datasets.images import Pixels

NAME = "clip-drawn-shards-1"
"""Of the prepared directory; another number where what is in it changes."""
ORIGINALS, PICTURES = "originals", "pictures"
_SETTINGS = PictureSettings(roles=6, pool=40, test=1, canvas=32)
_OTHERS = 5_000  # the first of the variants that stand in place of generated pictures
_SHARDS = 2


def build(folder: Path) -> None:
    """Fill an empty directory with both corpora, of 240 keys each."""
    data = pictures(_SETTINGS, Streams(("drawn shards",)))
    ids = data.streams.at("order").order(data.splits.pool)
    texts = [caption(data.roles[role], gender, tone) for role, gender, tone in data.captions(ids).tolist()]
    for name, shown in ((ORIGINALS, ids), (PICTURES, ids + _OTHERS)):
        directory = folder / name
        directory.mkdir()
        pixels = data.render(shown)
        for number, rows in enumerate(np.array_split(np.arange(len(ids)), _SHARDS)):
            _write(directory / f"{number:05d}.tar", rows, texts, pixels)


def _write(path: Path, rows: Ints, texts: list[str], pixels: Pixels) -> None:
    with path.open("wb") as file:
        shard = ShardWriter(file.write)
        for row in rows.tolist():
            parts = {"jpg": encoding.encode(pixels[row], "jpg"), "txt": texts[row].encode()}
            shard.add(Sample(f"{row:09d}", parts))
        shard.end()
    Index.of(path)  # beside it, before the directory is sealed
