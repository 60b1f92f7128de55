"""Labels that are wrong, classes that are left out, and groups of classes."""

import numpy as np
import pytest
from pydantic import ValidationError
from support.drawn_toys import make, replaced, toy

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.losing import Truthful
from biasloop.contract.randomness import Streams
from biasloop.datasets import superclasses
from biasloop.datasets.registry import get
from biasloop.errors import InvalidInput
from biasloop_images import ImagesDomain

MANY = (500, 500, 500, 500)


def wrong(domain, ids):
    """Which human labels are not the right ones."""
    return domain.human_labels(ids)["target"] != domain.truth(ids)["target"]


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_uniform_noise_makes_three_of_four_drawn_labels_wrong_and_those_of_test_and_holdout_stay(
    monkeypatch, tmp_path, share
):
    replaced(monkeypatch, toy(MANY))
    domain = make(tmp_path, holdout=100, noise={"share": share})
    splits = domain.splits()
    pool = wrong(domain, splits.pool)
    assert abs(pool.mean() - 0.75 * share) < 4 * np.sqrt(0.25 / len(pool))
    assert not wrong(domain, np.concatenate([splits.test, splits.holdout])).any()
    references = domain.references(Work(Streams((0,))))["test"]
    assert np.array_equal(references["target"], domain.truth(splits.test)["target"])


def test_a_larger_share_has_the_wrong_labels_of_a_smaller_one(monkeypatch, tmp_path):
    replaced(monkeypatch, toy(MANY))
    few, many = (make(tmp_path, noise={"share": share}) for share in (0.2, 0.5))
    pool = few.splits().pool
    changed = wrong(few, pool)
    assert changed.any()
    assert np.array_equal(few.human_labels(pool[changed])["target"], many.human_labels(pool[changed])["target"])


def test_structured_noise_labels_the_first_of_one_class_as_another(monkeypatch, tmp_path):
    replaced(monkeypatch, toy(MANY))
    domain = make(tmp_path, noise={"share": 0.25, "kind": "structured", "pairs": [["ring", "dots"], ["dots", 3]]})
    pool = domain.splits().pool
    right, told = domain.truth(pool)["target"], domain.human_labels(pool)["target"]
    for label, other in ((0, 2), (2, 3)):
        of_class = told[right == label]
        count = len(of_class) // 4
        assert (of_class[:count] == other).all()
        assert (of_class[count:] == label).all()
    assert np.array_equal(right[np.isin(right, [1, 3])], told[np.isin(right, [1, 3])])


def test_noise_gives_no_label_to_images_that_have_none(monkeypatch, tmp_path):
    images = replaced(monkeypatch, toy())
    images.labels[:40] = -1
    domain = make(tmp_path, noise={"share": 1.0})
    unlabelled = domain.splits().unlabelled
    assert unlabelled.tolist() == [*range(40)]
    assert (domain._told[unlabelled] == -1).all()


def test_right_labels_are_a_capability_that_says_nothing_without_noise(monkeypatch, tmp_path):
    replaced(monkeypatch, toy())
    domain = make(tmp_path)
    assert isinstance(domain, Truthful)
    assert not domain.truth(domain.splits().pool).columns


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        ({"share": 0.1, "kind": "structured"}, "pairs go with"),
        ({"share": 0.1, "pairs": [["a", "b"]]}, "pairs go with"),
        ({"share": 0.1, "kind": "structured", "pairs": [["a", "b"], ["a", "c"]]}, "a class twice"),
        ({"share": 1.5}, "less than or equal to 1"),
    ],
)
def test_noise_that_makes_no_sense_is_refused(noise, words):
    with pytest.raises(ValidationError, match=words):
        ImagesDomain.Config.model_validate({"noise": noise})


@pytest.mark.parametrize(
    ("pair", "words"), [(["ring", "rings"], "domain.noise.pairs is 'rings'"), (["ring", 0], "labelled as itself")]
)
def test_pairs_of_classes_that_are_none_are_refused(monkeypatch, tmp_path, pair, words):
    replaced(monkeypatch, toy())
    domain = make(tmp_path, noise={"share": 0.1, "kind": "structured", "pairs": [pair]})
    with pytest.raises(InvalidInput, match=words):
        domain.human_labels(domain.splits().pool)


def test_some_classes_are_data_of_their_own(monkeypatch, tmp_path):
    images = replaced(monkeypatch, toy(splits={"train": slice(0, 100), "test": slice(100, 160)}))
    domain = make(tmp_path, test="published", split="even-odd", classes=["dots", "cross"])
    assert domain.vocabularies()["classes"].strings() == ["dots", "cross"]
    rows = np.flatnonzero(np.isin(images.labels, [1, 2]))
    splits = domain.splits()
    assert np.array_equal(rows[splits.test], rows[rows >= 100])
    assert abs(len(splits.pool) - len(splits.holdout)) <= 1
    labels = np.array([1 if label == 1 else 0 for label in images.labels[rows]])
    assert np.array_equal(domain.human_labels(np.arange(len(rows)))["target"], labels)
    pictures = domain._pictures[0]
    assert np.array_equal(pictures.images[:, 0, 0, 0], images.labels[rows[pictures.ids]])
    assert domain.fingerprint() != make(tmp_path, test="published", classes=["cross", "dots"]).fingerprint()


@pytest.mark.parametrize(
    ("classes", "words"), [(["ring", "rong"], "domain.classes is 'rong'"), (["ring", 0], "names a class twice")]
)
def test_classes_that_are_none_are_refused(monkeypatch, tmp_path, classes, words):
    replaced(monkeypatch, toy())
    with pytest.raises(InvalidInput, match=words):
        make(tmp_path, classes=classes).splits()


def categories(domain):
    pool = domain.splits().pool
    samples = Samples(pool, np.zeros(len(pool), np.bool_), domain.human_labels(pool))
    return samples.labels["target"], domain.categories(samples)


def test_categories_are_groups_of_classes(monkeypatch, tmp_path):
    replaced(monkeypatch, toy())
    domain = make(tmp_path, categories={"round": ["ring", "dots"], "straight": ["cross", 3]})
    labels, given = categories(domain)
    assert np.array_equal(given, np.array([0, 1, 0, 1])[labels])
    assert [*domain.category_names()] == ["round", "straight"]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ("superclass", r"toy has none \(cifar100 has\)"),
        ({"a": ["ring", "cross"], "b": ["dots"]}, "'bars' in no group"),
        ({"a": ["ring", "cross", "bars"], "b": ["dots", "ring"]}, "'ring' in two groups"),
        ({"a": ["rung"]}, "domain.categories.a is 'rung'"),
    ],
)
def test_groups_that_are_no_partition_are_refused(monkeypatch, tmp_path, groups, words):
    replaced(monkeypatch, toy())
    with pytest.raises(InvalidInput, match=words):
        _ = make(tmp_path, categories=groups)._grouping


def test_superclasses_of_cifar100_are_twenty_of_five_classes(monkeypatch, tmp_path):
    classes = get("cifar100").classes
    groups = superclasses.of("cifar100")
    assert len(groups) == 20
    assert {len(members) for members in groups.values()} == {5}
    assert sorted(each for members in groups.values() for each in members) == sorted(classes)
    assert next(iter(groups)) == "aquatic_mammals"
    assert list(groups)[-1] == "vehicles_2"
    replaced(monkeypatch, toy((2,) * 100, classes=classes))
    labels, given = categories(make(tmp_path, data="cifar100", categories="superclass"))
    coarse = {each: number for number, members in enumerate(groups.values()) for each in members}
    assert given.tolist() == [coarse[classes[label]] for label in labels]
