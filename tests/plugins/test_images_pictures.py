"""What is done to images between their files and the network: padding, the released defect, statistics, rows."""

import numpy as np
import pytest
from support.archives import cifar5m, cinic10

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.datasets import fetch, get
from biasloop.errors import InvalidInput
from biasloop_images import ImagesDomain, sources
from biasloop_images.pictures import Pictures, pixel_statistics, shaped, wrapped

CINIC = np.array(get("cinic10").mean), np.array(get("cinic10").std)


def pictures(ids):
    return Pictures(np.zeros((len(ids), 2, 2, 1), np.uint8), np.array(ids, np.int64), np.zeros(1), np.ones(1))


def test_rows_of_ids():
    held = pictures([3, 5, 9, 1000])
    assert held.rows(np.array([9, 3, 1000, 9])).tolist() == [2, 0, 3, 2]
    assert held.rows(np.zeros(0, np.int64)).tolist() == []
    assert held.rows(held.ids).dtype == np.int64


@pytest.mark.parametrize("unknown", [0, 4, 10, 1001, -1])
def test_an_image_that_the_run_does_not_use_is_no_row(unknown):
    with pytest.raises(ValueError, match=f"image {unknown} is not among the 4 that this run uses"):
        pictures([3, 5, 9, 1000]).rows(np.array([5, unknown]))


def test_the_ramp_of_the_released_defect():
    """Measured with the published code, on the first channel: 0, 32, ... arrives as 8, 140, ..."""
    ramp = np.array([0, 32, 65, 98, 131, 164, 197, 230], np.uint8)
    images = np.repeat(ramp[None, None, :, None], 3, 3)
    changed = wrapped(images, *CINIC)
    assert changed[0, 0, :, 0].tolist() == [8, 140, 21, 157, 36, 173, 53, 189]
    assert changed.dtype == np.uint8
    assert np.array_equal(images[0, 0, :, 0], ramp)


def test_the_released_defect_is_what_torch_does():
    torch = pytest.importorskip("torch")
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    mean, std = (torch.tensor(values, dtype=torch.float32) for values in CINIC)
    stored = (torch.from_numpy(images).float().div(255) - mean) / std
    expected = stored.mul(255).to(torch.int32).to(torch.uint8).numpy()
    np.testing.assert_array_equal(wrapped(images, *CINIC), expected)


def test_padding_and_repeating():
    images = np.arange(1, 25, dtype=np.uint8).reshape(2, 3, 4, 1)
    found = shaped(images, (6, 6, 3))
    expected = np.stack([np.pad(image[..., 0], ((1, 2), (1, 1))) for image in images])
    for channel in range(3):
        assert np.array_equal(found[..., channel], expected)
    assert shaped(images, (3, 4, 1)) is images
    assert shaped(images, (3, 4, 2)).shape == (2, 3, 4, 2)


@pytest.mark.parametrize("shape", [(2, 4, 3), (3, 3, 3), (3, 4, 1), (3, 4, 4)])
def test_images_are_never_cut(shape):
    with pytest.raises(InvalidInput, match=r"domain\.shape is \[.*\] and the images are \[3, 4, 3\]"):
        shaped(np.zeros((2, 3, 4, 3), np.uint8), shape)


def domain(place, monkeypatch=None, dataset=None, **settings):
    if dataset is not None:
        monkeypatch.setattr(sources.datasets, "get", lambda name: dataset)
    config = ImagesDomain.Config.model_validate({"test": 10, **settings})
    return ImagesDomain(config, Context(place, Streams((0, "data")), threads=1))


def test_shipped_images_padded_and_repeated(tmp_path):
    plain, padded = (
        domain(tmp_path, shape=shape, imbalance={"class": "shirt", "factor": 9}) for shape in (None, [32, 32, 3])
    )
    (before, digest), (after, same_digest) = plain._pictures, padded._pictures
    assert digest == same_digest
    assert after.images.shape == (1998, 32, 32, 3)
    assert np.array_equal(after.images[:, 2:30, 2:30, 1], before.images[..., 0])
    assert after.images.sum() == 3 * before.images.sum()
    assert np.array_equal(after.ids, before.ids)
    # As before there was a shape: measured on the whole data set, zeros of padding not counted.
    mean, std = pixel_statistics(get("fashion-mnist-t10k").load(tmp_path).images)
    assert (before.mean.tolist(), before.std.tolist()) == (mean.tolist(), std.tolist())
    assert (after.mean.tolist(), after.std.tolist()) == (mean.tolist() * 3, std.tolist() * 3)


def test_cinic_as_fixed_and_as_released(tmp_path, monkeypatch):
    made = cinic10()
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name, content in made.files.items():
        (shelf / name).write_bytes(content)
    fetch(made.dataset, tmp_path, str(shelf))
    fixed = domain(tmp_path, monkeypatch, made.dataset, data="cinic10")
    released = domain(tmp_path, monkeypatch, made.dataset, data="cinic10", compat="released")
    pictures = fixed._pictures[0]
    assert np.array_equal(pictures.images, made.images)
    assert np.array_equal(released._pictures[0].images, wrapped(made.images, *CINIC))
    for one in (pictures, released._pictures[0]):
        assert (one.mean.tolist(), one.std.tolist()) == (CINIC[0].tolist(), CINIC[1].tolist())
    assert fixed.fingerprint() == released.fingerprint()


@pytest.mark.parametrize("compressed", [False, True])
def test_cifar5m_keeps_what_it_uses(tmp_path, monkeypatch, compressed):
    made = cifar5m(compressed=compressed)
    (tmp_path / "cifar5m").mkdir()
    for name, content in made.files.items():
        (tmp_path / "cifar5m" / name).write_bytes(content)
    settings = {"data": "cifar5m", "imbalance": {"class": "dog", "factor": 6}}
    made_of = domain(tmp_path, monkeypatch, made.dataset, **settings)
    pictures, splits = made_of._pictures[0], made_of.splits()
    assert len(pictures.ids) == 12 + 9 * 2
    assert np.array_equal(pictures.images, made.images[pictures.ids])
    assert np.array_equal(pictures.ids, np.sort(np.concatenate([splits.test, splits.pool])))
    assert np.bincount(made_of.human_labels(pictures.ids)["target"]).tolist() == [2] * 5 + [12] + [2] * 4
    assert pictures.mean.tolist() == [0.4914, 0.4822, 0.4465]
    assert pictures.std.tolist() == [0.2471, 0.2435, 0.2616]
    assert made_of.fingerprint() == domain(tmp_path, monkeypatch, made.dataset, **settings).fingerprint()


def test_a_class_that_is_missing_is_refused(tmp_path, monkeypatch):
    made = cifar5m(classes=9)
    (tmp_path / "cifar5m").mkdir()
    for name, content in made.files.items():
        (tmp_path / "cifar5m" / name).write_bytes(content)
    with pytest.raises(InvalidInput, match="class 'truck' has no image in cifar5m; every one of the 10 classes"):
        domain(tmp_path, monkeypatch, made.dataset, data="cifar5m").splits()


def test_a_factor_that_leaves_a_class_empty_is_refused(tmp_path, monkeypatch):
    made = cifar5m()
    (tmp_path / "cifar5m").mkdir()
    for name, content in made.files.items():
        (tmp_path / "cifar5m" / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=r"domain\.imbalance\.factor 13 leaves no image of the other classes"):
        domain(tmp_path, monkeypatch, made.dataset, data="cifar5m", imbalance={"class": "dog", "factor": 13}).splits()
