import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.archives import COUNTS, remote, tiny
from support.servers import serving

from biasloop.datasets import all_datasets, fetch, get, names
from biasloop.datasets.images import Copy
from biasloop.errors import DownloadError, InvalidInput, SomethingToFetch

FETCHED = ["fashion-mnist", "mnist", "cifar10", "cifar100", "svhn"]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_importing_the_registry_loads_nothing_heavy():
    heavy = ["numpy", "scipy", "torch", "urllib.request", "tarfile", "ssl", "gzip"]
    code = f"import sys, biasloop.datasets; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_descriptions_are_complete():
    assert names() == ("fashion-mnist-t10k", *FETCHED, "cifar5m", "cinic10")
    for dataset in all_datasets():
        assert get(dataset.name) is dataset
        assert len(set(dataset.classes)) == len(dataset.classes) == (100 if dataset.name == "cifar100" else 10)
        assert all((dataset.summary, dataset.homepage, dataset.licence, dataset.citation))
        assert dataset.count == sum(dataset.counts.values()) > 0
        assert bool(dataset.remotes) != bool(dataset.shipped)
        assert all(url.endswith("/" + file.filename) for file in dataset.remotes for url in file.urls)
        assert all(file.urls for file in dataset.remotes)
    assert get("cifar10").bytes == 170_052_171
    assert get("svhn").count == 99_289
    assert get("fashion-mnist-t10k").bytes == 0


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(InvalidInput, match=r"'cifar-10'.*did you mean 'cifar10'\?"):
        get("cifar-10")


@pytest.mark.parametrize("name", FETCHED)
def test_fetch_then_load(tmp_path, name):
    told: list[tuple[int, int]] = []
    with serving(tiny(name).files) as server:
        made = tiny(name, server.url)
        dataset = made.dataset
        assert not dataset.present(tmp_path)
        paths = fetch(dataset, tmp_path, progress=lambda *step: told.append(step))
        assert paths == [tmp_path / name / file for file in made.files]
        assert dataset.present(tmp_path)
        assert fetch(dataset, tmp_path) == []
        assert len(server.asked) == len(paths)
    assert told[-1] == (dataset.bytes, dataset.bytes)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    loaded = dataset.load(tmp_path)
    assert loaded.images.dtype == np.uint8
    assert loaded.labels.dtype == np.int64
    assert loaded.images.flags.c_contiguous
    assert np.array_equal(loaded.images, made.images)
    assert loaded.labels.tolist() == made.labels
    assert loaded.classes == get(name).classes
    assert len(loaded) == 13
    assert {split: len(loaded.labels[rows]) for split, rows in loaded.splits.items()} == COUNTS


@pytest.mark.parametrize("name", FETCHED)
def test_what_is_not_there_comes_with_its_command(tmp_path, name):
    with pytest.raises(SomethingToFetch, match=f"`biasloop fetch {name}` gets it") as error:
        get(name).load(tmp_path) if name != "fashion-mnist" else replace(get(name), copy=None).load(tmp_path)
    assert f"({get(name).bytes / 1e6:.1f} MB)" in str(error.value)


@pytest.mark.parametrize("name", FETCHED)
def test_a_file_of_the_wrong_size_is_not_present_and_is_fetched_again(tmp_path, name):
    made = tiny(name)
    made.put(tmp_path)
    first = made.dataset.remotes[0]
    (tmp_path / name / first.filename).write_bytes(b"short")
    assert not made.dataset.present(tmp_path)
    with pytest.raises(DownloadError, match=rf"{first.filename} is damaged: it has 5 bytes.*`biasloop fetch"):
        made.dataset.load(tmp_path)
    with serving(made.files) as server:
        assert fetch(made.dataset, tmp_path, server.url) == [tmp_path / name / first.filename]
    assert made.dataset.load(tmp_path).labels.tolist() == made.labels


def test_fetch_repairs_a_file_of_the_right_size_with_wrong_content(tmp_path):
    made = tiny("cifar10")
    made.put(tmp_path)
    path = tmp_path / "cifar10" / "cifar-10-binary.tar.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert made.dataset.present(tmp_path)
    with pytest.raises(DownloadError, match=r"is damaged: .*`biasloop fetch cifar10` gets it anew"):
        made.dataset.load(tmp_path)
    with serving(made.files) as server:
        assert fetch(made.dataset, tmp_path, server.url) == [path]
    assert made.dataset.load(tmp_path).labels.tolist() == made.labels


