"""What an epoch goes through, against numbers of the published code and plain counting."""

import numpy as np
import pytest
import torch
from support.fits import sgd

from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop.training.sampling import Some, Weighted, by_class, class_shares, dropped
from biasloop.training.sources import Rows, TrainingSet

GOLDEN = {  # classes, chosen, share: weights of a sample of each class, from the released code of REDUCR
    (10, 3, 0.01): [0.11, 0.11, 0.11, 0.01, 0.11, 0.11, 0.11, 0.11, 0.11, 0.11],
    (10, 3, 0.025): [0.10833333] * 3 + [0.025] + [0.10833333] * 6,
    (10, 5, 0.1): [0.1] * 10,
    (4, 1, 0.5): [0.16666667, 0.5, 0.16666667, 0.16666667],
}


@pytest.mark.parametrize("case", GOLDEN)
def test_shares_of_classes_are_the_published_weights(case):
    np.testing.assert_allclose(class_shares(*case), GOLDEN[case], rtol=1e-7)
    labels = np.array([0, 0, 1, case[1], 1])
    np.testing.assert_allclose(
        by_class(labels, class_shares(*case), divided=False).weights, np.array(GOLDEN[case])[labels], rtol=1e-7
    )


def share_of(sampling, labels, chosen, epochs=40):
    draws = np.random.default_rng(0)
    return np.mean([(labels[sampling.order(draws)] == chosen).mean() for _ in range(epochs)])


def test_a_share_that_is_divided_holds_whatever_classes_are_like_and_as_published_it_does_not():
    labels = np.repeat([0, 1], [500, 50])
    shares = class_shares(2, 1, 0.5)
    assert abs(share_of(by_class(labels, shares), labels, 1) - 0.5) < 0.02
    assert abs(share_of(by_class(labels, shares, divided=False), labels, 1) - 50 / 550) < 0.02


def test_a_share_of_a_class_that_is_not_there_goes_to_the_others():
    labels = np.repeat([0, 2], [30, 60])
    weights = by_class(labels, class_shares(3, 1, 0.5)).weights
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 2].sum())


def test_as_many_are_drawn_as_there_are_by_the_generator_alone():
    sampling = Weighted(np.array([1.0, 2.0, 3.0]))
    orders = [sampling.order(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert len(sampling) == 3
    assert all(order.dtype == np.int64 and order.shape == (3,) for order in orders)
    assert np.array_equal(orders[0], orders[1])


def test_what_is_left_is_gone_through_once():
    sampling = Some(np.array([1, 4, 7]))
    assert len(sampling) == 3
    assert sorted(sampling.order(np.random.default_rng(0))) == [1, 4, 7]


@pytest.mark.parametrize(("share", "left"), [(0.01, 1), (0.1, 10), (0.2, 22), (0.9, 50)])
def test_samples_of_a_class_are_dropped_until_its_share_holds(share, left):
    labels = np.repeat([0, 1, 2], [45, 50, 45])
    ranked = np.random.default_rng(1).permutation(140)
    rows = dropped(ranked, labels, 1, share).rows
    counts = np.bincount(labels[rows], minlength=3)
    assert counts.tolist() == [45, left, 45]
    assert counts[1] / counts.sum() <= max(share, 1 / counts.sum())
    assert np.array_equal(rows, np.sort(rows))


def test_a_smaller_share_leaves_some_of_those_that_a_larger_one_leaves():
    labels = np.repeat([0, 1], [90, 50])
    ranked = np.random.default_rng(1).permutation(140)
    few, many = (set(dropped(ranked, labels, 1, share).rows) for share in (0.1, 0.3))
    assert few < many


def batches(sampling=None, epoch=0, start=0):
    train = TrainingSet(torch.arange(10)[:, None], torch.arange(10) % 2)
    source = Rows(train, sgd(1, 4, 0.1), Streams((0,)), lambda inputs, _: inputs, sampling)
    return [(batch.rows.tolist(), batch.inputs.flatten().tolist()) for (batch,) in source.epoch(epoch, start)]


def test_rows_go_through_all_in_the_order_that_they_always_had():
    order = Streams((0, "epoch", 3, "order")).generator().permutation(10).tolist()
    assert [row for rows, _ in batches(epoch=3) for row in rows] == order


@pytest.mark.parametrize("sampling", [Weighted(np.arange(1.0, 11)), Some(np.array([1, 2, 5, 6, 9]))])
def test_rows_go_through_what_is_sampled_and_say_where_it_is_in_the_training_set(sampling):
    order = sampling.order(Streams((0, "epoch", 3, "order")).generator()).tolist()
    given = batches(sampling, epoch=3)
    assert [row for rows, _ in given for row in rows] == order
    assert all(rows == inputs for rows, inputs in given)
    assert len(given) == -(-len(order) // 4)
    assert batches(sampling, epoch=3, start=1) == given[1:]


def test_too_few_samples_for_a_batch_are_refused():
    train = TrainingSet(torch.zeros(10, 1), torch.zeros(10, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="2 samples, batch_size 4, drop_last True"):
        Rows(train, sgd(1, 4, 0.1, drop_last=True), Streams((0,)), lambda inputs, _: inputs, Some(np.array([1, 2])))
