"""CIFAR-5m: three parts without published checksums, of which a run reads the images that it uses."""

import io
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.archives import cifar5m
from support.servers import Reply, serving

from biasloop.datasets import fetch, get
from biasloop.downloads import Patience
from biasloop.errors import DownloadError

QUICK = Patience(timeout=5, tries=2, sleep=lambda _: None)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def put(made, data: Path, **changed: bytes):
    directory = made.dataset.directory(data)
    directory.mkdir(parents=True)
    for name, content in {**made.files, **{f"{key}.npz": value for key, value in changed.items()}}.items():
        (directory / name).write_bytes(content)
    return made.dataset


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def test_as_published():
    dataset = get("cifar5m")
    assert dataset.count == 3_001_344
    assert [file.urls for file in dataset.remotes] == [
        (f"https://storage.googleapis.com/gresearch/cifar5m/part{number}.npz",) for number in range(3)
    ]
    assert dataset.classes == ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert 9e9 < dataset.bytes < 9.5e9


@pytest.mark.parametrize("compressed", [False, True])
def test_fetch_then_take(tmp_path, compressed):
    told: list[tuple[int, int]] = []
    with serving(cifar5m(compressed=compressed).files) as server:
        made = cifar5m(server.url, compressed=compressed)
        assert not made.dataset.present(tmp_path)
        paths = fetch(made.dataset, tmp_path, progress=lambda *step: told.append(step))
        assert [path.name for path in paths] == ["part0.npz", "part1.npz", "part2.npz"]
        assert fetch(made.dataset, tmp_path) == []
        assert len(server.asked) == 3
    assert made.dataset.present(tmp_path)
    assert told
    images = made.dataset.open(tmp_path)
    assert images.labels.tolist() == made.labels
    assert images.labels.dtype == np.int64
    for ids in ([], [0], [39, 40], [5, 41, 42, 100, 119], list(range(120))):
        taken = images.take(np.array(ids, np.int64))
        assert taken.dtype == np.uint8
        assert np.array_equal(taken, made.images[ids].reshape(-1, 32, 32, 3))
    assert np.array_equal(made.dataset.load(tmp_path).images, made.images)


def test_blocks_smaller_than_a_part(tmp_path, monkeypatch):
    """Blocks of 7 images, so that every border falls differently; against plain indexing."""
    from biasloop.datasets import streaming

    monkeypatch.setattr(streaming, "BLOCK_BYTES", 7 * 3072)
    draws = np.random.default_rng(0)
    for compressed in (False, True):
        made = cifar5m(compressed=compressed)
        images = put(made, tmp_path / str(compressed)).open(tmp_path / str(compressed))
        for count in (1, 2, 13, 60, 119):
            ids = np.sort(draws.permutation(120)[:count])
            assert np.array_equal(images.take(ids), made.images[ids])


def test_a_broken_download_goes_on_though_nobody_published_a_size(tmp_path):
    whole = cifar5m().files
    size = len(whole["part0.npz"])
    cut = Reply(whole["part0.npz"], ranges=True, cut=size // 2, headers=(("ETag", '"a"'),))
    with serving({**whole, "part0.npz": [cut, replace(cut, cut=None)]}) as server:
        made = cifar5m(server.url)
        fetch(made.dataset, tmp_path, patience=QUICK)
        assert server.asked.count("/part0.npz") == 2
        assert 0 < int(server.ranges[1].removeprefix("bytes=").removesuffix("-")) < size
    assert made.dataset.open(tmp_path).labels.tolist() == made.labels


def test_a_download_without_any_stated_size(tmp_path):
    whole = cifar5m().files
    with serving({name: Reply(content, announced=-1) for name, content in whole.items()}) as server:
        made = cifar5m(server.url)
        fetch(made.dataset, tmp_path, patience=QUICK)
    assert made.dataset.open(tmp_path).labels.tolist() == made.labels


@pytest.mark.parametrize("kind", ["truncated", "flipped", "page", "other arrays"])
def test_what_is_no_part_is_not_taken_for_one(tmp_path, kind):
    whole = cifar5m().files
    content = bytearray(whole["part1.npz"])
    if kind == "truncated":
        del content[-2000:]
    elif kind == "flipped":
        content[len(content) // 2] ^= 1
    elif kind == "page":
        content = bytearray(b"<!doctype html><title>busy</title>")
    else:
        content = bytearray(npz(x=np.zeros(3)))
    with serving({**whole, "part1.npz": bytes(content)}) as server:
        made = cifar5m(server.url)
        with pytest.raises(DownloadError, match=r"cannot fetch part1\.npz") as error:
            fetch(made.dataset, tmp_path, patience=QUICK)
    assert "no checksum is published" in str(error.value)
    assert sorted(path.name for path in (tmp_path / "cifar5m").iterdir()) == ["part0.npz"]


def test_fetch_repairs_a_part_whose_crc_is_wrong(tmp_path):
    made = cifar5m()
    dataset = put(made, tmp_path)
    path = tmp_path / "cifar5m" / "part2.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with serving(made.files) as server:
        assert fetch(dataset, tmp_path, server.url) == [path]


X, Y = np.zeros((40, 32, 32, 3), np.uint8), np.zeros(40, np.int64)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": X, "labels": Y}, "it has the arrays images, labels, expected X and Y"),
        ({"X": X}, "it has the arrays X, expected X and Y"),
        ({"X": X.astype(np.float32), "Y": Y}, r"its array X is float32 \(40, 32, 32, 3\), expected uint8"),
        ({"X": X[:39], "Y": Y[:39]}, r"its array X is uint8 \(39, 32, 32, 3\), expected uint8 \(40, 32, 32, 3\)"),
        ({"X": X.transpose(0, 3, 1, 2).copy(), "Y": Y}, r"uint8 \(40, 3, 32, 32\), expected"),
        ({"X": X, "Y": Y[:39]}, r"its array Y is int64 \(39,\), expected whole numbers \(40,\)"),
        ({"X": X, "Y": Y.astype(float)}, "its array Y is float64"),
        ({"X": X, "Y": np.array([{}] * 40)}, "its array 'Y' has Python objects, which are never read"),
        ({"X": X, "Y": np.r_[Y[:39], 10]}, "label 10 of image 39 is not a whole number from 0 to 9"),
        ({"X": X, "Y": np.r_[-1, Y[:39]]}, "label -1 of image 0 is not a whole number from 0 to 9"),
    ],
)
def test_a_part_that_is_not_as_published_is_refused_before_training(tmp_path, arrays, message):
    dataset = put(cifar5m(), tmp_path, part1=npz(**arrays))
    with pytest.raises(DownloadError, match=message) as error:
        dataset.open(tmp_path)
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'cifar5m' / 'part1.npz'} is damaged: ")
    assert text.endswith("; `biasloop fetch cifar5m` gets it anew")
    assert "\n" not in text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all" * 100])
