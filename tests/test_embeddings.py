"""Files of embeddings: what is written reads back, and what is none, or holds a pickle, is refused."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from biasloop.errors import InvalidInput
from biasloop.predictions.embeddings import Embeddings, read, write

UNIT = np.eye(3, 4, dtype=np.float32)
KEYS = ("a/1.jpg", "a/2.jpg", "b/3.jpg")


def embeddings(path, **changes):
    plain = Embeddings(path, KEYS, UNIT, ("x", "y"), UNIT[:2], np.array([1.0, 2.0, 3.0], np.float32), {"model": "m"})
    return replace(plain, **changes)


def test_what_is_written_reads_back(tmp_path):
    path = tmp_path / "e.safetensors"
    assert write(embeddings(path)) == [path, tmp_path / "e.json"]
    again = read(path)
    assert (again.keys, again.text_keys, again.about) == (KEYS, ("x", "y"), {"model": "m"})
    assert again.features.tolist() == UNIT.tolist()
    assert again.norms.tolist() == [1.0, 2.0, 3.0]
    assert json.loads((tmp_path / "e.json").read_text()) == {"model": "m"}
    assert set(load_file(path)) == {"features", "texts", "norms"}  # nobody needs biasloop to read it


def test_the_same_embeddings_are_the_same_bytes(tmp_path):
    first, second = (write(embeddings(tmp_path / f"{name}.safetensors"))[0].read_bytes() for name in "ab")
    assert first == second


def test_keys_may_lie_beside_a_file_and_rows_may_be_halves(tmp_path):
    path = tmp_path / "e.safetensors"
    save_file({"features": np.array([[0.6, 0.8]], np.float16)}, path)
    with pytest.raises(InvalidInput, match="does not say what its rows are of"):
        read(path)
    (tmp_path / "e.json").write_text('{"keys": ["a"]}')
    assert read(path).keys == ("a",)


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [(["b/3.jpg", "a/1.jpg"], [2, 0]), (["2.jpg"], [1]), (["train/3.png"], [2]), (["1", "2", "3"], [0, 1, 2])],
)
def test_images_are_known_by_path_by_name_or_without_its_ending(tmp_path, wanted, rows):
    assert embeddings(tmp_path / "e").of_images(wanted, Path("labels.csv")).tolist() == rows


@pytest.mark.parametrize("wanted", [["a/9.jpg"], ["a/1.jpg", "b/1.jpg"], ["1.jpg", "x/1.jpg"]])
def test_images_that_are_missing_or_not_told_apart_are_refused(tmp_path, wanted):
    with pytest.raises(InvalidInput, match=r"images of labels.csv are not in"):
        embeddings(tmp_path / "e").of_images(wanted, Path("labels.csv"))


def test_one_image_that_is_missing_is_one_by_the_way_in_which_the_others_are_there(tmp_path):
    with pytest.raises(InvalidInput, match=r"1 of 3 images of labels.csv are not in .*, the first 'val/9.jpg'"):
        embeddings(tmp_path / "e").of_images(["val/1.jpg", "val/9.jpg", "val/2.jpg"], Path("labels.csv"))


def test_texts_are_known_by_their_own_keys_alone(tmp_path):
    assert embeddings(tmp_path / "e").of_texts(["y"], "prompts").tolist() == [1]
    with pytest.raises(InvalidInput, match="1 of 1 texts of prompts are not in"):
        embeddings(tmp_path / "e").of_texts(["z"], "prompts")
    with pytest.raises(InvalidInput, match="has no texts"):
        embeddings(tmp_path / "e", texts=None, text_keys=()).of_texts(["x"], "prompts")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": UNIT * 2}, "3 of 3 features are no unit vectors, the first of 'a/1.jpg' .length 2"),
        ({"features": np.zeros_like(UNIT)}, r"length 0\)"),
        ({"features": np.full_like(UNIT, np.nan)}, "no unit vectors"),
        ({"features": UNIT[0]}, "of shape .4,., with 3 keys"),
        ({"features": UNIT[:2]}, "of shape .2, 4., with 3 keys"),
        ({"keys": ("a", "b", "a")}, "the key 'a' of features is there twice"),
        ({"text_keys": ("a", "a")}, "the key 'a' of texts is there twice"),
        ({"texts": np.eye(2, dtype=np.float32)}, "features have 4 dimensions and texts 2"),
        ({"norms": np.ones(2, np.float32)}, "norms are of shape"),
    ],
)
def test_what_are_no_embeddings_is_refused(tmp_path, changes, words):
    with pytest.raises(InvalidInput, match=words):
        write(embeddings(tmp_path / "e.safetensors", **changes))
    assert not list(tmp_path.iterdir())


class Exploding:
    """Says so if anybody unpickles it."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize("name", ["f.pkl", "f.pt", "f.safetensors"])
def test_a_pickle_is_never_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Exploding()))
    with pytest.raises(InvalidInput, match=r"may hold a pickle|no safetensors file"):
        read(path)


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        ({"images": UNIT}, {"keys": []}, "no tensor 'features' .there are images"),
        ({"features": UNIT}, {}, "no 'keys', a list"),
        ({"features": UNIT}, {"keys": [1, 2, 3]}, "no 'keys', a list"),
        ({"features": UNIT, "texts": UNIT}, {"keys": KEYS}, "no 'text_keys'"),
        ({"features": UNIT.astype(np.int32)}, {"keys": KEYS}, "expected floats"),
        ({"features": UNIT}, [], "no 'keys'"),
    ],
)
def test_what_others_wrote_is_checked(tmp_path, tensors, metadata, words):
    path = tmp_path / "e.safetensors"
    save_file(tensors, path, {"embeddings": json.dumps(metadata)})
    with pytest.raises(InvalidInput, match=words):
        read(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = write(embeddings(tmp_path / "e.safetensors"))[0]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InvalidInput, match="no safetensors file"):
        read(path)
    with pytest.raises(InvalidInput, match="there is no file|nothing"):
        read(tmp_path / "nothing.safetensors")