def test_fetch_from_a_directory_a_file_and_urls(tmp_path):
    made, single = tiny("mnist"), tiny("cifar100")
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name, content in {**made.files, **single.files}.items():
        (shelf / name).write_bytes(content)
    assert len(fetch(made.dataset, tmp_path / "a", str(shelf))) == 4
    assert len(fetch(single.dataset, tmp_path / "a", str(shelf / "cifar-100-binary.tar.gz"))) == 1
    with serving({f"mirror/{name}": content for name, content in made.files.items()}) as server:
        assert len(fetch(made.dataset, tmp_path / "b", server.url + "mirror")) == 4
        assert len(fetch(made.dataset, tmp_path / "c", server.url + "mirror/")) == 4
    with pytest.raises(InvalidInput, match=r"is one file and data set 'mnist' needs 4; .*train-images-idx3"):
        fetch(made.dataset, tmp_path / "d", str(shelf / "train-images-idx3-ubyte.gz"))
    (tmp_path / "a" / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    assert len(fetch(made.dataset, tmp_path / "a", str(shelf / "train-images-idx3-ubyte.gz"))) == 1


def test_fetch_keeps_what_came_before_a_failure(tmp_path):
    made = tiny("svhn")
    train = {"train_32x32.mat": made.files["train_32x32.mat"]}
    with serving(train) as server, pytest.raises(DownloadError, match=r"cannot fetch test_32x32\.mat"):
        fetch(made.dataset, tmp_path, server.url)
    assert [path.name for path in (tmp_path / "svhn").iterdir()] == ["train_32x32.mat"]


def installed(made, directory: Path):
    """The tiny set as if a package had installed it, packed again."""
    import gzip

    directory.mkdir()
    files = {name: gzip.compress(gzip.decompress(content), 1) for name, content in made.files.items()}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return replace(made.dataset, copy=Copy(directory, tuple(remote(n, c) for n, c in files.items())))


def test_an_installed_copy_is_used_and_nothing_is_fetched(tmp_path):
    made = tiny("fashion-mnist")
    dataset = installed(made, tmp_path / "system")
    assert dataset.present(tmp_path / "data")
    assert fetch(dataset, tmp_path / "data") == []
    assert dataset.load(tmp_path / "data").labels.tolist() == made.labels
    assert not (tmp_path / "data").exists()


def test_a_damaged_installed_copy_is_replaced_by_fetched_files_and_these_by_better_ones(tmp_path):
    made = tiny("fashion-mnist")
    dataset = installed(made, tmp_path / "system")
    labels = tmp_path / "system" / "train-labels-idx1-ubyte.gz"
    good = labels.read_bytes()
    labels.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(DownloadError, match="`biasloop fetch fashion-mnist` gets it anew"):
        dataset.load(tmp_path)
    with serving(made.files) as server:
        assert len(fetch(dataset, tmp_path, server.url)) == 4
        assert dataset.load(tmp_path).labels.tolist() == made.labels
        labels.write_bytes(good)
        fetched = tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz"
        fetched.write_bytes(bytes(fetched.stat().st_size))
        assert fetch(dataset, tmp_path, server.url) == [fetched]
    assert dataset.load(tmp_path).labels.tolist() == made.labels


def test_an_unreadable_file_is_named(tmp_path):
    made = tiny("mnist")
    dataset = replace(made.put(tmp_path), read=_unreadable)
    with pytest.raises(DownloadError, match=r"cannot read /x/labels: Permission denied"):
        dataset.load(tmp_path)


def _unreadable(dataset, directory):
    raise PermissionError(13, "Permission denied", "/x/labels")


@pytest.mark.real
def test_the_installed_fashion_mnist(tmp_path):
    """Debian's package dataset-fashion-mnist: its test images are the shipped ones."""
    dataset, shipped = get("fashion-mnist"), get("fashion-mnist-t10k").load(tmp_path)
    if not dataset.present(tmp_path):
        pytest.skip("dataset-fashion-mnist is not installed")
    assert fetch(dataset, tmp_path) == []
    loaded = dataset.load(tmp_path)
    assert np.bincount(loaded.labels).tolist() == [7000] * 10
    assert np.array_equal(loaded.images[loaded.splits["test"]], shipped.images)
    assert np.array_equal(loaded.labels[loaded.splits["test"]], shipped.labels)
