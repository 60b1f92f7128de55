import math

import pytest
import torch
from support.generators import golden

from biasloop_generators.losses import LOSSES, bce_mean, cross_entropy, divergence, squared_sum

torch.set_num_threads(1)
GOLDEN = golden()["losses"]
PUBLISHED = {
    "bce-sum": "vae_loss", "squared-sum": "bce_loss_function", "bce-mean": "test_loss_function",
    "squared-mean": "mse_loss_function",
}  # fmt: skip


def wave(shape, low, high, factor, shift, modulus):
    numbers = torch.arange(math.prod(shape), dtype=torch.float64)
    values = low + (high - low) * ((factor * numbers + shift) % modulus) / (modulus - 1)
    return values.float().view(shape)


def inputs(case):
    count, side, latent = {"n2c3s28": (2, 28, 20), "n3c3s64": (3, 64, 32)}[case]
    images = wave((count, 3, side, side), 0, 1, 7, 0, 11)
    reconstruction = wave((count, 3, side, side), 0.05, 0.95, 5, 3, 13)
    return reconstruction, images, wave((count, latent), -1, 1, 3, 1, 7), wave((count, latent), -0.5, 0.5, 2, 1, 5)


@pytest.mark.parametrize("case", ["n2c3s28", "n3c3s64"])
def test_losses(case):
    expected = GOLDEN[case]
    reconstruction, images, mu, logvar = inputs(case)
    assert float(images.double().sum()) == pytest.approx(expected["x_sum"])
    assert float(divergence(mu, logvar)) == pytest.approx(expected["kl_sum"], rel=1e-5)
    assert float(cross_entropy(reconstruction, images, "sum")) == pytest.approx(expected["bce_sum"], rel=1e-5)
    assert float(cross_entropy(reconstruction, images, "mean")) == pytest.approx(expected["bce_mean"], rel=1e-5)
    compared = [name for name, published in PUBLISHED.items() if published in expected]
    assert len(compared) >= 3
    for name in compared:
        found = float(LOSSES[name](reconstruction, images, mu, logvar))
        assert found == pytest.approx(expected[PUBLISHED[name]], rel=1e-5), name


def test_clamped_pixels():
    case = {name: torch.tensor(value) for name, value in GOLDEN["clamp_case"].items()}
    found = squared_sum(case["recon"], case["x"], case["mu"], case["logvar"])
    assert float(found) == pytest.approx(GOLDEN["clamp_case"]["loss"], rel=1e-6)


def test_the_exponential_is_not_clamped():
    zero = torch.zeros(1, 1)
    assert GOLDEN["logvar_clip_case_is_inf"]
    assert float(squared_sum(zero, zero, zero, torch.full((1, 1), 200.0))) == math.inf
    low = float(squared_sum(zero, zero, zero, torch.full((1, 1), -300.0)))
    assert low == pytest.approx(0.5 * (100 - 1))  # the linear term is


def test_a_latent_of_zero():
    half, zero = torch.full((1, 3, 4, 4), 0.5), torch.zeros(1, 2)
    expected = GOLDEN["test_loss_zero_latent"]
    assert float(bce_mean(half, half.round(), zero, zero)) == pytest.approx(expected["loss"], rel=1e-6)
    assert expected["bce_ln2"] == pytest.approx(math.log(2))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_cross_entropy_is_torchs_but_for_nan(reduction):
    reconstruction = torch.rand(2, 3, 4, 4, requires_grad=True)
    images = torch.rand(2, 3, 4, 4)
    found = cross_entropy(reconstruction, images, reduction)
    expected = torch.nn.functional.binary_cross_entropy(reconstruction, images, reduction=reduction)
    torch.testing.assert_close(found, expected)
    (ours,), (torchs,) = (torch.autograd.grad(loss, reconstruction) for loss in (found, expected))
    torch.testing.assert_close(ours, torchs)
    with torch.no_grad():
        reconstruction[0, 0, 0, 0] = math.nan
    assert math.isnan(cross_entropy(reconstruction.detach(), images, reduction))
