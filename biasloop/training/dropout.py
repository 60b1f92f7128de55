"""Layers of dropout, and whether a network that was not built yet would have any."""

from collections.abc import Callable

import torch
from torch import nn


def dropout_layers(network: nn.Module) -> list[nn.modules.dropout._DropoutNd]:
    """All of them, those that leave nothing out too."""
    return [module for module in network.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]


def has_dropout(network: nn.Module) -> bool:
    """Whether a layer leaves anything out."""
    return any(layer.p > 0 for layer in dropout_layers(network))


def would_have_dropout(build: Callable[[], nn.Module]) -> bool:
    """Whether the network that is built would; without memory for weights, and the global generator stays as it was."""
    with torch.random.fork_rng([]), torch.device("meta"):
        return has_dropout(build())
