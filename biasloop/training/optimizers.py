"""The optimizers that a recipe can name."""

import inspect
from typing import Any, TypeVar

import torch
from torch import nn

from biasloop.training.recipe import Recipe

_O = TypeVar("_O", bound=torch.optim.Optimizer)
_PREPARED = ("step", "zero_grad", "add_param_group", "state_dict", "load_state_dict")
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


def _eager(kind: type[_O]) -> type[_O]:
    """The same optimizer without what readies methods for `torch.compile`: that imports the compiler for seconds."""
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _PREPARED}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), methods)


_SGD = _eager(torch.optim.SGD)
_ADAMS = {"adam": _eager(torch.optim.Adam), "adamw": _eager(torch.optim.AdamW)}


def build(recipe: Recipe, network: nn.Module, *, fused: bool | None = None) -> torch.optim.Optimizer:
    """The recipe's optimizer over all parameters of a network.

    Args:
        recipe: which, how fast, with which decay.
        network: whose parameters.
        fused: whether one kernel updates all parameters; None leaves torch's choice.
    """
    all_decay = recipe.decay_norms and recipe.decay_vectors
    parameters = list(network.parameters()) if all_decay else _groups(network, recipe)
    rate, decay = recipe.learning_rate / recipe.factor, recipe.weight_decay * recipe.factor
    if recipe.optimizer == "sgd":
        return _SGD(
            parameters,
            lr=rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            weight_decay=decay,
            fused=fused,
        )
    betas, epsilon = (recipe.beta1, recipe.beta2), recipe.epsilon
    kind = _ADAMS[recipe.optimizer]
    return kind(parameters, lr=rate, betas=betas, eps=epsilon, weight_decay=decay, fused=fused)


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters that do not decay behind all others."""
    without_decay = {
        id(parameter): parameter
        for module in network.modules()
        for parameter in module.parameters(recurse=False)
        if (not recipe.decay_norms and isinstance(module, _NORMS)) or (not recipe.decay_vectors and parameter.ndim < 2)
    }
    others = [parameter for parameter in network.parameters() if id(parameter) not in without_decay]
    exempt = [*without_decay.values()]
    return [{"params": others}, *([{"params": exempt, "weight_decay": 0.0}] if exempt else [])]
