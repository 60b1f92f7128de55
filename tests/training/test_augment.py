import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.training.augment import (
    Places,
    Preparation,
    crop_flip,
    normalise,
    random_crop_flip,
    random_places,
)

torch.set_num_threads(1)


def one_by_one(images, padding, places):
    """Each image alone, in NumPy."""
    out = []
    for image, top, left, mirrored in zip(
        images.numpy(), places.top.tolist(), places.left.tolist(), places.mirrored.tolist(), strict=True
    ):
        channels, height, width = image.shape
        canvas = np.zeros((channels, height + 2 * padding, width + 2 * padding), image.dtype)
        canvas[:, padding : padding + height, padding : padding + width] = image
        crop = canvas[:, top : top + height, left : left + width]
        out.append(crop[:, :, ::-1] if mirrored else crop)
    return np.stack(out)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 4),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_batch_equals_one_by_one(count, channels, height, width, padding, channels_last, seed):
    draws = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=draws)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    places = random_places(count, padding, draws)
    found = crop_flip(images, padding, places)
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.numpy(), one_by_one(images, padding, places))


def test_every_corner_and_both_directions():
    images = torch.arange(1, 13, dtype=torch.uint8).view(1, 1, 3, 4)
    grid = [(t, x, m) for t in range(5) for x in range(5) for m in (False, True)]
    places = Places(*(torch.tensor(column) for column in zip(*grid, strict=True)))
    batch = images.expand(len(grid), -1, -1, -1)
    np.testing.assert_array_equal(crop_flip(batch, 2, places).numpy(), one_by_one(batch, 2, places))


def test_places_are_uniform():
    places = random_places(90_000, 1, torch.Generator().manual_seed(3))
    for corner in (places.top, places.left):
        shares = np.bincount(corner.numpy(), minlength=3) / 90_000
        np.testing.assert_allclose(shares, 1 / 3, atol=0.01)
    assert abs(places.mirrored.float().mean().item() - 0.5) < 0.01
    assert abs(np.corrcoef(places.top.numpy(), places.left.numpy())[0, 1]) < 0.02


def test_random_crop_flip_depends_on_its_generator_alone():
    images = torch.randint(0, 256, (16, 3, 8, 8), dtype=torch.uint8)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = random_crop_flip(images, 2, torch.Generator().manual_seed(7))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(first, random_crop_flip(images, 2, torch.Generator().manual_seed(7)))
    assert not torch.equal(first, random_crop_flip(images, 2, torch.Generator().manual_seed(8)))


def test_no_flip_and_no_padding_is_the_image_itself():
    images = torch.randint(0, 256, (5, 1, 6, 6), dtype=torch.uint8)
    assert torch.equal(random_crop_flip(images, 0, torch.Generator(), flip=False), images)


def test_normalise_is_the_textbook_formula():
    images = torch.randint(0, 256, (4, 3, 5, 5), dtype=torch.uint8)
    mean, std = torch.tensor([0.49, 0.48, 0.45]), torch.tensor([0.25, 0.24, 0.26])
    found = normalise(images, mean, std)
    expected = (images.numpy().transpose(0, 2, 3, 1) / 255 - mean.numpy()) / std.numpy()
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy().transpose(0, 2, 3, 1), expected, atol=2e-6)


@pytest.mark.parametrize(("padding", "flip", "changes"), [(0, False, False), (2, False, True), (0, True, True)])
def test_preparation_augments_only_in_training(padding, flip, changes):
    images = torch.randint(0, 256, (32, 1, 8, 8), dtype=torch.uint8)
    prepare = Preparation(torch.tensor([0.5]), torch.tensor([0.5]), padding, flip)
    plain = prepare(images)
    assert torch.equal(plain, normalise(images, torch.tensor([0.5]), torch.tensor([0.5])))
    assert torch.equal(prepare(images, torch.Generator().manual_seed(1)), plain) is not changes
