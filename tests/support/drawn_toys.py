"""The domain "images" over small arrays, for what is drawn of data: splits, streams, labels."""

from types import SimpleNamespace

import numpy as np

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop.datasets import LabelledImages
from biasloop_images import ImagesDomain, sources

CLASSES = ("ring", "cross", "dots", "bars")


def toy(counts=(40, 40, 40, 40), splits=None, classes=CLASSES):
    """Images of 8x8 whose first pixel is their class and whose second and third are their number."""
    labels = np.random.default_rng(3).permutation(np.repeat(np.arange(len(counts)), counts))
    images = np.zeros((len(labels), 8, 8, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = labels, np.arange(len(labels)) % 256
    return LabelledImages(images, labels, classes, splits or {"all": slice(0, len(labels))})


def replaced(monkeypatch, images):
    """Makes `images` the data set "toy"."""
    dataset = SimpleNamespace(
        classes=images.classes, splits=images.splits, bytes=1, present=lambda _: True, open=lambda _: images, mean=None,
        std=None,
    )  # fmt: skip
    monkeypatch.setattr(sources.datasets, "get", lambda _: dataset)
    return images


def make(place, seed=0, **settings):
    """The domain over "toy"."""
    usual = {"data": "toy", "test": 12, "width": 2, "epochs": 2, "batch_size": 8}
    config = ImagesDomain.Config.model_validate({**usual, **settings})
    return ImagesDomain(config, Context(place, Streams((seed, "data")), threads=1))


def of_classes(domain, ids):
    """How many of each class the images with those ids have, as is right."""
    return np.bincount(domain._targets[ids], minlength=len(domain._classes)).tolist()
