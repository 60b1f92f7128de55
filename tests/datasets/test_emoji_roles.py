from dataclasses import replace

import numpy as np
import pytest

from biasloop.datasets import emoji_roles
from biasloop.datasets.emoji_roles import EMOJI_ROLES, pictures
from biasloop.errors import DownloadError


def test_the_shipped_pictures():
    drawn = pictures()
    assert drawn.images.shape == (587, 32, 32, 3)
    assert len(drawn.roles) == 50
    assert {drawn.roles[7], drawn.roles[34]} == {"cook", "rowing boat"}
    assert np.bincount(drawn.woman).tolist() == [296, 291]
    assert np.bincount(drawn.tone, minlength=6).tolist() == [102, 97, 97, 97, 97, 97]
    assert (drawn.images[:, 0] >= 250).mean() > 0.4  # white above the heads of many
    counts = drawn.drawings()
    assert (counts.shape, counts.sum()) == ((50, 2, 6), 587)
    assert counts[7, 1, 3] == ((drawn.role == 7) & (drawn.woman == 1) & (drawn.tone == 3)).sum() == 1


WHOLE = {
    "images": np.full((2, 32, 32, 3), 255, np.uint8), "role": np.array([0, 1]), "gender": np.array([0, 1]),
    "skin_tone": np.array([0, 5]), "role_names": np.array(["a", "b"]),
}  # fmt: skip


def written(tmp_path, monkeypatch, **changes):
    file = tmp_path / "set.npz"
    np.savez(file, **{name: values for name, values in (WHOLE | changes).items() if values is not None})
    monkeypatch.setattr(emoji_roles, "EMOJI_ROLES", replace(EMOJI_ROLES, shipped=file))
    return file


def test_a_file_as_it_should_be_is_read(tmp_path, monkeypatch):
    written(tmp_path, monkeypatch)
    assert pictures().roles == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"role": None}, "it does not read"),
        ({"role": np.array([{}, {}], object)}, "it does not read"),
        ({"role": np.array([0, 2])}, "a role of its 2 images is not a number from 0 to 1"),
        ({"gender": np.array([0])}, "a gender of its 2 images"),
        ({"skin_tone": np.array([0, 6])}, "a skin tone of its 2 images is not a number from 0 to 5"),
        ({"images": np.zeros((2, 32, 32))}, r"its images are float64 \(32, 32\)"),
    ],
)
def test_a_damaged_file_asks_to_reinstall(tmp_path, monkeypatch, changes, why):
    written(tmp_path, monkeypatch, **changes)
    with pytest.raises(DownloadError, match=rf"set\.npz is damaged: {why}.*; reinstall biasloop$"):
        pictures()


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"\x93NUMPY"])
def test_what_is_no_archive_asks_to_reinstall(tmp_path, monkeypatch, content):
    written(tmp_path, monkeypatch).write_bytes(content)
    with pytest.raises(DownloadError, match="it does not read"):
        pictures()


def test_a_missing_file_asks_to_reinstall(tmp_path, monkeypatch):
    written(tmp_path, monkeypatch).unlink()
    with pytest.raises(DownloadError, match="which comes with biasloop, is not there; reinstall"):
        pictures()
