"""Weights of samples, from the contract down to the loss."""

from dataclasses import replace

import numpy as np
import torch

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.randomness import Streams
from biasloop_images import ImagesDomain

torch.set_num_threads(1)
SETTINGS = {"data": "fashion-mnist-t10k", "network": "small-cnn", "width": 2, "epochs": 2, "batch_size": 16, "test": 20}


def test_labels_of_weight_zero_do_not_matter_and_weights_of_one_are_none(tmp_path):
    context = Context(tmp_path, Streams((0, "data")), "cpu", 1)
    domain = ImagesDomain(ImagesDomain.Config.model_validate(SETTINGS), context)
    ids = domain.splits().pool[:60]
    labels, some = domain.human_labels(ids), np.where(np.arange(60) % 3, 1.0, 0.0)
    wrong = Frame({"target": Column(np.where(some == 0, (labels["target"] + 1) % 10, labels["target"]))})
    train = Samples(ids, np.zeros(60, bool), labels)
    plain, ones, weighed, otherwise = (
        domain.save("model", domain.fit(given, Work(Streams((0, "fit")))))
        for given in (
            train,
            replace(train, weights=np.ones(60)),
            replace(train, weights=some),
            replace(train, weights=some, labels=wrong),
        )
    )
    assert all(np.array_equal(plain[name], ones[name]) for name in plain)
    assert all(np.array_equal(weighed[name], otherwise[name]) for name in plain)
    assert not all(np.array_equal(weighed[name], plain[name]) for name in plain)
