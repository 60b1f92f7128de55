"""Networks with several heads as arrays, and what each head loses."""

import numpy as np
import pytest
import torch
from torch import nn

from biasloop.contract.labels import cross_entropy
from biasloop.errors import InvalidInput
from biasloop.training import heads
from biasloop.training.heads import Headed


def test_losses_are_of_a_slice_of_the_logits_each():
    logits = np.random.default_rng(0).normal(size=(5, 6))
    target = np.array([0, 1, 2, 0, 1])
    losses = heads.losses(logits, 2, target)
    assert losses.shape == (2, 5)
    for head in range(2):
        assert np.array_equal(losses[head], cross_entropy(logits[:, 3 * head : 3 * head + 3], target))
    with pytest.raises(InvalidInput, match="a class from 0 to 2"):
        heads.losses(logits, 2, target + 1)


def test_a_network_is_saved_with_the_number_of_its_heads():
    network = nn.Linear(2, 6)
    arrays = heads.save(Headed(network, 3))
    named, count = heads.saved(arrays)
    assert count == 3
    assert {name: torch.from_numpy(array) for name, array in named.items()}.keys() == network.state_dict().keys()
    assert np.array_equal(named["weight"], network.weight.detach().numpy())
