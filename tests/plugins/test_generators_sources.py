import csv
import os

import numpy as np
import pytest
from PIL import Image
from support.generators import golden

from biasloop import datasets
from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.datasets import LabelledImages
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_generators import faces, sources
from biasloop_generators.coloring import Coloring, draws, luminance
from biasloop_generators.config import Config
from biasloop_generators.pictures import Colored

SPLITS = golden()["splits"]


def source(place, seed=0, **settings):
    return sources.source(Config.model_validate(settings), Context(place, Streams((seed, "data"))))


def shares_of_green(data, rows):
    labels, groups = data.labels[rows], data.groups[rows, 0]
    return [float((groups[labels == label] == 0).mean()) for label in (0, 1)]


def test_colored_fashion(tmp_path):
    data = source(tmp_path).read()
    original = datasets.get("fashion-mnist-t10k").load(tmp_path)
    assert data.images.shape == (10_000, 28, 28, 3)
    assert [len(rows) for rows in (data.train, data.valid, data.test)] == [7_000, 1_000, 2_000]
    assert np.array_equal(np.concatenate([data.train, data.valid, data.test]), np.arange(10_000))
    assert (data.sizes, data.targets, data.side) == ((2, 2), ("label", "color"), 28)
    np.testing.assert_array_equal(data.images.sum(3), original.images[..., 0])  # one channel has it all
    assert not data.images[..., 2].any()
    red = data.images[..., 0].any((1, 2))
    assert np.array_equal(red, data.groups[:, 0] == 1)
    assert 0.04 < (data.labels != (original.labels >= 5)).mean() < 0.06
    assert shares_of_green(data, data.train) == pytest.approx([0.3, 0.7], abs=0.02)
    assert shares_of_green(data, data.test) == pytest.approx([0.5, 0.5], abs=0.04)
    assert data.counts(data.train).sum() == 7_000


def test_as_released_differs_in_colours_of_the_test_set_alone(tmp_path):
    balanced, biased = (source(tmp_path, test_bias=bias).read() for bias in ("balanced", "as-released"))
    assert shares_of_green(biased, biased.test) == pytest.approx([0.3, 0.7], abs=0.04)
    assert np.array_equal(balanced.labels, biased.labels)
    rows = np.concatenate([balanced.train, balanced.valid])
    assert np.array_equal(balanced.groups[rows], biased.groups[rows])
    assert np.array_equal(balanced.images[rows], biased.images[rows])
    assert balanced.digest != biased.digest


def test_seeds(tmp_path):
    first, again, other = (source(tmp_path, seed).read() for seed in (0, 0, 1))
    assert np.array_equal(first.groups, again.groups)
    assert first.digest == again.digest
    assert not np.array_equal(first.groups, other.groups)
    released = [source(tmp_path, seed, compat="released").read().digest for seed in (0, 1)]
    assert released[0] == released[1] == source(tmp_path, coloring_seed=0, test_bias="as-released").read().digest


def stub(monkeypatch, name):
    """A data set of the published size whose first pixels tell its rows apart."""
    known = datasets.get(name)
    side, channels = known.shape[0], known.shape[2]
    images = np.zeros((known.count, 1, 1, channels), np.uint8)
    images[:, 0, 0] = (np.arange(known.count) % 251)[:, None]
    labels = np.arange(known.count) * 7 % 10
    loaded = LabelledImages(images, labels, known.classes, known.splits)
    monkeypatch.setattr(type(known), "load", lambda self, data: loaded)
    return loaded, side


@pytest.mark.parametrize(
    ("data", "name", "published", "reverse"),
    [("colored-mnist", "mnist", "ColoredMNIST", False), ("colored-svhn", "svhn", "ColoredSVHN", True)],
)
@pytest.mark.parametrize("bias", ["balanced", "as-released"])
def test_published_data_sets(monkeypatch, tmp_path, data, name, published, reverse, bias):
    loaded, _ = stub(monkeypatch, name)
    found = source(tmp_path, data=data, coloring_seed=3, test_bias=bias).read()
    assert {split: len(getattr(found, split)) for split in ("train", "valid", "test")} == SPLITS[published]
    assert found.test[0] == loaded.splits["test"].start
    uniforms = draws(3, len(loaded))
    rule = Coloring(5, reverse)
    labels = rule.labels(loaded.labels, uniforms[:, 0])
    groups = rule.groups(labels, uniforms[:, 1])
    assert np.array_equal(found.labels, labels)
    assert np.array_equal(found.groups[found.train, 0], groups[found.train])
    assert np.array_equal(found.groups[found.valid, 0], groups[found.valid])
    green = [0.3, 0.7] if data == "colored-mnist" and bias == "as-released" else [0.5, 0.5]
    assert shares_of_green(found, found.test) == pytest.approx(green, abs=0.02)
    grey = luminance(loaded.images)
    np.testing.assert_array_equal(found.images.max(3), grey)
    assert found.side == {"mnist": 28, "svhn": 64}[name]


