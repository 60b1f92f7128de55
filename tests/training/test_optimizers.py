"""Optimizers as recipes name them: which parameters decay, and by how much."""

import sys

import pytest
import torch
from torch import nn

from biasloop.training import optimizers
from biasloop.training.recipe import Recipe


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2), nn.LayerNorm(2))


def decayed(recipe):
    """By parameter, whether an update without any gradient but 0 makes it smaller."""
    trained = network()
    before = {name: parameter.detach().clone() for name, parameter in trained.named_parameters()}
    for parameter in trained.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizers.build(recipe, trained).step()
    return {name for name, parameter in trained.named_parameters() if not torch.equal(parameter, before[name])}


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_normalisation_layers_decay_unless_the_recipe_says_no(kind):
    linear, norms = {"0.weight", "0.bias", "2.weight", "2.bias"}, {"1.weight", "3.weight"}  # their biases are 0
    assert decayed(Recipe(optimizer=kind, weight_decay=0.1)) == linear | norms
    assert decayed(Recipe(optimizer=kind, weight_decay=0.1, decay_norms=False)) == linear
    assert decayed(Recipe(optimizer=kind)) == set()


def test_biases_and_gains_decay_unless_the_recipe_says_no():
    decays = {"0.weight", "2.weight"}
    assert decayed(Recipe(optimizer="adamw", weight_decay=0.1, decay_vectors=False)) == decays


def test_betas_and_epsilon_are_those_of_the_recipe():
    recipe = Recipe(optimizer="adamw", beta1=0.8, beta2=0.98, epsilon=1e-6)
    (settings,) = optimizers.build(recipe, network()).param_groups
    assert (settings["betas"], settings["eps"]) == ((0.8, 0.98), 1e-6)
    (usual,) = optimizers.build(Recipe(optimizer="adam"), network()).param_groups
    assert (usual["betas"], usual["eps"]) == ((0.9, 0.999), 1e-8)


def test_all_parameters_are_updated_once_however_they_decay():
    for decay_norms in (True, False):
        trained = network()
        groups = optimizers.build(Recipe(decay_norms=decay_norms), trained).param_groups
        updated = [id(parameter) for group in groups for parameter in group["params"]]
        assert sorted(updated) == sorted(map(id, trained.parameters()))


def test_a_summed_loss_has_a_smaller_rate_and_a_larger_decay_to_the_same_end():
    settings = {"batch_size": 8, "learning_rate": 0.4, "weight_decay": 0.01}
    (usual,) = optimizers.build(Recipe(**settings), network()).param_groups
    (summed,) = optimizers.build(Recipe(**settings, summed=True), network()).param_groups
    assert (usual["lr"], usual["weight_decay"]) == (0.4, 0.01)
    assert (summed["lr"], summed["weight_decay"]) == (0.05, 0.08)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_updates_are_those_of_torch_to_the_bit(kind):
    settings = {"weight_decay": 0.1, **({"momentum": 0.9, "nesterov": True} if kind == "sgd" else {})}
    trained, expected = network(), network()
    ours = optimizers.build(Recipe(optimizer=kind, learning_rate=0.1, **settings), trained)
    theirs = type(ours).__base__(expected.parameters(), lr=0.1, **settings)
    assert theirs.__module__.startswith("torch.")
    for step in range(3):
        for of in (trained, expected):
            for parameter in of.parameters():
                parameter.grad = torch.full_like(parameter, 0.1 + step)
        ours.step()
        theirs.step()
        ours.zero_grad(set_to_none=True)
        ours.load_state_dict(ours.state_dict())
    assert all(map(torch.equal, trained.parameters(), expected.parameters()))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in trained.parameters())


def test_the_compiler_is_not_imported_for_an_update(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # an import of it raises
    trained = network()
    optimizer = optimizers.build(Recipe(), trained)
    for parameter in trained.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
