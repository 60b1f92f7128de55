"""Tiny files in exactly the published formats, written without the code that reads them."""

import gzip
import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biasloop.datasets import ImageDataset, get
from biasloop.downloads import Remote

Images = npt.NDArray[np.uint8]

COUNTS = {"train": 10, "test": 3}


def remote(filename: str, content: bytes, *urls: str, algorithm: str = "sha256") -> Remote:
    """What the publisher of this file would state."""
    digest = hashlib.new(algorithm, content).hexdigest()
    return Remote(filename, urls, len(content), f"{algorithm}:{digest}")


def idx(array: Images) -> bytes:
    """An IDX file of unsigned bytes, not gzipped."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">i", n) for n in array.shape)
    return header + bytes(array.flatten().tolist())


def records(images: Images, *labels: list[int]) -> bytes:
    """CIFAR records: label bytes, then the red, green and blue planes row by row."""
    out = bytearray()
    for number, image in enumerate(images.tolist()):
        out += bytes(column[number] for column in labels)
        for channel in range(3):
            out += bytes(pixel[channel] for row in image for pixel in row)
    return bytes(out)


def tar_gz(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """A gzipped tar of files, or of whatever the TarInfo says."""
    stream = io.BytesIO()
    # Without a time in it, so that the same members give the same bytes whenever they are packed.
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member that is a link, a device, ..."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def cifar10(images: Images, labels: list[int], each: int) -> dict[str, bytes]:
    """Members of the CIFAR-10 archive, `each` images a batch, in an order as odd as the published one's."""
    folder = "cifar-10-batches-bin/"
    names = [f"{folder}data_batch_{n}.bin" for n in (1, 2, 3, 4, 5)] + [f"{folder}test_batch.bin"]
    cuts = [slice(n * each, (n + 1) * each) for n in range(5)] + [slice(5 * each, None)]
    batches = {name: records(images[cut], labels[cut]) for name, cut in zip(names, cuts, strict=True)}
    order = [names[n] for n in (0, 2, 3, 5, 4, 1)]
    return {f"{folder}batches.meta.txt": b"airplane\n", **{name: batches[name] for name in order}}


def cifar100(images: Images, fine: list[int], classes: tuple[str, ...], train: int) -> dict[str, bytes]:
    """Members of the CIFAR-100 archive; coarse labels are fine labels modulo 20."""
    folder, coarse = "cifar-100-binary/", [label % 20 for label in fine]
    return {
        f"{folder}coarse_label_names.txt": b"fish\n",
        f"{folder}fine_label_names.txt": ("\n".join(classes) + "\n").encode(),
        f"{folder}test.bin": records(images[train:], coarse[train:], fine[train:]),
        f"{folder}train.bin": records(images[:train], coarse[:train], fine[:train]),
    }


def mat(**variables: Any) -> bytes:
    """A MATLAB 5 file."""
    from scipy.io import savemat

    stream = io.BytesIO()
    savemat(stream, variables, do_compression=True)
    return stream.getvalue()


