"""Random resized crops of batches, against torchvision image by image."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional as reference
from torchvision.transforms import v2

from biasloop.training.augment import Preparation
from biasloop.training.resized_crop import Boxes, random_boxes, resized_crop


def images(count, channels, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, height, width), generator=generator, dtype=torch.uint8)


def one_by_one(batch, padding, boxes, size=None):
    """Pad, crop, resize with Pillow's filter, mirror: torchvision's own functions."""
    found = []
    for image, top, left, height, width, mirrored in zip(
        batch, boxes.top, boxes.left, boxes.height, boxes.width, boxes.mirrored, strict=True
    ):
        padded = reference.pad(image.float(), padding)
        cut = reference.resized_crop(
            padded, int(top), int(left), int(height), int(width), size or list(batch.shape[2:]), antialias=True
        )
        found.append(reference.hflip(cut) if mirrored else cut)
    return torch.stack(found)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6), st.sampled_from([1, 3]), st.integers(2, 20), st.integers(2, 20), st.integers(0, 5),
    st.integers(0, 10_000),
)  # fmt: skip
def test_equals_torchvision_image_by_image(count, channels, height, width, padding, seed):
    batch = images(count, channels, height, width, seed)
    size = (height + 2 * padding, width + 2 * padding)
    boxes = random_boxes(count, size, torch.Generator().manual_seed(seed))
    found = resized_crop(batch, padding, boxes)
    assert found.shape == batch.shape
    torch.testing.assert_close(found, one_by_one(batch, padding, boxes), atol=2e-3, rtol=0)


def test_a_box_of_the_whole_image_changes_nothing():
    batch = images(4, 3, 9, 7)
    whole = Boxes(*(torch.full((4,), n) for n in (2, 2, 9, 7)), torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(resized_crop(batch, 2, whole), batch.float())


def test_boxes_are_drawn_as_torchvision_draws_them():
    """Means of height, width and corner over many draws; the padded image is square, as published."""
    boxes = random_boxes(40_000, (40, 40), torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    theirs = torch.tensor([
        v2.RandomResizedCrop.make_params(v2.RandomResizedCrop(32), [torch.zeros(1, 40, 40)])[key]
        for _ in range(10_000) for key in ("top", "left", "height", "width")
    ]).view(-1, 4).double()  # fmt: skip
    ours = torch.stack([boxes.top, boxes.left, boxes.height, boxes.width], 1).double()
    error = (ours.var(0) / len(ours) + theirs.var(0) / len(theirs)).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() < 4.5 * error).all()
    assert torch.allclose(ours.std(0), theirs.std(0), rtol=0.05)
    assert boxes.mirrored.double().mean().item() == pytest.approx(0.5, abs=0.02)


def test_boxes_fit_whatever_the_shape():
    """A strip three times as wide as high seldom fits a box: then its middle is taken."""
    boxes = random_boxes(500, (4, 40), torch.Generator().manual_seed(0), area=(0.9, 1.0))
    assert (boxes.height == 4).all()
    assert (boxes.width == round(4 * 4 / 3)).all()
    assert (boxes.left == 17).all()
    free = random_boxes(2_000, (12, 9), torch.Generator().manual_seed(0), flip=False)
    assert (free.height >= 1).all()
    assert (free.top + free.height <= 12).all()
    assert (free.left + free.width <= 9).all()
    assert not free.mirrored.any()
    shares = (free.height * free.width) / 108
    assert shares.min() >= 0.05
    assert shares.max() <= 1
    ratios = free.width / free.height
    assert ratios.log().abs().max() <= math.log(4 / 3) + 0.5  # rounding to whole pixels apart


def test_preparation_resizes_only_in_training():
    batch = images(8, 1, 12, 12)
    prepare = Preparation(torch.tensor([0.5]), torch.tensor([0.25]), padding=2, flip=True, resized=True)
    plain = (batch.float() / 255 - 0.5) / 0.25
    torch.testing.assert_close(prepare(batch), plain)
    drawn = prepare(batch, torch.Generator().manual_seed(0))
    again = prepare(batch, torch.Generator().manual_seed(0))
    boxes = random_boxes(8, (16, 16), torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, (one_by_one(batch, 2, boxes) / 255 - 0.5) / 0.25, atol=1e-4, rtol=0)
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, plain)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 4), st.sampled_from([1, 3]), st.integers(2, 20), st.integers(2, 20), st.integers(2, 24),
    st.integers(2, 24), st.integers(0, 10_000),
)  # fmt: skip
def test_another_size_equals_torchvision_too(count, channels, height, width, tall, wide, seed):
    """From two columns on: of one, torch's interpolation repeats the first line."""
    batch = images(count, channels, height, width, seed)
    boxes = random_boxes(count, (height, width), torch.Generator().manual_seed(seed))
    cut = resized_crop(batch, 0, boxes, (tall, wide))
    assert cut.shape == (count, channels, tall, wide)
    torch.testing.assert_close(cut, one_by_one(batch, 0, boxes, [tall, wide]), atol=2e-3, rtol=0)


def test_images_are_prepared_for_a_network_of_another_size_as_torchvision_does():
    """256 pixels to 224: the test transform of ImageNet's networks, of square images."""
    batch = images(2, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    prepare = Preparation(mean, std, flip=True, resized=True, size=(28, 28))
    theirs = v2.Compose([v2.Resize(28, antialias=True), v2.CenterCrop(28), v2.Normalize(mean.tolist(), std.tolist())])
    torch.testing.assert_close(prepare(batch), theirs(batch.float() / 255), atol=1e-4, rtol=0)
    trained = prepare(batch, torch.Generator().manual_seed(1))
    boxes = random_boxes(2, (32, 32), torch.Generator().manual_seed(1))
    expected = v2.functional.normalize(one_by_one(batch, 0, boxes, [28, 28]) / 255, mean.tolist(), std.tolist())
    torch.testing.assert_close(trained, expected, atol=1e-4, rtol=0)


def test_images_that_are_resized_may_be_mirrored_alone():
    batch = images(64, 1, 6, 6)
    prepare = Preparation(torch.tensor([0.0]), torch.tensor([1.0]), flip=True, size=(4, 4))
    plain, given = prepare(batch), prepare(batch, torch.Generator().manual_seed(0))
    mirrored = (given == plain.flip(3)).flatten(1).all(1)
    assert ((given == plain).flatten(1).all(1) | mirrored).all()
    assert 10 < int(mirrored.sum()) < 54
