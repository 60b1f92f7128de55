"""Prepared images in one HDF5 file: read as they were written, and refused where they lead out of it."""

import h5py
import numpy as np
import pytest

from biasloop.datasets.stored import open_stored, storing, why_damaged
from biasloop.datasets.streaming import Unreadable
from biasloop.errors import DownloadError

CLASSES = ["cat", "dög\x1b"]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (700, 32, 32, 3), np.uint8)  # three chunks


@pytest.fixture
def path(tmp_path, images):
    file = tmp_path / "images.h5"
    with storing(file, images.shape, np.arange(len(images)) % 2, CLASSES) as stored:
        stored[:] = images
    return file


def test_images_come_back_as_they_were_put_in(path, images):
    stored = open_stored(path, "mend it")
    assert stored.classes == tuple(CLASSES)
    assert stored.labels.tolist() == [0, 1] * 350
    ids = np.array([0, 5, 255, 256, 257, 699])
    assert np.array_equal(stored.take(ids), images[ids])
    assert why_damaged(path) is None


def test_a_file_that_is_there_is_not_written_over(path):
    with pytest.raises(FileExistsError), storing(path, (1, 2, 2, 3), np.zeros(1), ["x"]):
        pass


@pytest.mark.parametrize("name", ["images", "labels"])
def test_values_from_another_file_are_refused(path, tmp_path, images, name):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(images.nbytes))
    with h5py.File(path, "r+") as file:
        shape, dtype = file[name].shape, file[name].dtype
        del file[name]
        file.create_dataset(name, shape, dtype, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(Unreadable, match=f"/{name} takes its values from other files"):
        open_stored(path, "mend it")
    assert f"/{name} takes its values from other files" in why_damaged(path)


def test_a_changed_byte_is_noticed_by_its_checksum_when_it_is_read(path, images):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DownloadError, match="is damaged: .*; mend it"):
        open_stored(path, "mend it").take(np.arange(len(images)))


def test_images_that_were_replaced_by_others_since_they_were_opened_are_refused(path, images):
    stored = open_stored(path, "mend it")
    path.unlink()
    with storing(path, (5, 32, 32, 3), np.zeros(5), CLASSES) as fewer:
        fewer[:] = images[:5]
    with pytest.raises(DownloadError, match=r"it has images of shape \(5, 32, 32, 3\), and had \(700, 32, 32, 3\)"):
        stored.take(np.array([3]))
