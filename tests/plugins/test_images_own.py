"""A person's own images: class folders, or one `.npz` file; also partly without labels."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from biasloop.contract.context import Context, Work
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.errors import BiasloopError, InvalidInput, Mismatch
from biasloop.feedback.accumulate import Accumulate
from biasloop.feedback.accumulate_settings import AccumulateSettings
from biasloop_images import ImagesDomain

SETTINGS = {"test": 4, "width": 2, "epochs": 1, "batch_size": 4}


def domain(place, **settings):
    config = ImagesDomain.Config.model_validate({**SETTINGS, **settings})
    return ImagesDomain(config, Context(place / "data", Streams((0, "data")), threads=1))


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Ten cats, eight dogs and five without a label, 8x6 pixels, in colour."""
    draws = np.random.default_rng(0)
    for name, count in (("dog", 8), ("cat", 10), ("unlabelled", 5)):
        for number in range(count):
            save(tmp_path / "own" / name / f"{number:02}.png", draws.integers(0, 256, (8, 6, 3), np.uint8))
    return tmp_path / "own"


def of_folder(folder, **settings):
    return domain(folder.parent, data="folder", path=str(folder), **settings)


def read(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_folder(folder):
    made = of_folder(folder)
    assert made.requirements() == []
    assert made.vocabularies()["classes"].strings() == ["cat", "dog"]
    splits, pictures = made.splits(), made._pictures[0]
    files = [
        folder / name / f"{n:02}.png" for name, c in (("cat", 10), ("dog", 8), ("unlabelled", 5)) for n in range(c)
    ]
    assert np.array_equal(pictures.images, np.stack([read(file) for file in files]))
    assert made.human_labels(np.arange(18))["target"].tolist() == [0] * 10 + [1] * 8
    assert splits.unlabelled.tolist() == [18, 19, 20, 21, 22]
    assert set(splits.unlabelled) < set(splits.pool)
    assert len(splits.test) == 4
    assert splits.test.max() < 18
    assert len(splits.pool) == 19
    assert pictures.mean == pytest.approx(pictures.images.reshape(-1, 3).mean(0) / 255)


def test_a_folder_is_decoded_once_and_anew_when_a_file_is_another(folder, monkeypatch):
    first = of_folder(folder).fingerprint()
    decoded = []
    monkeypatch.setattr("biasloop_images.folder.Folder._decode", lambda *_: decoded.append(1))
    assert of_folder(folder).fingerprint() == first
    assert decoded == []
    monkeypatch.undo()
    os.utime(folder / "cat" / "03.png", ns=(1, 1))
    assert of_folder(folder).fingerprint() == first  # decoded anew, to the same content
    save(folder / "cat" / "03.png", np.zeros((8, 6, 3), np.uint8))
    second = of_folder(folder).fingerprint()
    assert second != first
    (folder / "dog" / "00.png").rename(folder / "cat" / "zz.png")
    assert of_folder(folder).fingerprint() not in {first, second}
    assert len(list((folder.parent / "data" / "prepared").iterdir())) == 4


def test_grey_only_if_all_are(folder):
    for file in folder.rglob("*.png"):
        save(file, read(file)[..., 0])
    assert of_folder(folder)._pictures[0].images.shape == (23, 8, 6, 1)
    save(folder / "cat" / "00.png", np.full((8, 6, 3), 7, np.uint8))
    assert of_folder(folder)._pictures[0].images.shape == (23, 8, 6, 3)


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "bmp", "webp", "gif", "tif", "ppm"])
def test_formats(folder, suffix):
    save(folder / "cat" / f"other.{suffix}", np.full((8, 6, 3), 200, np.uint8))
    images = of_folder(folder)._pictures[0].images
    assert len(images) == 24
    assert abs(images[10].astype(int) - 200).max() < 4


def test_sizes_are_resized_if_asked(folder):
    save(folder / "dog" / "large.png", np.full((40, 20, 3), 90, np.uint8))
    images = of_folder(folder, size=8)._pictures[0].images
    assert images.shape == (24, 8, 8, 3)
    assert (images[18] == 90).all()
    assert of_folder(folder, size=[8, 6])._pictures[0].images.shape == (24, 8, 6, 3)


def test_other_files_and_hidden_ones_are_left_out_and_deeper_ones_are_not(folder):
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / ".cache").mkdir()
    (folder / "README.md").write_text("x")
    save(folder / "cat" / ".hidden.png", np.zeros((3, 3), np.uint8))
    save(folder / "cat" / "deeper" / "a.png", np.zeros((8, 6, 3), np.uint8))
    assert len(of_folder(folder)._pictures[0].images) == 24