@dataclass(frozen=True)
class Tiny:
    """A published data set with thirteen images: its description, its files, and what they hold."""

    dataset: ImageDataset
    files: dict[str, bytes]
    images: Images
    labels: list[int]

    def put(self, data: Path, changed: Mapping[str, bytes] | None = None) -> ImageDataset:
        """Put the files, some of them changed, where they belong.

        Returns:
            A data set that has the changed files' sizes and checksums, so that only the reader can object.
        """
        files = {**self.files, **(changed or {})}
        directory = self.dataset.directory(data)
        directory.mkdir(parents=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
        remotes = tuple(remote(name, content) for name, content in files.items())
        return replace(self.dataset, remotes=remotes)


def tiny(name: str, url: str = "") -> Tiny:
    """A published data set, made tiny; its files are published at `url`."""
    published = get(name)
    generator = np.random.default_rng(7)
    count, train = sum(COUNTS.values()), COUNTS["train"]
    images = generator.integers(0, 256, (count, *published.shape), np.uint8)
    labels: list[int] = generator.integers(0, len(published.classes), count).tolist()
    labels[0], labels[train] = 0, len(published.classes) - 1
    if name == "cifar10":
        files = {"cifar-10-binary.tar.gz": tar_gz(cifar10(images, labels, train // 5))}
    elif name == "cifar100":
        members = cifar100(images, labels, published.classes, train)
        files = {"cifar-100-binary.tar.gz": tar_gz(members)}
    elif name == "svhn":
        files = {"train_32x32.mat": svhn(images[:train], labels[:train])}
        files["test_32x32.mat"] = svhn(images[train:], labels[train:])
    else:
        files = {}
        for prefix, rows in (("train", slice(0, train)), ("t10k", slice(train, None))):
            files[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(idx(images[rows, ..., 0]), mtime=0)
            files[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.array(labels[rows], np.uint8)), mtime=0)
    remotes = tuple(remote(filename, content, url + filename) for filename, content in files.items())
    return Tiny(replace(published, counts=COUNTS, remotes=remotes, copy=None), files, images, labels)


def svhn(images: Images, digits: list[int]) -> bytes:
    """A file of SVHN: images last-axis first, digit 0 labelled 10."""
    stacked = np.zeros((*images.shape[1:], len(images)), np.uint8)
    for number, image in enumerate(images):
        stacked[..., number] = image
    return mat(X=stacked, y=np.array([[digit or 10] for digit in digits], np.uint8))


def png(pixels: Images) -> bytes:
    """A PNG file: `(H, W)` grey, `(H, W, 3)` RGB."""
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + bytes(line.flatten().tolist()) for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


CINIC_FOLDERS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Big:
    """A data set of which runs read a part: its description, its files, and what they hold."""

    dataset: ImageDataset
    files: dict[str, bytes]
    images: Images
    labels: list[int]


def cifar5m(url: str = "", count: int = 40, *, compressed: bool = False, classes: int = 10) -> Big:
    """CIFAR-5m with parts of `count` images."""
    generator = np.random.default_rng(11)
    images = generator.integers(0, 256, (3 * count, 32, 32, 3), np.uint8)
    labels = (generator.permutation(3 * count) % classes).astype(np.int64)
    files = {}
    for number in range(3):
        stream, rows = io.BytesIO(), slice(number * count, (number + 1) * count)
        (np.savez_compressed if compressed else np.savez)(stream, X=images[rows], Y=labels[rows])
        files[f"part{number}.npz"] = stream.getvalue()
    return Big(replace(get("cifar5m"), **cifar5m_changes(files, url, count)), files, images, labels.tolist())


def cifar5m_changes(files: Mapping[str, bytes], url: str, count: int) -> dict[str, Any]:
    """What differs from the published description."""
    from biasloop.datasets.cifar5m import examine

    published = get("cifar5m").remotes
    shape = (count, 32, 32, 3)
    return {
        "counts": dict.fromkeys(("part0", "part1", "part2"), count),
        "remotes": tuple(
            Remote(one.filename, (url + one.filename,), 1000, examine=lambda path: examine(path, shape))
            for one in published
        ),
    }


def cinic10(url: str = "", each: int = 2, folder: str = "CINIC-10/", changed: Mapping[str, bytes] | None = None) -> Big:
    """CINIC-10 with `each` images a class and split, some of them grey, in an order that is not that of names."""
    generator = np.random.default_rng(12)
    members, rows, labels = {}, [], []
    for split in ("train", "valid", "test"):
        for label, name in enumerate(CINIC_FOLDERS):
            for number in range(each):
                grey = number == 1
                pixels = generator.integers(0, 256, (32, 32) if grey else (32, 32, 3), np.uint8)
                members[f"{folder}{split}/{name}/n{number:05}.png"] = png(pixels)
                rows.append(np.repeat(pixels[..., None], 3, 2) if grey else pixels)
                labels.append(label)
    order = generator.permutation(len(members)).tolist()
    names = list(members)
    shuffled = {f"{folder}README": b"as published", **{names[place]: members[names[place]] for place in order}}
    content = tar_gz({**shuffled, **(changed or {})})
    filename = "CINIC-10.tar.gz"
    dataset = replace(
        get("cinic10"),
        counts=dict.fromkeys(("train", "valid", "test"), 10 * each),
        remotes=(remote(filename, content, url + filename, algorithm="md5"),),
    )
    return Big(dataset, {filename: content}, np.array(rows), labels)