@pytest.mark.parametrize(("seed", "green"), [(0, 13_066), (1, 12_890)])
def test_released_colours_of_svhn_are_of_the_runs_seed_and_the_test_set_is_drawn_anew(
    monkeypatch, tmp_path, seed, green
):
    """The authors' own result files have 5,021 + 8,045 and 4,946 + 7,944 green test images of seeds 0 and 1."""
    loaded, _ = stub(monkeypatch, "svhn")
    found = source(tmp_path, seed, data="colored-svhn", compat="released").read()
    assert int((found.groups[found.test, 0] == 0).sum()) == green
    rng = np.random.RandomState(seed)
    both = rng.random_sample((73_257, 2)), np.random.RandomState(seed).random_sample((26_032, 2))
    noisy = [
        (one[:, 0] < 0.05) != (part < 5) for one, part in zip(both, np.split(loaded.labels, [73_257]), strict=True)
    ]
    assert np.array_equal(found.labels, np.concatenate(noisy))
    assert np.array_equal(found.groups[:73_257, 0], both[0][:, 1] >= np.where(noisy[0], 0.7, 0.3))
    assert np.array_equal(found.groups[73_257:, 0], both[1][:, 1] >= 0.5)


def test_with_the_seed_set_by_hand_released_colours_of_svhn_differ_in_the_test_set_alone(monkeypatch, tmp_path):
    stub(monkeypatch, "svhn")
    ours, published = (
        source(tmp_path, 7, data="colored-svhn", coloring_seed=0, compat=compat).read()
        for compat in ("fixed", "released")
    )
    rows = np.concatenate([ours.train, ours.valid])
    assert np.array_equal(ours.labels[rows], published.labels[rows])
    assert np.array_equal(ours.groups[rows], published.groups[rows])
    assert (ours.labels[ours.test] == published.labels[ours.test]).mean() == pytest.approx(0.905, abs=0.01)
    assert (ours.groups[ours.test] == published.groups[ours.test]).mean() == pytest.approx(0.5, abs=0.01)


def test_released_colours_of_mnist_are_those_of_seed_0_in_all_runs(monkeypatch, tmp_path):
    stub(monkeypatch, "mnist")
    one, other = (source(tmp_path, seed, data="colored-mnist", compat="released").read().digest for seed in (0, 5))
    assert (
        one == other == source(tmp_path, data="colored-mnist", coloring_seed=0, test_bias="as-released").read().digest
    )


def test_what_has_to_be_fetched(tmp_path):
    found = source(tmp_path, data="colored-mnist")
    (need,) = found.requirements()
    assert (need.name, need.present, need.command) == ("mnist", False, "biasloop fetch mnist")
    with pytest.raises(SomethingToFetch, match="biasloop fetch mnist"):
        found.read()
    (need,) = source(tmp_path).requirements()
    assert need.present


def test_fewer_training_images(tmp_path):
    whole, fewer = source(tmp_path).read(), source(tmp_path, images=50).read()
    assert fewer.train.tolist() == list(range(50))
    assert np.array_equal(fewer.test, whole.test)
    with pytest.raises(InvalidInput, match="domain.images is 7,001 and colored-fashion has 7,000 training images"):
        source(tmp_path, images=7_001).read()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"green": [1.0, 1.0]}, "color 'red' has no image among the 7,000 .* of colored-fashion; an annotator needs"),
        ({"green": [0.0, 0.0]}, "color 'green' has no image"),
        ({"threshold": 0, "noise": 0.0}, "label '0' has no image"),
        ({"images": 1}, "has no image among the 1 of"),
    ],
)
def test_a_class_or_group_that_is_absent(tmp_path, settings, message):
    with pytest.raises(InvalidInput, match=message):
        source(tmp_path, **settings).read()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "mnist"}, "no data set is called 'mnist' .*known: colored-fashion, colored-mnist"),
        ({"data": "celeba"}, 'domain.data = "celeba" needs domain.path'),
        ({"path": "here"}, "domain.path is given; path goes with"),
        ({"data": "colored-npz", "path": "nowhere.npz"}, "is 'nowhere.npz', and there is no such file in"),
        ({"data": "fairface", "path": "nowhere"}, "there is no such folder"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path, settings, message):
    with pytest.raises(InvalidInput, match=message):
        source(tmp_path, **settings).check()


