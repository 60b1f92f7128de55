"""What fits draw their batches from, where one class has a share of its own."""

import numpy as np
import pytest
from support.drawn_toys import make, replaced, toy

from biasloop.contract.context import Work
from biasloop.contract.data import Samples
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.training.sampling import Some

RARE = {"class": "cross", "share": 0.05}


def drawn(domain, epochs=60):
    """Share of the class in what a fit on the pool would draw."""
    ids = domain.splits().pool
    labels = domain.human_labels(ids)["target"]
    sampling, draws = domain._stream.of(ids, labels), np.random.default_rng(0)
    return np.mean([(labels[sampling.order(draws)] == 1).mean() for _ in range(epochs)])


@pytest.mark.parametrize("by", ["weights", "dropping"])
def test_a_class_has_the_share_that_is_asked_for(monkeypatch, tmp_path, by):
    replaced(monkeypatch, toy((40, 60, 40, 80)))
    assert abs(drawn(make(tmp_path, sampling={**RARE, "by": by})) - 0.05) < 0.01


@pytest.mark.parametrize("settings", [{"compat": "released"}, {}])
def test_as_published_the_share_is_a_weight_of_each_image(monkeypatch, tmp_path, settings):
    replaced(monkeypatch, toy((40, 400, 40, 40)))
    sampling = {**RARE, **({} if settings else {"balanced": False})}
    share = drawn(make(tmp_path, sampling=sampling, **settings))
    pool_share = 0.05 * 400 / (0.05 * 400 + 0.95 / 3 * 120)
    assert abs(share - pool_share) < 0.03


def test_all_fits_leave_out_the_same_images_and_test_sets_stay(monkeypatch, tmp_path):
    replaced(monkeypatch, toy())
    domain, usual = make(tmp_path, sampling={**RARE, "by": "dropping"}), make(tmp_path)
    assert np.array_equal(domain.splits().test, usual.splits().test)
    pool = domain.splits().pool
    labels = domain.human_labels(pool)["target"]
    left = domain._stream.of(pool, labels)
    assert isinstance(left, Some)
    turned = domain._stream.of(pool[::-1], labels[::-1])
    assert set(pool[left.rows]) == set(pool[::-1][turned.rows])


def test_a_fit_sees_what_is_sampled(monkeypatch, tmp_path):
    """A class of which hardly anything is drawn is not learnt, though it is in the training set."""
    replaced(monkeypatch, toy((60, 60, 60, 60)))
    shares = []
    for share in (0.001, 0.25):
        sampling = {"class": "cross", "share": share}
        domain = make(tmp_path, sampling=sampling, epochs=3, augment=False, pixel_mean=[0.0], pixel_std=[0.01])
        pool = domain.splits().pool
        samples = Samples(pool, np.zeros(len(pool), np.bool_), domain.human_labels(pool))
        model = domain.fit(samples, Work(Streams((0, "fit"))))
        shares.append(domain.probabilities(model, pool, Work(Streams((0,))))[:, 1].mean())
    assert shares[0] < shares[1]


def test_a_class_that_is_none_is_refused_before_anything_is_read(monkeypatch, tmp_path):
    replaced(monkeypatch, toy())
    with pytest.raises(InvalidInput, match=r"domain.sampling.class is 'crss'.* did you mean 'cross'"):
        _ = make(tmp_path, sampling={"class": "crss", "share": 0.1})._stream


@pytest.mark.parametrize("by", ["weights", "dropping"])
def test_a_page_shows_what_is_drawn_beside_the_pool(monkeypatch, tmp_path, by):
    replaced(monkeypatch, toy((80, 80, 80, 80)))
    domain = make(tmp_path, sampling={**RARE, "by": by})
    page = domain.page(3, Work(Streams((0, "page"))))
    assert list(page.counts) == ["pool", "an epoch as it is drawn", "test"]
    pool, epoch = page.counts["pool"], page.counts["an epoch as it is drawn"]
    assert pool.sum() == len(domain.splits().pool)
    assert pool[1] / pool.sum() > 0.2
    assert epoch[1] / epoch.sum() < 0.1


def test_images_of_the_class_are_left_by_their_ids(monkeypatch, tmp_path):
    replaced(monkeypatch, toy())
    domain = make(tmp_path, sampling={**RARE, "by": "dropping"})
    stream, pool = domain._stream, domain.splits().pool[:20:-1]  # ids that are no positions
    labels = domain.human_labels(pool)["target"]
    left = pool[stream.of(pool, labels).rows]
    order = stream.streams.order(pool)
    of_class = order[domain.human_labels(order)["target"] == 1]
    most = int(0.05 / 0.95 * (labels != 1).sum())
    assert most and len(left) == len({*left.tolist()}) == (labels != 1).sum() + most
    assert {*left.tolist()} == {*pool[labels != 1].tolist(), *of_class[:most].tolist()}
