"""CINIC-10: an archive of PNG files that is made into one HDF5 file when it is fetched."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from support.archives import cinic10, png
from support.servers import serving

from biasloop.datasets import cinic10 as module
from biasloop.datasets import fetch, fetching, get
from biasloop.datasets.fetching import kept
from biasloop.errors import DownloadError, SomethingToFetch


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def names(place):
    return sorted(path.name for path in (place / "cinic10").iterdir())


def fetched(made, data, **options):
    shelf = data / "shelf"
    shelf.mkdir(parents=True)
    for name, content in made.files.items():
        (shelf / name).write_bytes(content)
    return fetch(made.dataset, data, str(shelf), **options)


def test_as_published():
    dataset = get("cinic10")
    assert (dataset.count, dataset.bytes, dataset.shape) == (270_000, 687_544_992, (32, 32, 3))
    assert dataset.classes == get("cifar10").classes
    assert dataset.mean == (0.47889522, 0.47227842, 0.43047404)
    assert dataset.std == (0.24205776, 0.23828046, 0.25874835)


@pytest.mark.parametrize("folder", ["", "./", "CINIC-10/", "cinic10/"])
def test_fetch_makes_one_file_in_the_order_of_an_image_folder_loader(tmp_path, folder):
    with serving(cinic10(folder=folder).files) as server:
        made = cinic10(server.url, folder=folder)
        assert not made.dataset.present(tmp_path)
        assert fetch(made.dataset, tmp_path) == [tmp_path / "cinic10" / "cinic10.h5"]
        assert names(tmp_path) == ["cinic10.h5"]
        assert made.dataset.present(tmp_path)
        assert fetch(made.dataset, tmp_path) == []
        assert len(server.asked) == 1
    images = made.dataset.open(tmp_path)
    assert images.labels.tolist() == made.labels
    assert images.classes == get("cifar10").classes
    assert np.array_equal(images.take(np.arange(60)), made.images)
    assert np.array_equal(images.take(np.array([1, 30, 59])), made.images[[1, 30, 59]])
    assert kept(made.dataset, tmp_path) == made.dataset.bytes


def test_chunks_have_about_a_megabyte_and_checksums(tmp_path):
    made = cinic10(each=30)
    (path,) = fetched(made, tmp_path)
    with h5py.File(path) as file:
        assert file["images"].dtype == np.uint8
        assert 500_000 <= np.prod(file["images"].chunks) <= 1_000_000
        assert file["images"].fletcher32
        assert np.array_equal(file["images"][:], made.images)


def test_the_archive_can_be_kept(tmp_path):
    fetched(cinic10(), tmp_path, keep=True)
    assert names(tmp_path) == ["CINIC-10.tar.gz", "cinic10.h5"]


def test_without_a_network_what_to_type_brings_the_archive(tmp_path):
    with pytest.raises(SomethingToFetch, match=r"run `biasloop fetch cinic10 --keep --data FOLDER` on a machine"):
        fetch(cinic10("http://127.0.0.1:9/").dataset, tmp_path, offline=True)


def test_not_there(tmp_path):
    with pytest.raises(SomethingToFetch, match=r"`biasloop fetch cinic10` gets it \(687\.5 MB\)"):
        get("cinic10").open(tmp_path)


def test_making_that_is_interrupted_leaves_nothing_half_and_goes_on_without_a_download(tmp_path, monkeypatch):
    made, decode, seen = cinic10(), module._pixels, []

    def interrupted(*arguments):
        seen.append(arguments)
        if len(seen) == 31:
            raise KeyboardInterrupt
        return decode(*arguments)

    monkeypatch.setattr(module, "_pixels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetched(made, tmp_path)
    assert names(tmp_path) == ["CINIC-10.tar.gz"]
    assert not made.dataset.present(tmp_path)
    fetch(made.dataset, tmp_path, offline=True)
    assert names(tmp_path) == ["cinic10.h5"]
    assert np.array_equal(made.dataset.open(tmp_path).take(np.arange(60)), made.images)


def test_what_another_process_has_made_since_the_archive_came_is_taken(tmp_path, monkeypatch):
    made, download, said = cinic10(), fetching.download, []

    def late(*arguments, **named):
        path = download(*arguments, **named)
        monkeypatch.setattr(fetching, "download", download)
        fetch(made.dataset, tmp_path, notice=said.append)
        return path

    monkeypatch.setattr(fetching, "download", late)
    fetched(made, tmp_path, notice=said.append)
    assert len(said) == 1
    assert names(tmp_path) == ["cinic10.h5"]
    assert np.array_equal(made.dataset.open(tmp_path).take(np.arange(60)), made.images)


def test_what_a_killed_process_left_is_no_trouble(tmp_path):
    (tmp_path / "cinic10" / ".cinic10.h5.claim-1").mkdir(parents=True)
    (tmp_path / "cinic10" / ".cinic10.h5.claim-1" / "cinic10.h5").write_bytes(b"half")
    fetched(cinic10(), tmp_path)
    assert names(tmp_path) == ["cinic10.h5"]


@pytest.mark.parametrize("damage", ["byte", "short"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    made = cinic10()
    (path,) = fetched(made, tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "byte":
        content[-1000] ^= 1
    else:
        del content[-5000:]
    path.write_bytes(content)
    assert fetch(made.dataset, tmp_path, str(tmp_path / "shelf")) == [path]
    assert np.array_equal(made.dataset.open(tmp_path).take(np.arange(60)), made.images)


def test_a_damaged_file_is_named_when_it_is_read(tmp_path):
    made = cinic10()
    (path,) = fetched(made, tmp_path)
    content = bytearray(path.read_bytes())
    place = content.find(made.images[20].tobytes())
    assert place > 0
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DownloadError, match=r"cinic10\.h5 is damaged: .*; `biasloop fetch cinic10` gets it anew"):
        made.dataset.open(tmp_path).take(np.arange(60))
    path.write_bytes(b"no HDF5")
    with pytest.raises(DownloadError, match=r"cinic10\.h5 is damaged: .*; `biasloop fetch cinic10` gets it anew"):
        made.dataset.open(tmp_path)
    other = replace(made.dataset, shape=(16, 16, 3))
    fetch(made.dataset, tmp_path, str(tmp_path / "shelf"))
    with pytest.raises(DownloadError, match=r"it has 60 images of shape \(32, 32, 3\)"):
        other.open(tmp_path)


SHIP = "CINIC-10/valid/ship/n00001.png"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({SHIP: b"no image"}, r"valid/ship/n00001\.png is no image"),
        ({SHIP: png(np.zeros((32, 32, 3), np.uint8))[:-30]}, r"valid/ship/n00001\.png is no image"),
        ({SHIP: png(np.zeros((31, 32, 3), np.uint8))}, r"valid/ship/n00001\.png has 31x32 pixels"),
        ({SHIP: b"0" * (2 << 20)}, "n00001.png is no image file"),
        ({"CINIC-10/test/dog/more.png": b""}, "it has 3 files in test/dog, expected 2"),
        ({"other/test/dog/n00000.png": b""}, "it has two files of one name"),
    ],
)
def test_an_archive_that_is_not_as_published(tmp_path, changed, message):
    with pytest.raises(DownloadError, match=message) as error:
        fetched(cinic10(changed=changed), tmp_path)
    assert "\n" not in str(error.value)
    assert names(tmp_path) == ["CINIC-10.tar.gz"]


def test_the_digest_is_of_everything_whatever_is_kept(tmp_path):
    made = cinic10()
    fetched(made, tmp_path)
    images = made.dataset.open(tmp_path)
    assert images.digest(made.images[:3]) == images.digest(made.images)
    assert len(images.digest(made.images)) == 32
