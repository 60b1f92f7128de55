"""Decoded images mapped into memory: a batch of 256 random rows, against blocks of an HDF5 file with checksums.

Both are opened and read anew each time, from the page cache. Under pytest it times the parts.

    python benchmarks/bench_decoded.py [IMAGES]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from biasloop.contract.context import Context
from biasloop.contract.data import Column
from biasloop.contract.randomness import Streams
from biasloop.datasets import mapped_images
from biasloop.datasets.decoded import decoded
from biasloop.datasets.stored import open_stored, storing

SIDE, BATCH, TIMES = 128, 256, 7
CLASSES = ("a", "b")


def in_hdf5(directory, images, labels):
    """Opens and reads a batch of the form that folders of images were kept in."""
    path = directory / "images.h5"
    with storing(path, images.shape, labels, CLASSES) as stored:
        stored[:] = images
    return lambda ids: open_stored(path, "").take(ids)


def mapped(directory, images, labels):
    """Likewise of the form that all decoded data are kept in."""
    context = Context(directory, Streams((0,)))

    def read(ids):
        kept = decoded(context, "images", lambda to: mapped_images.write(to, images.shape, images, labels, CLASSES))
        return mapped_images.read(kept).take(ids)

    return read


def tokens(directory, images, labels):
    """Ragged rows of the mapped form, 20 tokens each on average."""
    context, draws = Context(directory, Streams((0,))), np.random.default_rng(2)
    offsets = np.concatenate([[0], np.cumsum(draws.integers(0, 40, len(images)))])
    column = Column(draws.integers(0, 50_000, offsets[-1], np.int32), offsets)

    def read(ids):
        return decoded(context, "tokens", lambda to: to.append("text", column)).frame.columns["text"].take(ids)

    return read


def seconds(read, count):
    """Median of opening and reading random rows in ascending order, once everything is in the page cache."""
    draws, taken = np.random.default_rng(1), []
    for _ in range(TIMES + 1):
        ids = np.sort(draws.choice(count, BATCH, replace=False))
        start = time.perf_counter()
        read(ids)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def main(count: int) -> None:
    draws = np.random.default_rng(0)
    images, labels = draws.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8), np.arange(count) % 2
    with tempfile.TemporaryDirectory() as place:
        before, after, ragged = (
            seconds(form(Path(place), images, labels), count) for form in (in_hdf5, mapped, tokens)
        )
    print(f"{BATCH} of {count:,} images of {SIDE}x{SIDE}x3, opened and read: HDF5 {before * 1e3:.1f} ms")
    print(f"mapped {after * 1e3:.2f} ms, {before / after:.0f} x; {BATCH} rows of tokens {ragged * 1e3:.2f} ms")


def test_a_batch_of_mapped_images(benchmark, tmp_path):
    images = np.zeros((2000, 32, 32, 3), np.uint8)
    benchmark(mapped(tmp_path, images, np.zeros(2000, np.int64)), np.arange(0, 2000, 8))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
