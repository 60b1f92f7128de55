"""Clothing1M, from a small folder as it is published."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Samples
from biasloop.contract.domains import Demands
from biasloop.contract.randomness import Streams
from biasloop.datasets.clothing1m import CLASSES
from biasloop.errors import InvalidInput, SomethingToFetch
from biasloop_images import ImagesDomain

SPLITS = {"noisy_train": 30, "clean_train": 16, "clean_val": 15, "clean_test": 17}


def write(place):
    """Photographs whose red is their number and which are white outside the middle; noisy labels are off by one."""
    keys, number = {}, 0
    for split, count in SPLITS.items():
        keys[split] = []
        for _ in range(count):
            key = f"images/{number % 10}/{number}.png"
            pixels = np.full((80, 64 + 32 * (number % 2), 3), 255, np.uint8)
            pixels[:, 16 : pixels.shape[1] - 16] = (number, 0, 0)
            (place / key).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / key)
            keys[split].append(key)
            number += 1
        (place / f"{split}_key_list.txt").write_text("".join(f"{key}\n" for key in keys[split]))
    every = [key for each in keys.values() for key in each]
    labels = {key: number % 14 for number, key in enumerate(every)}
    noisy = [f"{key} {(labels[key] + 1) % 14}\n" for key in [*keys["noisy_train"], *keys["clean_test"]]]
    clean = [f"{key} {labels[key]}\n" for key in every if key not in keys["noisy_train"]]
    (place / "noisy_label_kv.txt").write_text("".join(noisy))
    (place / "clean_label_kv.txt").write_text("".join(clean))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "data" / "clothing1m"
    write(place)
    return place


def make(tmp_path, **settings):
    usual = {"data": "clothing1m", "size": 28, "test": "published", "split": "published", "width": 2}
    config = ImagesDomain.Config.model_validate({**usual, **settings})
    return ImagesDomain(config, Context(tmp_path / "data", Streams((0, "data")), threads=1))


def test_clean_validation_images_are_the_holdout_and_training_images_the_pool(folder, tmp_path):
    domain = make(tmp_path)
    (need,) = domain.requirements()
    assert (need.name, need.present) == ("clothing1m", True)
    domain.check(Demands())
    splits = domain.splits()
    assert [len(splits.pool), len(splits.holdout), len(splits.test)] == [46, 15, 17]
    pictures = domain._pictures[0]
    assert pictures.images.shape == (78, 28, 28, 3)
    assert np.array_equal(pictures.images[:, 14, 14, 0], np.arange(78))
    right = np.arange(78) % 14
    told = domain.human_labels(np.arange(78))["target"]
    assert np.array_equal(told[:30], (right[:30] + 1) % 14)
    assert np.array_equal(told[30:], right[30:])
    assert domain.vocabularies()["classes"].strings() == list(CLASSES)
    assert pictures.mean.tolist() == [0.485, 0.456, 0.406]


def test_as_released_validation_images_are_in_the_pool_too_under_ids_of_their_own(folder, tmp_path):
    domain = make(tmp_path, compat="released")
    splits, images = domain.splits(), domain._pictures[0].images
    assert [len(splits.pool), len(splits.holdout), len(splits.test)] == [61, 15, 17]
    assert np.array_equal(images[splits.pool[-15:]], images[splits.holdout])
    assert domain.fingerprint() != make(tmp_path).fingerprint()


def test_images_are_cut_out_of_the_middle_and_decoded_once(folder, tmp_path, monkeypatch):
    first = make(tmp_path, size=56)
    images = first._pictures[0].images  # of images 64 pixels high after they are resized
    assert images.shape[1:] == (56, 56, 3)
    wide = images[1]  # 80x96, of which 77x64 is left in proportion
    assert np.array_equal(wide[:, 10:46, 0], np.full((56, 36), 1))
    monkeypatch.setattr("biasloop_images.clothing.Clothing._decode", lambda *_: pytest.fail("decoded again"))
    assert make(tmp_path, size=56).fingerprint() == first.fingerprint()


def test_a_folder_elsewhere_is_named_by_its_path(tmp_path):
    write(tmp_path / "elsewhere")
    domain = make(tmp_path, path=str(tmp_path / "elsewhere"))
    assert domain.requirements() == []
    assert len(domain.splits().pool) == 46


def test_what_is_missing_is_named_with_whom_to_ask(folder, tmp_path):
    (folder / "clean_label_kv.txt").unlink()
    domain = make(tmp_path)
    assert not domain.requirements()[0].present
    with pytest.raises(
        SomethingToFetch, match=r"lacks clean_label_kv.txt in .*https://github.com/Cysu/noisy_label .*put"
    ):
        domain.check(Demands())
    with pytest.raises(InvalidInput, match=r"domain.path is .*, which lacks clean_label_kv.txt"):
        make(tmp_path, path=str(folder)).check(Demands())


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("clean_label_kv.txt", "images/3/33.png 14\n", "line 1, is 'images/3/33.png 14'; expected .* from 0 to 13"),
        ("clean_label_kv.txt", "images/3/33.png 1\n", "has no label of 'images/0/30.png'"),
        ("noisy_train_key_list.txt", "images/0/nowhere.png\n", "has no label of 'images/0/nowhere.png'"),
    ],
)
def test_lists_that_do_not_fit_are_refused(folder, tmp_path, name, text, words):
    (folder / name).write_text(text)
    with pytest.raises(InvalidInput, match=words):
        make(tmp_path).splits()


def test_an_image_that_is_not_there_is_named(folder, tmp_path):
    (folder / "images" / "5" / "5.png").unlink()
    with pytest.raises(InvalidInput, match=r"5.png does not read as an image"):
        make(tmp_path).splits()


def test_sizes_that_are_not_square_are_refused(folder, tmp_path):
    with pytest.raises(InvalidInput, match=r"domain.size is \[28, 30\], and of clothing1m images are square"):
        make(tmp_path, size=[28, 30])


def test_runs_of_a_plan_that_differ_in_compat_do_not_share_what_is_read(folder, tmp_path):
    memory = {}
    counts = []
    for compat in ("fixed", "released", "fixed"):
        config = ImagesDomain.Config.model_validate({
            "data": "clothing1m", "size": 28, "test": "published", "split": "published", "compat": compat,
        })  # fmt: skip
        domain = ImagesDomain(config, Context(tmp_path / "data", Streams((0, "data")), memory=memory))
        counts.append(len(domain.splits().pool))
    assert counts == [46, 61, 46]


def test_weights_to_begin_with_are_required_and_every_fit_begins_with_them(folder, tmp_path, monkeypatch):
    settings = {"network": "torchvision-resnet18", "pretrained": True, "size": 32, "batch_size": 32, "epochs": 1}
    domain = make(tmp_path, **settings)
    assert [(need.name, need.kind, need.present) for need in domain.requirements()] == [
        ("clothing1m", "data", True), ("resnet18-imagenet", "weights", False),
    ]  # fmt: skip
    pool = domain.splits().pool
    samples = Samples(pool, np.zeros(len(pool), np.bool_), domain.human_labels(pool))
    with pytest.raises(SomethingToFetch, match="biasloop fetch resnet18-imagenet"):
        domain.fit(samples, Work(Streams((0, "fit"))))
    loaded = []
    monkeypatch.setattr("biasloop.datasets.assets.Asset.require", lambda *_: tmp_path)
    monkeypatch.setattr("biasloop.training.imagenet.load", lambda _, path, mend: loaded.append((path.name, mend)))
    domain.fit(samples, Work(Streams((0, "fit"))))
    assert loaded == [("resnet18-f37072fd.pth", "`biasloop fetch resnet18-imagenet` gets it anew")]


def test_weights_that_cannot_be_fetched_are_refused():
    with pytest.raises(ValidationError, match='known of "torchvision-resnet18", and network is "resnet18"'):
        ImagesDomain.Config.model_validate({"network": "resnet18", "pretrained": True})
