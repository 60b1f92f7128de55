"""Whether a network has dropout is known before it is built."""

import pytest
import torch
from torch import nn

from biasloop.training.dropout import dropout_layers, has_dropout, would_have_dropout


@pytest.mark.parametrize(
    ("layers", "expected"),
    [([nn.Dropout(0.1)], True), ([nn.Dropout2d(0.5)], True), ([nn.Dropout(0.0)], False), ([nn.BatchNorm1d(2)], False)],
)
def test_a_network_has_dropout_where_a_layer_leaves_something_out(layers, expected):
    assert has_dropout(nn.Sequential(nn.Linear(2, 2), *layers)) is expected


def test_layers_that_leave_nothing_out_are_layers_of_dropout():
    assert len(dropout_layers(nn.Sequential(nn.Dropout(0.0), nn.Linear(1, 1), nn.Dropout3d(0.2)))) == 2


def test_nothing_is_allocated_or_drawn_to_find_out():
    before, huge = torch.random.get_rng_state(), 10**7

    def build():
        return nn.Sequential(nn.Linear(huge, huge), nn.Dropout(0.1))

    assert would_have_dropout(build)
    assert torch.equal(torch.random.get_rng_state(), before)
