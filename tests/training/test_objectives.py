"""What of weighted samples is differentiated, and what of them a curve tells."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from biasloop.training.objectives import CrossEntropy
from biasloop.training.precision import Precision
from biasloop.training.sources import Batch

FLOAT32 = Precision(torch.float32, torch.device("cpu"))
WEIGHTS = torch.tensor([2.0, 0.0, 0.5, 1.5, 3.0])


@pytest.fixture
def network():
    torch.manual_seed(3)
    return nn.Linear(4, 3)


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(4)
    return Batch(torch.rand(5, 4, generator=draws), torch.tensor([0, 2, 1, 1, 0]), weights=WEIGHTS)


@pytest.mark.parametrize("full", [5, 8])
def test_a_summed_loss_is_the_mean_times_a_full_batch_with_weights_and_of_a_short_batch_too(network, batch, full):
    for samples in (batch, replace(batch, weights=None)):
        mean, _ = CrossEntropy(FLOAT32).value(network, samples)
        summed, _ = CrossEntropy(FLOAT32, full=full).value(network, samples)
        assert float(summed.detach()) == pytest.approx(full * float(mean.detach()), rel=1e-6)


def test_weights_count_as_the_objective_says(network, batch):
    losses = CrossEntropy(FLOAT32).losses(network, batch).detach()
    total = float((losses * WEIGHTS).sum())
    assert float(CrossEntropy(FLOAT32).value(network, batch)[0].detach()) == pytest.approx(total / 5)
    normalised = CrossEntropy(FLOAT32, "normalised").value(network, batch)[0].detach()
    assert float(normalised) == pytest.approx(total / 7)


@pytest.mark.parametrize("objective", [CrossEntropy(FLOAT32), CrossEntropy(FLOAT32, "normalised")])
def test_a_curve_tells_weighted_losses_and_unweighted_right_answers(network, batch, objective):
    losses = objective.losses(network, batch).detach()
    with torch.no_grad():
        right = (network(batch.inputs).argmax(1) == batch.targets).sum()
    _, told = objective.value(network, batch)
    assert told.tolist() == pytest.approx([float((losses * WEIGHTS).sum()), float(right)])
    assert objective.count(batch) == 5
