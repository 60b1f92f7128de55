import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biasloop.training.schedule import Recipe, cosine, piecewise_linear


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (1, 0.0008547008547008547),
        (10, 0.008547008547008548),
        (39, 0.4 * 39 / 468),
        (468, 0.4),
        (469, 0.39979538461538466),
        (1000, 0.2911446153846154),
        (2418, 0.001),
    ],
)
def test_piecewise_linear_gives_published_rates(step, rate):
    """Taori & Hashimoto's released code at 20,000 images and batch 512: knots 0, 468, 2418."""
    assert piecewise_linear(step, (0, 468, 2418), (0, 0.4, 0.001)) == pytest.approx(rate, rel=1e-12)


def test_piecewise_linear_is_constant_outside():
    assert piecewise_linear(-3, (0, 2), (5, 7)) == 5
    assert piecewise_linear(9, (0, 2), (5, 7)) == 7


def test_triangle_rises_to_the_peak_and_ends_at_last():
    recipe = Recipe(10, 8, 0.4, schedule="triangle", warm_up=0.2, last=0.0025)
    rates = [recipe.rate(step, 100) for step in range(1, 101)]
    assert rates[0] == pytest.approx(0.02)
    assert max(rates) == rates[19] == 0.4
    assert rates[-1] == pytest.approx(0.001)
    assert rates[:20] == sorted(rates[:20])
    assert rates[19:] == sorted(rates[19:], reverse=True)


def test_cosine_agrees_with_torch_stepping_after_the_update():
    recipe = Recipe(5, 8, 0.1, schedule="cosine")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    for step in range(1, 31):
        assert recipe.rate(step, 30) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        theirs.step()


@given(
    st.sampled_from(["triangle", "cosine", "constant"]),
    st.floats(0, 1),
    st.integers(1, 200),
)
def test_rates_are_positive_and_never_above_the_highest(schedule, warm_up, total):
    recipe = Recipe(1, 1, 0.3, schedule=schedule, warm_up=warm_up)
    rates = [recipe.rate(step, total) for step in range(1, total + 1)]
    assert all(0 < rate <= 0.3 for rate in rates)
    rising = round(warm_up * total)
    if schedule != "triangle" or rising:
        assert max(rates) == pytest.approx(0.3)


def test_cosine_halves_half_way():
    assert cosine(0, 8) == 1
    assert cosine(4, 8) == pytest.approx(0.5)
    assert cosine(8, 8) == pytest.approx(0)
    assert cosine(2, 8) == pytest.approx((1 + math.sqrt(0.5)) / 2)


@pytest.mark.parametrize(
    ("samples", "drop_last", "steps"),
    [(300, False, 5), (300, True, 4), (256, True, 4), (10, True, 0), (10, False, 1)],
)
def test_steps(samples, drop_last, steps):
    assert Recipe(1, 64, 0.1, drop_last=drop_last).steps(samples) == steps


def test_momentum_zero_is_plain_descent():
    parameter = torch.nn.Linear(1, 1, bias=False)
    parameter.weight.data.fill_(1.0)
    optimizer = Recipe(1, 1, 0.5, momentum=0.0, weight_decay=0.1).optimizer(parameter)
    for _ in range(2):
        parameter.weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert parameter.weight.item() == pytest.approx((1 - 0.5 * 1.1) - 0.5 * (1 + 0.1 * 0.45))
