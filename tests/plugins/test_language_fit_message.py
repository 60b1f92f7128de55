"""A fit as a message: whoever receives it fits the same."""

import json

import numpy as np
import pytest
import torch
from support import several
from support.fits import tuned

from biasloop.contract.randomness import Streams
from biasloop.training.distributed import Message
from biasloop_language import fit_message, networks

RECIPE = tuned(2, 3, 2, 1e-2, warm_up=0.1, changes=((0.5, 1.0), (1.0, 0.1)), by_length=True)
STREAMS = Streams((3, "round", 1, "fit"))


@pytest.fixture(scope="module")
def model():
    return several.network()


def sent(model, **settings):
    """A message as it arrives: the header as JSON."""
    message = fit_message.packed(model, several.rows(7), RECIPE, STREAMS, networks.save(model), **settings)
    return Message(json.loads(json.dumps(message.header)), message.arrays)


def test_rows_recipe_and_streams_arrive(model):
    message, rows = sent(model), several.rows(7)
    for name in ("prompts", "continuations"):
        ours, theirs = getattr(rows, name), getattr(fit_message.rows(message), name)
        assert np.array_equal(ours.values, theirs.values)
        assert np.array_equal(ours.offsets, theirs.offsets)
    assert fit_message.recipe(message) == RECIPE
    assert fit_message.streams(message) == STREAMS


@pytest.mark.parametrize("released", [False, True])
def test_whether_updates_are_as_released_arrives(model, released):
    assert fit_message.released(sent(model, released=released)) is released


def test_weights_arrive_where_there_are_some(model):
    weights = np.linspace(0.5, 2, 7)
    assert fit_message.weights(sent(model)) is None
    assert np.array_equal(fit_message.weights(sent(model, weights=weights)), weights)


def test_a_network_of_the_same_shape_and_the_state_arrive_and_no_noise_is_drawn(model):
    message, before = sent(model), torch.get_rng_state()
    received = fit_message.network(message)
    assert torch.equal(torch.get_rng_state(), before)
    networks.load(received, fit_message.state(message))
    ours, theirs = model.state_dict(), received.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
