"""The optimizers that a recipe can name."""

from typing import Any

import torch
from torch import nn

from biasloop.training.recipe import Recipe

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


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
        return torch.optim.SGD(
            parameters,
            lr=rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            weight_decay=decay,
            fused=fused,
        )
    kinds: dict[str, type[torch.optim.Adam | torch.optim.AdamW]]
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[recipe.optimizer](parameters, lr=rate, betas=(0.9, 0.999), weight_decay=decay, fused=fused)


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