def test_strata_vary_the_label_slowest():
    labels, groups = np.array([0, 1, 1, 0]), np.array([[6, 1], [0, 0], [3, 1], [0, 1]])
    names = (("a", "b"), tuple("0123456"), ("young", "old"))
    rows = np.arange(4)
    data = Colored(np.zeros(0), labels, groups, rows, rows, rows, names, ("label", "race", "age"), 8, False, "")
    assert data.sizes == (2, 7, 2)
    assert data.strata(rows).tolist() == [13, 14, 14 + 7, 1]
    assert data.counts(rows)[[13, 14, 21, 1]].tolist() == [1, 1, 1, 1]
    assert len(data.counts(rows)) == 28


# --- a person's own images


def own(place, count=200, **arrays):
    draws = np.random.default_rng(0)
    held = {"images": draws.integers(0, 256, (count, 28, 28), np.uint8), "labels": np.arange(count) // (count // 10)}
    np.savez(place / "own.npz", **{**held, **arrays})
    return held


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_own_images(tmp_path, channels):
    held = own(tmp_path, images=np.full((200, 28, 28, *channels), 9, np.uint8))
    found = source(tmp_path, data="colored-npz", path=str(tmp_path / "own.npz"))
    assert found.side == 28
    assert found.requirements() == []
    data = found.read()
    assert [len(rows) for rows in (data.train, data.valid, data.test)] == [140, 20, 40]
    assert sorted([*data.train, *data.valid, *data.test]) == list(range(200))
    assert len(np.unique(held["labels"][data.test])) > 7  # not the last ones of a file in the order of its labels
    assert len(np.unique(held["labels"][data.train[:30]])) > 5  # nor are the ones that `images` keeps the first ones
    assert (data.images.max(3) == 9).all()
    assert 0 < (data.labels != (held["labels"] >= 5)).mean() < 0.15


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((200, 28, 28))}, "its images are float64"),
        ({"images": np.zeros((200, 28, 28, 2), np.uint8)}, "its images are uint8 \\(200, 28, 28, 2\\)"),
        ({"labels": np.zeros(7, np.int64)}, "its labels are int64 \\(7,\\); expected images"),
        ({"labels": np.arange(200)}, "label 10 is not a whole number from 0 to 9"),
    ],
)
def test_own_images_that_cannot_be_used(tmp_path, arrays, message):
    own(tmp_path, **arrays)
    with pytest.raises(InvalidInput, match=message):
        source(tmp_path, data="colored-npz", path=str(tmp_path / "own.npz")).read()


def test_own_files_that_cannot_be_used(tmp_path):
    own(tmp_path, images=np.zeros((200, 28, 27), np.uint8))
    found = source(tmp_path, data="colored-npz", path=str(tmp_path / "own.npz"))
    with pytest.raises(InvalidInput, match="its images are \\(200, 28, 27\\)"):
        _ = found.side
    (tmp_path / "own.npz").write_bytes(b"nothing")
    for use in (lambda: found.side, found.read):
        with pytest.raises(InvalidInput, match="own.npz \\(domain.path\\) cannot be used"):
            use()
    np.savez(tmp_path / "own.npz", labels=np.arange(3))
    with pytest.raises(InvalidInput, match="it has labels; expected images"):
        found.read()


# --- faces


def celeba(place, count=12):
    (place / "img_align_celeba").mkdir()
    draws = np.random.default_rng(2)
    attributes = ["Blond_Hair", "Attractive", "Male"]
    rows, splits = [], []
    for number in range(count):
        name = f"{number + 1:06}.jpg"
        Image.fromarray(draws.integers(0, 256, (21, 17, 3), np.uint8)).save(place / "img_align_celeba" / name)
        rows.append(f"{name} -1 {1 if number % 2 else -1:2d} {1 if number % 3 else -1:2d}")
        splits.append(f"{name} {0 if number < 8 else 1 if number < 10 else 2}")
    (place / "list_attr_celeba.txt").write_text("\n".join([str(count), " ".join(attributes), *rows]) + "\n")
    (place / "list_eval_partition.txt").write_text("\n".join(splits) + "\n")


