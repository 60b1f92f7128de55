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
    """The recipe's optimizer over all parameters of a network; "adam" and "adamw" have betas 0.9 and 0.999.

    Args:
        recipe: which, how fast, with which decay.
        network: whose parameters.
        fused: whether one kernel updates all parameters; None leaves torch's choice.
    """
    parameters = list(network.parameters()) if recipe.decay_norms else _groups(network)
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
    return _ADAMS[recipe.optimizer](parameters, lr=rate, betas=(0.9, 0.999), weight_decay=decay, fused=fused)


def _groups(network: nn.Module) -> list[dict[str, Any]]:
    """Parameters of normalisation layers, which do not decay, behind all others."""
    norms = [
        parameter
        for module in network.modules()
        if isinstance(module, _NORMS)
        for parameter in module.parameters(recurse=False)
    ]
    without_decay = {id(parameter) for parameter in norms}
    others = [parameter for parameter in network.parameters() if id(parameter) not in without_decay]
    return [{"params": others}, *([{"params": norms, "weight_decay": 0.0}] if norms else [])]
