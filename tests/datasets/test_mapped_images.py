"""Images that were decoded once are those that were put in, with the digest that runs have always stored."""

import hashlib
import json

import numpy as np
import pytest

from biasloop.contract.context import Context
from biasloop.contract.data import Column
from biasloop.contract.randomness import Streams
from biasloop.datasets import mapped_images
from biasloop.datasets.decoded import decoded
from biasloop.datasets.stored import open_stored, storing
from biasloop.errors import DownloadError

CLASSES = ("cat", "dög")
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), np.uint8)
LABELS = np.array([0, 1, 1, 0, -1, 0, 1, 0, 1])


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path, Streams((0, "data")))


def kept(context):
    return decoded(context, "x", lambda writer: mapped_images.write(writer, PIXELS.shape, PIXELS, LABELS, CLASSES))


def test_images_come_back_row_by_row_and_all_of_them_are_not_copied(context):
    images = mapped_images.read(kept(context))
    assert (len(images), images.classes, images.labels.tolist()) == (9, CLASSES, LABELS.tolist())
    ids = np.array([0, 3, 8])
    assert np.array_equal(images.take(ids), PIXELS[ids])
    everything = images.take(np.arange(9))
    assert np.array_equal(everything, PIXELS)
    assert everything is images.pixels


def test_the_digest_is_the_one_of_earlier_versions(context, tmp_path):
    images = mapped_images.read(kept(context))
    content = repr(PIXELS.shape).encode() + PIXELS.tobytes() + LABELS.astype("<i8").tobytes()
    plain = hashlib.blake2b(content + json.dumps(list(CLASSES)).encode(), digest_size=16).hexdigest()
    with storing(tmp_path / "images.h5", PIXELS.shape, LABELS, CLASSES) as stored:
        stored[:] = PIXELS
    assert images.digest(PIXELS[:2]) == plain == open_stored(tmp_path / "images.h5", "").digest(PIXELS[:2])


@pytest.mark.parametrize("images", [np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3, 1))])
def test_what_is_no_image_is_refused(context, images):
    def build(writer):
        writer.append("images", Column(images))
        writer.append("labels", Column(np.zeros(2, np.int64)))

    with pytest.raises(DownloadError, match=r"x-mapped-1 is damaged \(.* images and int64 \(2,\) labels\); delete"):
        mapped_images.read(decoded(context, "x", build))