def refused(action) -> str:
    with pytest.raises(BiasloopError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_image_that_does_not_read_is_named(folder):
    file = folder / "cat" / "05.png"
    content = file.read_bytes()
    for number, damaged in enumerate((b"", b"no image", content[:60], content[: len(content) // 2])):
        file.write_bytes(damaged)
        message = refused(of_folder(folder).splits)
        assert message.startswith(f"{file} does not read as an image ("), number
    assert not list((folder.parent / "data" / "prepared").iterdir())


def test_sizes_that_differ_are_named(folder):
    save(folder / "dog" / "03.png", np.zeros((9, 6, 3), np.uint8))
    message = refused(of_folder(folder).splits)
    assert message == (
        f"{folder / 'dog' / '03.png'} has 9x6 pixels (height x width) and {folder / 'cat' / '00.png'} has 8x6; "
        "set domain.size to the size that all are to be resized to"
    )


def test_sixteen_bits_are_refused(folder):
    save(folder / "dog" / "03.png", np.zeros((8, 6), np.uint16))
    assert "dog/03.png has pixels of kind I;16; save it with 8 bits a channel" in refused(of_folder(folder).splits)


def test_folders_that_cannot_be_used(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty has no class folders" in refused(of_folder(tmp_path / "empty").splits)
    (folder / "bird").mkdir()
    assert f"{folder / 'bird'} has no images" in refused(of_folder(folder).splits)
    (folder / "bird").rmdir()
    save(folder / "loose.png", np.zeros((8, 6, 3), np.uint8))
    assert "loose.png lies beside the class folders" in refused(of_folder(folder).splits)
    save(tmp_path / "one" / "cat" / "a.png", np.zeros((8, 6, 3), np.uint8))
    assert "one has only the class 'cat'; a classifier needs" in refused(of_folder(tmp_path / "one").splits)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "folder"}, 'domain.data = "folder" needs domain.path'),
        ({"data": "npz"}, 'domain.data = "npz" needs domain.path'),
        ({"path": "x"}, "domain.path is given; path goes with data ="),
        ({"data": "folder", "path": "nowhere"}, "domain.path is 'nowhere', and there is no such folder in"),
        ({"data": "folder", "path": "~nobody-is-called-so/x"}, "there is no such folder in"),
        ({"data": "npz", "path": "~nobody-is-called-so/x"}, "there is no such file in"),
        ({"data": "npz", "path": "nowhere.npz"}, "domain.path is 'nowhere.npz', and there is no such file in"),
        ({"size": 32}, "domain.size resizes the images of data ="),
    ],
)
def test_settings_that_do_not_go_together_are_refused_at_once(tmp_path, settings, message):
    assert message in refused(lambda: domain(tmp_path, **settings).check(Demands()))


IMAGES = np.random.default_rng(1).integers(0, 256, (20, 7, 5, 2), np.uint8)
LABELS = np.array([0, 1, 2, -1] * 5)


def of_npz(place, settings=None, compressed=False, **arrays):
    (np.savez_compressed if compressed else np.savez)(place / "own.npz", **arrays)
    return domain(place, data="npz", path=str(place / "own.npz"), **(settings or {}))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16])
def test_npz(tmp_path, compressed, kind):
    labels = LABELS.astype(kind) if kind is not np.uint16 else np.arange(20, dtype=kind) % 3
    made = of_npz(tmp_path, compressed=compressed, images=IMAGES, labels=labels)
    assert made.vocabularies()["classes"].strings() == ["0", "1", "2"]
    assert np.array_equal(made._pictures[0].images, IMAGES)
    assert made.splits().unlabelled.tolist() == np.flatnonzero(labels.astype(int) == -1).tolist()
    known = np.flatnonzero(labels.astype(int) >= 0)
    assert made.human_labels(known)["target"].tolist() == labels[known].tolist()


