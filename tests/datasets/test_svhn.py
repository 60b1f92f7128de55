import numpy as np
import pytest
from support.archives import mat, svhn, tiny

from biasloop.errors import DownloadError

TRAIN = "train_32x32.mat"
X, Y = np.zeros((32, 32, 3, 10), np.uint8), np.full((10, 1), 10, np.uint8)


def refused(tmp_path, content: bytes) -> str:
    """Why a data set with this file is refused, in one sentence that names file and command."""
    dataset = tiny("svhn").put(tmp_path, {TRAIN: content})
    with pytest.raises(DownloadError) as error:
        dataset.load(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'svhn' / TRAIN} is damaged: ")
    assert message.endswith("; `biasloop fetch svhn` gets it anew")
    return message


def test_label_ten_is_the_digit_zero_and_the_image_axis_comes_first(tmp_path):
    images = np.zeros((32, 32, 3, 10), np.uint8)
    images[4, 7, 2, 6] = 200
    labels = np.array([[10], [1], [2], [3], [4], [5], [6], [7], [8], [9]], np.uint8)
    loaded = tiny("svhn").put(tmp_path, {TRAIN: mat(X=images, y=labels)}).load(tmp_path)
    train = loaded.splits["train"]
    assert loaded.labels[train].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert np.argwhere(loaded.images[train]).tolist() == [[6, 4, 7, 2]]


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"X": X}, "does not read (KeyError: 'y')"),
        ({"y": Y}, "does not read (KeyError: 'X')"),
        ({"X": X[..., :9], "y": Y}, "X of shape (32, 32, 3, 9) and 10 labels, expected 10 images and labels"),
        ({"X": X, "y": Y[:9]}, "9 labels, expected 10"),
        ({"X": X[..., 0], "y": Y}, "X of shape (32, 32, 3)"),
        ({"X": X[:16], "y": Y}, "its images are uint8 (16, 32, 3), expected uint8 (32, 32, 3)"),
        ({"X": X.astype(float), "y": Y}, "its images are float64"),
        ({"X": X, "y": Y * 0}, "its labels are not all whole numbers from 1 to 10"),
        ({"X": X, "y": Y + 1}, "its labels are not all whole numbers from 1 to 10"),
        ({"X": X, "y": Y / 10}, "its labels are not all whole numbers from 1 to 10"),
    ],
)
def test_other_content(tmp_path, variables, reason):
    assert reason in refused(tmp_path, mat(**variables))


@pytest.mark.parametrize("kept", [0, 3, 127, 128, 140, 5000, -1])
def test_a_truncated_file(tmp_path, kept):
    whole = svhn(tiny("svhn").images[:10], tiny("svhn").labels[:10])
    assert len(whole) > 10_000
    assert "does not read" in refused(tmp_path, whole[:kept])


def test_damage_within(tmp_path):
    whole = bytearray(svhn(tiny("svhn").images[:10], tiny("svhn").labels[:10]))
    whole[9000] ^= 0xFF
    assert "does not read" in refused(tmp_path, bytes(whole))


def test_not_a_mat_file(tmp_path):
    assert "does not read" in refused(tmp_path, b"<html>gone</html>" * 100)
