import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biasloop.training.optimizers import build
from biasloop.training.recipe import Recipe
from biasloop.training.schedule import cosine, piecewise_linear
from biasloop_images.recipes import _STEPS, epochs_of, unrounded_epochs

PUBLISHED_RATES = pytest.mark.parametrize(
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


@PUBLISHED_RATES
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
    st.sampled_from(["triangle", "cosine", "constant", "plateau"]),
    st.floats(0, 1),
    st.integers(1, 200),
)
def test_rates_are_positive_and_never_above_the_highest(schedule, warm_up, total):
    recipe = Recipe(1, 1, 0.3, schedule=schedule, warm_up=warm_up)
    rates = [recipe.rate(step, total) for step in range(1, total + 1)]
    assert all(0 < rate <= 0.3 for rate in rates)
    rising = round(warm_up * total)
    if schedule in ("cosine", "constant") or (schedule == "triangle" and rising):
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
    optimizer = build(Recipe(1, 1, 0.5, momentum=0.0, weight_decay=0.1), parameter)
    for _ in range(2):
        parameter.weight.grad = torch.ones(1, 1)
        optimizer.step()
    assert parameter.weight.item() == pytest.approx((1 - 0.5 * 1.1) - 0.5 * (1 + 0.1 * 0.45))


@PUBLISHED_RATES
def test_recipe_of_baidunet9_gives_published_rates(step, rate):
    recipe = Recipe(
        epochs_of("by-size", 20_000), 512, 0.4, schedule="triangle", warm_up=0.2, whole_epochs=True, drop_last=True
    )
    steps = recipe.steps(20_000)
    assert (recipe.epochs, steps) == (62, 39)
    assert recipe.rate(step, 62 * steps) == pytest.approx(rate, rel=1e-12)


def test_underfitted_recipe_gives_published_rates():
    recipe, steps = Recipe(5, 512, 0.1, schedule="plateau", drop_last=True), 97
    knots = (0, 3 * steps, 4 * steps, 5 * steps)
    for step in range(1, 5 * steps + 1):
        published = piecewise_linear(step, knots, (0.1, 0.1, 0.01, 0.001))
        assert recipe.rate(step, 5 * steps) == pytest.approx(published, rel=1e-12)


@pytest.mark.parametrize(("warm_up", "epochs", "whole"), [(0.2, 62, 12), (0.29, 100, 29), (0.3, 10, 3), (0.1, 5, 0)])
def test_a_warm_up_of_whole_epochs(warm_up, epochs, whole):
    recipe, steps = Recipe(epochs, 8, 0.4, schedule="triangle", warm_up=warm_up, whole_epochs=True), 7
    rates = [recipe.rate(step, epochs * steps) for step in range(1, epochs * steps + 1)]
    assert rates.index(max(rates)) == max(whole * steps - 1, 0)


@pytest.mark.parametrize(
    ("samples", "epochs"),
    [
        (1, 62), (20_000, 62), (25_000, 60), (30_000, 58), (35_000, 56), (40_000, 54), (45_000, 52), (50_000, 50),
        (55_000, 48), (75_000, 43), (100_000, 37), (200_000, 36), (495_000, 32), (1_000_000, 25), (5_000_000, 25),
    ],
)  # fmt: skip
def test_epochs_by_size_are_the_published_ones(samples, epochs):
    assert epochs_of("by-size", samples) == epochs
    assert epochs_of("by-size-doubled", samples) == 2 * epochs
    assert epochs_of(7, samples) == 7


@given(st.integers(1, 1_200_000))
def test_epochs_by_size_agree_with_rounded_arithmetic(samples):
    bends = (0, 20_000, 50_000, 100_000, 1_000_000)
    assert epochs_of("by-size", samples) == int(2.5 * piecewise_linear(samples, bends, (25, 25, 20, 15, 10)))


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("scaled_decay", [True, False])
def test_published_summed_loss_is_the_mean_loss_with_other_settings(nesterov, scaled_decay):
    """Sum of losses, learning rate / B and weight decay * B equal the mean; decay as it is equals decay / B."""
    size, decay = 16, 0.05
    draws = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(5, size, 6, generator=draws), torch.randint(0, 3, (5, size), generator=draws)
    summed, mean = torch.nn.Linear(6, 3).double(), torch.nn.Linear(6, 3).double()
    mean.load_state_dict(summed.state_dict())
    settings = {"momentum": 0.9, "nesterov": nesterov}
    theirs = torch.optim.SGD(
        summed.parameters(), lr=0.4 / size, weight_decay=decay * size if scaled_decay else decay, **settings
    )
    ours = build(Recipe(1, size, 0.4, weight_decay=decay if scaled_decay else decay / size, **settings), mean)
    for x, y in zip(inputs.double(), labels, strict=True):
        for network, optimizer, reduction in ((summed, theirs, "sum"), (mean, ours, "mean")):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(x), y, reduction=reduction).backward()
            optimizer.step()
    torch.testing.assert_close(summed.weight, mean.weight, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(summed.bias, mean.bias, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("samples", "epochs", "ends"),
    [  # epochs and milestones of the released code of Hall et al. 2022, by training size
        (5_000, 5000, (10, 2500, 3750)),
        (10_000, 2500, (5, 1250, 1875)),
        (15_000, 1667, (3, 833, 1250)),
        (20_000, 1250, (2, 625, 938)),
        (25_000, 1000, (2, 500, 750)),
        (30_000, 833, (2, 417, 625)),
        (35_000, 714, (1, 357, 536)),
        (40_000, 625, (1, 312, 469)),
        (45_000, 556, (1, 278, 417)),
        (50_000, 500, (1, 250, 375)),
    ],
)
def test_steps_change_at_the_published_epochs(samples, epochs, ends):
    assert epochs_of(500, samples, 50_000) == epochs
    unrounded = unrounded_epochs(500, samples, 50_000)
    recipe = Recipe(epochs, 128, 0.1, schedule="steps", changes=_STEPS, whole_epochs=True, unrounded=unrounded)
    total = recipe.steps(samples) * epochs
    rates = [recipe.rate(recipe.steps(samples) * epoch + 1, total) for epoch in range(epochs)]
    expected = [0.01] * ends[0] + [0.1] * (ends[1] - ends[0]) + [0.01] * (ends[2] - ends[1])
    expected += [0.001] * (epochs - ends[2])
    assert rates == pytest.approx(expected)


def test_steps_of_a_short_run_end_between_epochs():
    recipe = Recipe(3, 10, 1.0, schedule="steps", changes=_STEPS)
    rates = [recipe.rate(step, 30) for step in range(1, 31)]
    assert rates == [1.0] * 15 + [0.1] * 7 + [0.01] * 8  # a 500th of 30 steps is no step


def test_epochs_for_keeps_the_number_of_samples_seen():
    assert epochs_of(10, 500, 1000) == 20
    assert epochs_of(1, 10_000, 1000) == 1  # never none
    assert epochs_of("by-size", 20_000, 50_000) == 62


def test_norms_decay_only_if_asked_to():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 2))
    every, some = (build(Recipe(1, 1, 0.1, weight_decay=0.5, decay_norms=norms), network) for norms in (True, False))
    assert [(len(group["params"]), group["weight_decay"]) for group in every.param_groups] == [(6, 0.5)]
    found = {id(p): group["weight_decay"] for group in some.param_groups for p in group["params"]}
    assert [found[id(p)] for p in network.parameters()] == [0.5, 0.5, 0.0, 0.0, 0.5, 0.5]
