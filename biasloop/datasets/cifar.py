"""The binary archives of CIFAR-10 and CIFAR-100, read straight from the `.tar.gz`.

Source: the CIFAR home page. A member is a sequence of records without a header. CIFAR-10: 1 label byte and
3,072 pixel bytes. CIFAR-100: 1 coarse-label byte, 1 fine-label byte, 3,072 pixel bytes. Pixels are the red,
then the green, then the blue plane, each row by row.
"""

import gzip
import math
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from biasloop.datasets.images import ImageDataset, Part

_CIFAR10 = {
    "train": tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("cifar-10-batches-bin/test_batch.bin",),
}
_CIFAR100 = {"train": ("cifar-100-binary/train.bin",), "test": ("cifar-100-binary/test.bin",)}
_NAMES = "cifar-100-binary/fine_label_names.txt"


def read_cifar10(dataset: ImageDataset, directory: Path) -> Iterator[Part]:
    """Parts, one a batch of the archive."""
    return _read(dataset, directory, _CIFAR10, label_bytes=1)


def read_cifar100(dataset: ImageDataset, directory: Path) -> Iterator[Part]:
    """Parts, one a split, with the fine labels; the archive's names of classes are checked against ours."""
    return _read(dataset, directory, _CIFAR100, label_bytes=2)


def _read(
    dataset: ImageDataset, directory: Path, members: Mapping[str, tuple[str, ...]], label_bytes: int
) -> Iterator[Part]:
    file = directory / dataset.remotes[0].filename
    wanted = _rows(dataset, members)
    try:
        with gzip.open(file) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                if member.name == _NAMES and label_bytes == 2:
                    _check_names(dataset, file, _content(tar, member, 10_000).decode(errors="replace").split())
                elif member.name in wanted:
                    rows = wanted.pop(member.name)
                    size = (rows.stop - rows.start) * (label_bytes + math.prod(dataset.shape))
                    if member.size != size:
                        raise dataset.damaged(file, f"{member.name} has {member.size:,} bytes, expected {size:,}")
                    yield _part(dataset, file, rows.start, _content(tar, member, size), label_bytes)
            while stream.read(1 << 20):  # up to the end, where gzip compares its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise dataset.damaged(file, f"it does not unpack ({error})") from error
    if wanted:
        raise dataset.damaged(file, f"it lacks {', '.join(wanted)}")


def _rows(dataset: ImageDataset, members: Mapping[str, tuple[str, ...]]) -> dict[str, slice]:
    """Where each member's images go: members share the rows of a split evenly, and come in any order."""
    plan = {}
    for split, names in members.items():
        start, each = dataset.splits[split].start, dataset.counts[split] // len(names)
        for position, name in enumerate(names):
            plan[name] = slice(start + position * each, start + (position + 1) * each)
    return plan


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, limit: int) -> bytes:
    stream = tar.extractfile(member)
    return b"" if stream is None else stream.read(limit)


def _part(dataset: ImageDataset, file: Path, start: int, content: bytes, label_bytes: int) -> Part:
    height, width, channels = dataset.shape
    records = np.frombuffer(content, np.uint8).reshape(-1, label_bytes + math.prod(dataset.shape))
    planes = records[:, label_bytes:].reshape(-1, channels, height, width)
    return Part(file, start, planes.transpose(0, 2, 3, 1), records[:, label_bytes - 1])


def _check_names(dataset: ImageDataset, file: Path, names: list[str]) -> None:
    """The order of classes; names circulate in variants (maple, maple_tree), so one word has to agree."""
    pairs = zip(names, dataset.classes, strict=False)
    wrong = [f"{a} for {b}" for a, b in pairs if not set(a.split("_")) & set(b.split("_"))]
    if len(names) != len(dataset.classes) or wrong:
        other = wrong[0] if wrong else f"{len(names)} names"
        raise dataset.damaged(file, f"{_NAMES} has {other}, expected {len(dataset.classes)} fine classes as published")
