import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.generators import golden

from biasloop_generators.coloring import EVEN, Coloring, colored, draws, luminance
from biasloop_generators.faces import resized
from biasloop_generators.inputs import as_inputs, mirrored

torch.set_num_threads(1)
MNIST, SVHN = golden()["colored_mnist"], golden()["colored_svhn"]


def annotated(case, *, reverse=False):
    rule = Coloring(case["thresh"], reverse, 0.05, tuple(case["green_probas"]))
    uniforms = draws(case["np_seed"], len(case["digits"]))
    labels = rule.labels(np.array(case["digits"]), uniforms[:, 0])
    return labels, rule.groups(labels, uniforms[:, 1])


@pytest.mark.parametrize("case", ["case_a", "case_b", "case_c"])
def test_labels_and_groups_of_colored_mnist(case):
    labels, groups = annotated(MNIST[case])
    assert labels.tolist() == MNIST[case]["labels"]
    assert groups.tolist() == MNIST[case]["groups_red"]
    assert labels.dtype == groups.dtype == np.int64


def test_labels_and_groups_of_colored_svhn():
    labels, groups = annotated(SVHN["case_a"], reverse=True)
    assert labels.tolist() == SVHN["case_a"]["labels"]
    assert groups.tolist() == SVHN["case_a"]["groups"]


def test_counts_of_2000_digits():
    digits = 7 * np.arange(2000) % 10
    labels, groups = annotated({"thresh": 5, "green_probas": [0.3, 0.7], "np_seed": 0, "digits": digits})
    counts = np.bincount(2 * labels + groups, minlength=4)
    assert counts.tolist() == MNIST["n2000_digits_7i_mod10_seed0_counts_c0g0_c0g1_c1g0_c1g1"]
    assert (labels != (digits >= 5)).sum() == MNIST["noise_flips_in_2000_seed0"]


def test_pixels_of_colored_mnist():
    grey = np.array([MNIST["pixel"]["in"]] * 2, np.uint8)
    red, green = colored(grey, np.array([1, 0]))
    assert red.tolist() == MNIST["pixel"]["red_hwc"]
    assert green.tolist() == MNIST["pixel"]["green_hwc"]


def test_pixels_of_colored_svhn():
    grey = luminance(np.array([SVHN["pixel"]["in"]] * 2, np.uint8))
    red, green = colored(grey, np.array([1, 0]))
    assert red.tolist() == SVHN["pixel"]["dark1"]
    assert green.tolist() == SVHN["pixel"]["dark0"]


def test_luminance_is_pillows():
    images = np.random.default_rng(0).integers(0, 256, (5000, 2, 3, 3), np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    np.testing.assert_array_equal(luminance(images), expected)
    assert np.shares_memory(luminance(images[..., :1]), images)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.integers(0, 9),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_draws_in_turn(digits, threshold, reverse, seed):
    """Against the loop as it is described: two draws of each image, always both."""
    rule = Coloring(threshold, reverse, 0.3, (0.2, 0.9))
    uniforms = draws(seed, len(digits))
    labels = rule.labels(np.array(digits), uniforms[:, 0])
    groups = rule.groups(labels, uniforms[:, 1])
    state = np.random.RandomState(seed)
    for digit, label, group in zip(digits, labels, groups, strict=True):
        expected = int(digit < threshold) if reverse else int(digit >= threshold)
        if state.uniform() < 0.3:
            expected = 1 - expected
        assert label == expected
        assert group == (0 if state.uniform() < (0.9 if expected else 0.2) else 1)


def test_extremes():
    uniforms = draws(3, 1000)
    classes = np.arange(1000) % 10
    assert Coloring(noise=0).labels(classes, uniforms[:, 0]).tolist() == (classes >= 5).tolist()
    assert Coloring(noise=1).labels(classes, uniforms[:, 0]).tolist() == (classes < 5).tolist()
    labels = np.arange(1000) % 2
    assert Coloring(green=(1, 0)).groups(labels, uniforms[:, 1]).tolist() == labels.tolist()
    even = Coloring(green=EVEN).groups(labels, uniforms[:, 1])
    assert abs(even.mean() - 0.5) < 0.05


def test_resizing_is_bilinear_without_antialiasing():
    case = SVHN["resize_bilinear_2to4_noantialias"]
    image = np.array(case["in"][0], np.float32)[..., None]
    np.testing.assert_allclose(resized(image, 4)[..., 0], case["out"][0], rtol=1e-6)
    levels = torch.tensor([[[[0, 4], [2, 1]]]], dtype=torch.uint8).permute(0, 2, 3, 1)
    np.testing.assert_allclose(as_inputs(levels, 4)[0, 0] * 255 / 4, case["out"][0], rtol=1e-6)


def test_resizing_faces_is_torchs():
    image = np.random.default_rng(1).integers(0, 256, (218, 178, 3), np.uint8)
    expected = as_inputs(torch.from_numpy(image)[None], 128)[0].permute(1, 2, 0) * 255
    np.testing.assert_allclose(resized(image, 128), expected, atol=1e-3)


def test_inputs_are_scaled_and_channels_come_first():
    images = torch.arange(24, dtype=torch.uint8).view(1, 2, 4, 3)[:, :, :2]
    found = as_inputs(images, 2)
    assert found.shape == (1, 3, 2, 2)
    assert torch.equal(found, images.permute(0, 3, 1, 2).float() / 255)


def test_half_of_the_images_are_mirrored():
    images = torch.arange(12.0).view(1, 3, 1, 4).repeat(400, 1, 1, 1)
    found = mirrored(images, torch.Generator().manual_seed(0))
    flipped = (found == images.flip(3)).all(dim=(1, 2, 3))
    kept = (found == images).all(dim=(1, 2, 3))
    assert bool((flipped ^ kept).all())
    assert 160 < int(flipped.sum()) < 240