def test_a_file_that_is_no_archive(tmp_path, content):
    dataset = put(cifar5m(), tmp_path, part0=content)
    with pytest.raises(DownloadError, match=r"part0\.npz is damaged"):
        dataset.open(tmp_path)


def test_a_member_that_ends_early_or_is_encrypted_or_shortened(tmp_path):
    whole = cifar5m().files["part0.npz"]
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        x = archive.read("X.npy")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("X.npy", x[:-1])
        archive.writestr("Y.npy", b"\x93NUMPY")
    dataset = put(cifar5m(), tmp_path, part0=stream.getvalue())
    with pytest.raises(DownloadError, match="122,879 bytes, which is not uint8"):
        dataset.open(tmp_path)


def test_a_part_that_changes_while_it_is_used(tmp_path):
    dataset = put(cifar5m(), tmp_path)
    images = dataset.open(tmp_path)
    path = tmp_path / "cifar5m" / "part1.npz"
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(DownloadError, match=r"part1\.npz is damaged: .*ends early.*`biasloop fetch cifar5m`"):
        images.take(np.arange(120))


def test_the_digest_is_of_the_labels_and_of_what_is_kept(tmp_path):
    made = cifar5m()
    images = put(made, tmp_path).open(tmp_path)
    first = images.digest(made.images[:50])
    assert first == images.digest(made.images[:50].copy())
    assert first != images.digest(made.images[:51])
    other = made.images[:50].copy()
    other[3, 2, 1, 0] ^= 1
    assert first != images.digest(other)


MEASURE = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from biasloop.datasets import get
from biasloop.contract.context import Context
from biasloop.downloads import Remote
from biasloop.contract.randomness import Streams
from biasloop_images import ImagesDomain, sources

place, count = Path(sys.argv[1]), int(sys.argv[2])
published = get("cifar5m")
dataset = replace(published, counts=dict.fromkeys(published.counts, count))
sources.datasets.get = lambda name: dataset
config = {"data": "cifar5m", "test": 1000, "imbalance": {"class": "dog", "factor": 9}}
domain = ImagesDomain(ImagesDomain.Config.model_validate(config), Context(place, Streams((0, "data"))))
Streams((0,)).order(np.arange(10)), np.take(np.zeros((3, 2), np.uint8), [0], axis=0), np.unique(np.arange(3))
import biasloop.datasets.cifar5m

def most():  # of this process alone: getrusage also knows of the process before exec
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

before = most()
kept = domain._pictures[0].images
domain.fingerprint()
print(len(kept), kept.nbytes, most() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process held at most")
@pytest.mark.parametrize("compressed", [False, True])
def test_peak_memory_is_below_three_times_the_kept_images(tmp_path, compressed):
    """A file set of 92 MB of which 20 % are kept; a copy of it all would be 5 times what is kept."""
    count, directory = 10_000, tmp_path / "cifar5m"
    directory.mkdir()
    images = np.broadcast_to(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3), (count, 32, 32, 3))
    for number in range(3):
        labels = np.arange(count) % 10
        save = np.savez_compressed if compressed else np.savez
        save(directory / f"part{number}.npz", X=images, Y=labels)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), str(count)], capture_output=True, text=True, check=True
    )
    kept, size, peak = (int(number) for number in done.stdout.split())
    assert kept == 2997 + 9 * 333
    assert size == kept * 3072
    assert peak < 3 * size, peak / size
    assert peak > 0.9 * size  # that it was measured at all
