import io
import pickle
from dataclasses import replace

import numpy as np
import pytest

from biasloop.datasets import fetch, get
from biasloop.errors import DownloadError

SHIPPED = get("fashion-mnist-t10k")


def test_the_shipped_images(tmp_path):
    loaded = SHIPPED.load(tmp_path)
    assert loaded.images.shape == (10_000, 28, 28, 1)
    assert np.bincount(loaded.labels).tolist() == [1000] * 10
    assert loaded.splits == {"test": slice(0, 10_000)}
    first = [loaded.classes[label] for label in loaded.labels[:5]]
    assert first == ["ankle-boot", "pullover", "trouser", "trouser", "shirt"]
    # The statistics usually quoted for Fashion-MNIST: mean .2860, std .3530 (over the training images).
    assert loaded.images.mean() / 255 == pytest.approx(0.2860, abs=0.002)
    assert loaded.images.std() / 255 == pytest.approx(0.3530, abs=0.002)


def test_nothing_is_to_be_fetched(tmp_path):
    assert SHIPPED.present(tmp_path)
    assert fetch(SHIPPED, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


IMAGES, LABELS = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.uint8)
WHOLE = npz(images=IMAGES, labels=LABELS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk" * 100,
        WHOLE[:-30],
        WHOLE[:60] + b"\xff\xff" + WHOLE[62:],
        npz(images=IMAGES),
        npz(images=IMAGES[:3], labels=LABELS[:3]),
        npz(images=IMAGES[:3], labels=LABELS),
        npz(images=IMAGES[[0, 1, 2, 3, 0]], labels=LABELS[[0, 1, 2, 3, 0]]),
        npz(images=IMAGES[:, :14], labels=LABELS),
        npz(images=IMAGES.astype(float), labels=LABELS),
        npz(images=IMAGES, labels=LABELS + 10),
        npz(images=IMAGES, labels=LABELS.astype(float)),
        npz(images=np.array([{}] * 4, object), labels=LABELS),
        pickle.dumps({"images": IMAGES}),
    ],
)
def test_a_damaged_file_asks_to_reinstall(tmp_path, content):
    file = tmp_path / "set.npz"
    file.write_bytes(content)
    with pytest.raises(DownloadError, match=r"set\.npz is damaged: .*; reinstall biasloop$"):
        replace(SHIPPED, shipped=file, counts={"test": 4}).load(tmp_path)


def test_the_damage_above_is_the_reason(tmp_path):
    file = tmp_path / "set.npz"
    file.write_bytes(WHOLE)
    assert len(replace(SHIPPED, shipped=file, counts={"test": 4}).load(tmp_path)) == 4


def test_a_missing_file_asks_to_reinstall(tmp_path):
    dataset = replace(SHIPPED, shipped=tmp_path / "gone.npz")
    assert not dataset.present(tmp_path)
    with pytest.raises(DownloadError, match=r"gone\.npz, which comes with biasloop, is not there; reinstall"):
        dataset.load(tmp_path)
