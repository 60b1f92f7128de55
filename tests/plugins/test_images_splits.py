"""Test set, holdout and pool that are not drawn uniformly."""

import numpy as np
import pytest
from pydantic import ValidationError
from support.drawn_toys import make, of_classes, replaced, toy

from biasloop.errors import InvalidInput
from biasloop_images import ImagesDomain

STREAM = {"sampling": {"class": "cross", "share": 0.1}, "holdout_like": "stream"}


def parts(domain):
    splits = domain.splits()
    together = np.concatenate([splits.test, splits.holdout, splits.pool])
    assert len(np.unique(together)) == len(together)
    assert all(np.array_equal(ids, np.sort(ids)) for ids in (splits.test, splits.holdout, splits.pool))
    return tuple(of_classes(domain, ids) for ids in (splits.test, splits.holdout, splits.pool))


def test_balanced_splits_have_equally_many_of_each_class(monkeypatch, tmp_path):
    replaced(monkeypatch, toy((50, 40, 30, 20)))
    assert parts(make(tmp_path, test=12, holdout=8, balanced=["test", "holdout", "pool"])) == (
        [3, 3, 3, 3], [2, 2, 2, 2], [15, 15, 15, 15],
    )  # fmt: skip
    assert parts(make(tmp_path, test=12, balanced=["test"])) == ([3, 3, 3, 3], [0, 0, 0, 0], [47, 37, 27, 17])


def test_a_holdout_is_like_the_stream(monkeypatch, tmp_path):
    replaced(monkeypatch, toy())
    test, holdout, pool = parts(make(tmp_path, holdout=40, balanced=["test", "pool"], **STREAM))
    assert (test, holdout) == ([3, 3, 3, 3], [12, 4, 12, 12])
    assert pool == [25, 25, 25, 25]


def test_the_shipped_data_give_the_quickstart_its_splits(tmp_path):
    sampling = {"class": "coat", "share": 0.01}
    domain = make(tmp_path, data="fashion-mnist-t10k", test=2000, holdout=2500, sampling=sampling,
                  balanced=["test", "pool"], holdout_like="stream")  # fmt: skip
    test, holdout, pool = parts(domain)
    assert test == [200] * 10
    assert holdout == [275] * 4 + [25] + [275] * 5
    assert pool == [525] * 10


def test_even_and_odd_images_are_pool_and_holdout(monkeypatch, tmp_path):
    replaced(monkeypatch, toy(splits={"train": slice(0, 120), "test": slice(120, 160)}))
    splits = make(tmp_path, test="published", split="even-odd").splits()
    assert np.array_equal(splits.test, np.arange(120, 160))
    assert np.array_equal(splits.pool, np.arange(0, 120, 2))
    assert np.array_equal(splits.holdout, np.arange(1, 120, 2))
    drawn = make(tmp_path, test=20, split="even-odd").splits()
    assert len(drawn.test) == 20
    assert set(drawn.holdout % 2) == {1}
    assert set(drawn.pool % 2) == {0}


def test_published_folders_are_the_splits(monkeypatch, tmp_path):
    rows = {"train": slice(0, 60), "valid": slice(60, 110), "test": slice(110, 160)}
    replaced(monkeypatch, toy(splits=rows))
    splits = make(tmp_path, test="published", split="published").splits()
    assert [list(ids) for ids in (splits.pool, splits.holdout, splits.test)] == [
        list(range(of.start, of.stop)) for of in rows.values()
    ]


@pytest.mark.parametrize("holdout", [{"split": "published"}, {"split": "even-odd"}, {"holdout": 16}])
def test_what_balancing_cuts_off_a_published_split_is_trained_on_by_nobody(monkeypatch, tmp_path, holdout):
    rows = {"train": slice(0, 60), "valid": slice(60, 110), "test": slice(110, 160)}
    replaced(monkeypatch, toy((50, 40, 40, 30), splits=rows))
    every = make(tmp_path, test="published", **holdout).splits()
    domain = make(tmp_path, test="published", balanced=["test", "holdout"], **holdout)
    test, held, _ = parts(domain)
    assert len({*test}) == len({*held}) == 1 and sum(test) < 50
    splits = domain.splits()
    assert set(splits.test) < set(every.test)
    assert "split" not in holdout or np.array_equal(splits.pool, every.pool)
    assert not set(every.test) & {*splits.pool, *splits.holdout}


def test_test_set_and_holdout_may_be_of_some_classes_only(monkeypatch, tmp_path):
    rows = {"train": slice(0, 60), "valid": slice(60, 110), "test": slice(110, 160)}
    replaced(monkeypatch, toy(splits=rows))
    settings = {"test": "published", "split": "published"}
    test, holdout, pool = parts(make(tmp_path, relevant=["cross", 3], **settings))
    every = parts(make(tmp_path, **settings))
    assert (test, holdout) == tuple([0, part[1], 0, part[3]] for part in every[:2])
    assert pool == every[2]


def test_images_without_a_label_stay_in_a_pool_that_is_balanced(monkeypatch, tmp_path):
    images = replaced(monkeypatch, toy((50, 40, 30, 20)))
    images.labels[:9] = -1
    splits = make(tmp_path, balanced=["pool"]).splits()
    assert np.array_equal(splits.unlabelled, np.arange(9))
    assert set(range(9)) < set(splits.pool)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"test": 13, "balanced": ["test"]}, "domain.test is 13, .* 4 classes; set domain.test to 12 or 16"),
        ({"test": 100, "balanced": ["test"]}, "needs 25 images of 'bars', and toy has 20 left; lower domain.test"),
        ({"holdout": 2, **STREAM}, "domain.holdout 2 has no image of 'cross' at a share of 0.1; set .* 10 or more"),
        ({"holdout": 100, **STREAM}, "domain.holdout needs 30 images of 'dots', and toy has 25 left"),
        ({"split": "published"}, r'"published", and toy has no published validation split .*"even-odd"'),
        ({"test": "published"}, "no published test split"),
        ({"balanced": ["pool"], "test": 139}, "the pool has no image of .*domain.balanced"),
        ({"relevant": ["rung"]}, "domain.relevant is 'rung', .* did you mean 'ring'"),
    ],
)
def test_splits_that_cannot_be_had_are_refused_with_numbers(monkeypatch, tmp_path, settings, words):
    replaced(monkeypatch, toy((50, 40, 30, 20)))
    with pytest.raises(InvalidInput, match=words):
        make(tmp_path, **settings).splits()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"split": "even-odd", "holdout": 5}, "split = .* says what the holdout is"),
        ({"holdout": 5, "holdout_like": "stream"}, "needs sampling"),
        ({"holdout": 5, "balanced": ["holdout"], **STREAM}, "both say what the holdout is like"),
        (STREAM, "needs sampling and a number of images as holdout"),
        ({"categories": "superclass", "bias": {"epsilon": 30, "assignment": 0}}, "leave out categories"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        ImagesDomain.Config.model_validate(settings)
