"""The IDX format of MNIST and its kin: gzipped, a big-endian header, then bytes.

Source: the MNIST home page. Header: two zero bytes, the type (8 = unsigned byte), the number of dimensions,
then each dimension as a 32-bit integer.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biasloop.datasets.images import ImageDataset, Part

_PREFIXES = {"train": "train", "test": "t10k"}


def read(dataset: ImageDataset, directory: Path) -> Iterator[Part]:
    """Parts, one a split, of `SPLIT-images-idx3-ubyte.gz` and `SPLIT-labels-idx1-ubyte.gz`."""
    height, width, _ = dataset.shape
    for split, rows in dataset.splits.items():
        count = dataset.counts[split]
        file = directory / f"{_PREFIXES[split]}-images-idx3-ubyte.gz"
        images = _array(dataset, file, (count, height, width))
        labels = _array(dataset, directory / f"{_PREFIXES[split]}-labels-idx1-ubyte.gz", (count,))
        yield Part(file, rows.start, images[..., None], labels)


def _array(dataset: ImageDataset, file: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The array in a file, which has to be of that shape."""
    array = np.empty(shape, np.uint8)
    try:
        with gzip.open(file) as stream:
            _check_header(dataset, file, stream.read(4 + 4 * len(shape)), shape)
            read = _fill(stream, array.reshape(-1).data)
            more = stream.read(1)  # also makes gzip compare its checksum
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise dataset.damaged(file, f"it does not unpack ({error})") from error
    if read != array.nbytes or more:
        amount = f"only {read:,}" if read != array.nbytes else "more"
        raise dataset.damaged(file, f"it holds {amount} bytes of data, expected {array.nbytes:,}")
    return array


def _check_header(dataset: ImageDataset, file: Path, header: bytes, shape: tuple[int, ...]) -> None:
    magic = bytes((0, 0, 8, len(shape)))
    if header[:4] != magic:
        raise dataset.damaged(file, f"it starts with {header[:4].hex()}, expected {magic.hex()}")
    if header[4:] != struct.pack(f">{len(shape)}I", *shape):
        dimensions = struct.unpack(f">{len(header[4:]) // 4}I", header[4 : len(header) // 4 * 4])
        raise dataset.damaged(file, f"its dimensions are {dimensions}, expected {shape}")


def _fill(stream: Any, buffer: memoryview) -> int:
    """Read until the buffer is full or the stream ends; how many bytes were read."""
    done = 0
    while done < len(buffer) and (read := stream.readinto(buffer[done:])):
        done += read
    return done