def test_celeba(tmp_path):
    folder = tmp_path / "celeba"
    folder.mkdir()
    celeba(folder)
    found = source(tmp_path, data="celeba", path=str(folder))
    data = found.read()
    assert data.images.shape == (12, 128, 128, 3)
    assert (data.sizes, data.targets, data.side, data.mirrored) == ((2, 2), ("label", "gender"), 128, True)
    assert data.labels.tolist() == [number % 2 for number in range(12)]
    assert data.groups[:, 0].tolist() == [int(number % 3 > 0) for number in range(12)]
    assert [rows.tolist() for rows in (data.train, data.valid, data.test)] == [[*range(8)], [8, 9], [10, 11]]
    with Image.open(folder / "img_align_celeba" / "000003.jpg") as image:
        expected = faces.resized(np.asarray(image), 128)
    assert np.abs(data.images[2] - expected).max() <= 0.5
    again = found.read()  # from what was decoded
    assert again.digest == data.digest
    assert np.array_equal(again.images, data.images)
    whole = np.array(data.images)
    for name in ("images.npy", "about.json"):
        (file,) = (tmp_path / "prepared").rglob(name)
        content = bytearray(file.read_bytes())
        content[-9] ^= 4
        file.write_bytes(content)
        again = found.read()  # decoded anew
        assert again.digest == data.digest
        assert np.array_equal(again.images, whole)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("list_attr_celeba.txt", None, "list_attr_celeba.txt does not read \\(No such file.*domain.path needs img_al"),
        ("list_attr_celeba.txt", "1\nBlond_Hair\na.jpg 1\n", "line 2 of .* does not name Attractive and Male"),
        ("list_attr_celeba.txt", "1\nMale Attractive\n000001.jpg 1\n", "line 3 of .*list_attr_celeba.txt has not a"),
        ("list_eval_partition.txt", "000001.jpg 3\n", "line 3 of .* gives a split 0, 1 or 2"),
        ("img_align_celeba/000004.jpg", "no image", "000004.jpg does not read as an image"),
        ("img_align_celeba/000004.jpg", None, "000004.jpg does not read as an image \\(FileNotFoundError\\)"),
    ],
)
def test_celeba_that_is_not_as_published(tmp_path, file, text, message):
    celeba(tmp_path)
    (tmp_path / file).unlink()
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(InvalidInput, match=message):
        source(tmp_path, data="celeba", path=str(tmp_path)).read()
    assert not list((tmp_path / "prepared").glob("faces-*"))


def fairface(place, train=6, valid=2, **changes):
    """Lists in which files, ages, genders and races differ from row to row."""
    ages, races = (*faces._YOUNGER, *faces._OLDER), faces._RACES
    for split, count in (("train", train), ("val", valid)):
        (place / split).mkdir()
        with (place / f"fairface_label_{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "age", "gender", "race", "service_test"])
            for number in range(count):
                name = f"{split}/{number + 1}.jpg"
                Image.new("RGB", (9, 9), (number, 0, 0)).save(place / name)
                row = [name, ages[number % 9], ("Male", "Female")[number % 2], races[number % 7], "True"]
                writer.writerow(changes.get("row", row) if number == 3 else row)


def test_fairface(tmp_path, monkeypatch):
    monkeypatch.setattr(faces, "FAIRFACE_TEST", 4)
    fairface(tmp_path, train=22)
    found = source(tmp_path, data="fairface", path=str(tmp_path))
    listing = found.faces.listing(tmp_path)
    assert listing.splits.tolist() == [2] * 4 + [0] * 18 + [1] * 2
    assert listing.files[4] == "train/5.jpg"
    assert listing.attributes[:9, 0].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert listing.attributes[:9, 1].tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert listing.attributes[:9, 2].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    data = found.read()
    assert (data.sizes, data.targets, data.mirrored) == ((2, 7, 2), ("label", "race", "age"), False)
    assert data.test.tolist() == [0, 1, 2, 3]
    assert data.images[5, 0, 0, 0] in range(3, 8)  # red 5, but for what JPEG does


def test_splits_of_fairface_as_published():
    train, held = 86_744, faces.FAIRFACE_TEST
    assert {"train": train - held, "test": held, "valid": 10_954} == SPLITS["FairFace"]


def test_fairface_that_is_not_as_published(tmp_path):
    fairface(tmp_path, row=["train/4.jpg", "25", "Male", "White", "True"])
    with pytest.raises(InvalidInput, match="row 4 of .*fairface_label_train.csv is not FairFace's"):
        source(tmp_path, data="fairface", path=str(tmp_path)).read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,gender,race,file\n0-2,Male,White\n", "row 1 of .*fairface_label_train.csv is not FairFace's"),
        (f'file,age,gender,race\n"{"x" * 200_000}",0-2,Male,White\n', "does not read as a table .*field larger than"),
    ],
)
def test_a_list_of_fairface_that_is_no_list(tmp_path, text, message):
    fairface(tmp_path)
    (tmp_path / "fairface_label_train.csv").write_text(text)
    with pytest.raises(InvalidInput, match=message):
        source(tmp_path, data="fairface", path=str(tmp_path)).read()


def test_a_list_or_an_image_that_is_a_pipe_is_not_waited_for(tmp_path):
    celeba(tmp_path)
    for name in ("img_align_celeba/000004.jpg", "list_eval_partition.txt"):
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
        with pytest.raises(InvalidInput, match=f"{name} is a pipe; expected a file"):
            source(tmp_path, data="celeba", path=str(tmp_path)).read()