def test_npz_with_names_and_grey_images(tmp_path):
    settings = {"imbalance": {"class": "b", "factor": 2}, "shape": [9, 9, 3], "test": 2}
    made = of_npz(tmp_path, settings, images=IMAGES[..., 0], labels=LABELS, classes=np.array(["a", "b", "ö"]))
    assert made.vocabularies()["classes"].strings() == ["a", "b", "ö"]
    splits, pictures = made.splits(), made._pictures[0]
    assert len(splits.test) + len(splits.pool) == 4 + 2 * 2 + 5
    assert splits.unlabelled.tolist() == [3, 7, 11, 15, 19]
    assert pictures.images.shape == (13, 9, 9, 3)
    assert np.array_equal(pictures.images[:, 1:8, 2:7, 2], IMAGES[pictures.ids][..., 0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "it has no array 'labels' (found: images); expected images"),
        ({"x": IMAGES, "labels": LABELS}, "it has no array 'images' (found: x, labels)"),
        ({"images": IMAGES / 255, "labels": LABELS}, "its images are float64 (20, 7, 5, 2); expected"),
        ({"images": IMAGES[:, 0, 0], "labels": LABELS}, "its images are uint8 (20, 2); expected"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "its images are uint8 (0, 7, 5, 2); expected"),
        ({"images": IMAGES, "labels": LABELS[:19]}, "its labels are int64 (19,); expected"),
        ({"images": IMAGES, "labels": LABELS * 1.0}, "its labels are float64 (20,); expected"),
        ({"images": IMAGES, "labels": np.array([{}] * 20)}, "its array 'labels' has Python objects, which are never"),
        ({"images": IMAGES, "labels": LABELS - 1}, "label -2 of image 3 is not a whole number from 0 to 1, or -1"),
        ({"images": IMAGES, "labels": LABELS, "classes": np.array(["a", "b"])}, "label 2 of image 2 is not a whole"),
        ({"images": IMAGES, "labels": LABELS, "classes": np.array(["a", "b", "a"])}, "expected a row of different"),
        ({"images": IMAGES, "labels": LABELS, "classes": np.arange(3)}, "its classes are int64 (3,); expected"),
        ({"images": np.asfortranarray(IMAGES), "labels": LABELS}, "its array 'images' is in Fortran order"),
        ({"images": IMAGES, "labels": LABELS * 0}, "has only the class '0'; a classifier needs"),
        ({"images": IMAGES, "labels": LABELS * 0 - 1}, "has no labelled image; a classifier needs"),
        ({"images": IMAGES, "labels": np.where(LABELS == 1, 0, LABELS)}, "class '1' has no image in"),
    ],
)
def test_npz_that_cannot_be_used(tmp_path, arrays, message):
    made = of_npz(tmp_path, **arrays)
    found = refused(made.splits)
    assert message in found
    assert str(tmp_path / "own.npz") in found


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.uint32, ">i8"])
def test_a_label_beyond_the_number_of_images_makes_no_names(tmp_path, kind):
    labels = np.abs(LABELS).astype(kind)
    for huge in (20, 2**31, 2**32 - 1, *((2**62,) if np.dtype(kind).itemsize == 8 else ()), 2**64 - 1):
        if huge > np.iinfo(kind).max:
            continue
        labels[7] = huge
        made = of_npz(tmp_path, images=IMAGES, labels=labels)
        expected = f"label {huge} of image 7 would make {huge + 1:,} classes of 20 images; number the classes from 0"
        assert expected in refused(made.vocabularies)
        made = of_npz(tmp_path, images=IMAGES, labels=labels, classes=np.array(["a", "b", "c"]))
        assert f"label {huge} of image 7 is not a whole number from 0 to 2, or -1" in refused(made.splits)


@pytest.mark.parametrize("classes", [
    np.array(["a", "\ud800", "c"]), np.frombuffer(b"\xff\xff\xff\x7f" * 3, "<U1"), np.array([["a", "b", "c"]]),
    np.zeros(3, "U0"), np.array([b"a", b"b", b"c"]), np.array(["a", "b", "c"], "U9999999"),
])  # fmt: skip
def test_names_of_classes_that_are_no_text_are_refused(tmp_path, classes):
    made = of_npz(tmp_path, images=IMAGES, labels=LABELS, classes=classes, compressed=True)
    assert "its classes " in refused(made.vocabularies)


def test_more_images_than_a_run_can_take_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("biasloop_images.user_arrays._MOST_IMAGES", 19)
    assert "it has 20 images, and 19 are the most" in refused(of_npz(tmp_path, images=IMAGES, labels=LABELS).splits)


def test_an_npz_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "own.npz")
    assert "own.npz is a pipe; expected a file" in refused(
        lambda: domain(tmp_path, data="npz", path=str(tmp_path / "own.npz")).check(Demands())
    )


def test_no_npz_at_all(tmp_path):
    (tmp_path / "own.npz").write_bytes(b"no zip")
    made = domain(tmp_path, data="npz", path=str(tmp_path / "own.npz"))
    assert re.search("does not read .*not a zip", refused(made.splits))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 12, "human": 1, "model": 1}, r"loop\.start = 12: the pool has 11 human-labelled samples"),
        ({"start": 10, "human": 2, "model": 1}, "no second round is possible: 1 human-labelled samples are left"),
        ({"start": 8, "human": 3, "model": 6}, "no second round is possible: 8 samples are left in the reserve"),
    ],
)
def test_sizes_that_the_pool_does_not_have_are_refused_before_training(tmp_path, settings, message):
    made = of_npz(tmp_path, images=IMAGES, labels=LABELS)
    rule = Accumulate(AccumulateSettings(rounds=2, **settings), made, "images", Streams((0,)))
    with pytest.raises(Mismatch, match=message) as error:
        rule.prepare()
    assert isinstance(error.value, InvalidInput)
    assert "_learner" not in vars(made)


def test_fit_predict_and_label_with_own_images(folder):
    made = of_folder(folder, network="small-cnn", augment=False)
    splits = made.splits()
    from biasloop.contract.data import Samples

    human = np.setdiff1d(splits.pool, splits.unlabelled)
    train = Samples(human, np.zeros(len(human), np.bool_), made.human_labels(human))
    model = made.fit(train, Work(Streams((0, "fit"))))
    given = made.label(model, splits.unlabelled, "argmax", Work(Streams((0, "label"))))
    assert len(given) == 5
    assert set(given["target"].tolist()) <= {0, 1}
    assert len(made.predict(model, Work(Streams((0, "p"))))["test"]) == 4
