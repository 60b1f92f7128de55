"""Values that the published code gives (Wyllie et al. 2024), and the inputs that it was given."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_FILE = Path(__file__).with_name("generators_golden.json")


@cache
def golden() -> dict[str, Any]:
    return json.loads(_FILE.read_text())


def filled(network: nn.Module) -> nn.Module:
    """The network with weights sin(0.37 i + 0.11 k + 0.5): k counts tensors, i their values."""
    norms = {id(module.weight) for module in network.modules() if isinstance(module, nn.BatchNorm2d)}
    for number, parameter in enumerate(network.parameters()):
        wave = np.sin(0.37 * np.arange(parameter.numel()) + 0.11 * number + 0.5)
        if parameter.dim() >= 2:
            wave /= np.sqrt(parameter.numel() / len(parameter))
        else:
            wave = 1 + 0.1 * wave if id(parameter) in norms else 0.1 * wave
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(wave).view(parameter.shape))
    return network


def pictures(side: int, count: int = 2) -> Tensor:
    """`(count, 3, side, side)` in 0 .. 1."""
    wave = 0.5 + 0.5 * np.sin(0.13 * np.arange(count * 3 * side * side) + 0.2)
    return torch.from_numpy(wave.astype(np.float32)).view(count, 3, side, side)


def latents(size: int, count: int = 2) -> Tensor:
    return torch.from_numpy(np.sin(0.7 * np.arange(count * size) + 0.3).astype(np.float32)).view(count, size)
