"""One seed, many named independent streams.

Every draw is named: by sample id if it concerns a sample, by step if it concerns a batch; never by how many
draws came before. So a resumed run continues as the uninterrupted one would have, and two runs that differ in
one setting share all other randomness.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from biasloop.contract.data import Floats, Ints
from biasloop.lazy import numpy as np

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


@dataclass(frozen=True)
class Streams:
    """A place in the tree of random streams; its path is its name."""

    path: tuple[int | str, ...]

    def at(self, *names: int | str) -> Streams:
        """The stream below this one with the given name."""
        return Streams(self.path + names)

    @property
    def key(self) -> int:
        """128 bits that depend on the whole path and on nothing else."""
        text = "\x1f".join(f"{type(name).__name__}:{name}" for name in self.path)
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")

    @property
    def seed(self) -> int:
        """63 bits of the key, for libraries that take one integer (torch's generators)."""
        return self.key & (2**63 - 1)

    def generator(self) -> np.random.Generator:
        """A generator of its own, for draws that concern a batch or a whole."""
        return np.random.Generator(np.random.Philox(key=self.key))

    def bits(self, ids: Ints, width: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
        """`(n, width)` uint64 that depend on (path, id) alone: two keyed rounds of the splitmix64 finaliser."""
        key = self.key
        low, high = np.uint64(key & (2**64 - 1)), np.uint64(key >> 64)
        counter = ids.astype(np.uint64)[:, None] * np.uint64(width) + np.arange(width, dtype=np.uint64)[None, :]
        return _splitmix(_splitmix(counter * _GOLDEN + low) ^ high)

    def uniform(self, ids: Ints, width: int = 1) -> Floats:
        """`(n, width)` float64 in [0, 1), a function of (path, id): the same in any batch and any order."""
        return (self.bits(ids, width) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def order(self, ids: Ints) -> Ints:
        """The ids in a random order, a function of (path, id): the order of a subset is that of the whole, thinned."""
        return ids[np.lexsort((ids, self.bits(ids)[:, 0]))]


def _splitmix(
    x: np.ndarray[tuple[int, int], np.dtype[np.uint64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))
