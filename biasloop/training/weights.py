"""Networks and optimisers as named NumPy arrays, exactly: what is read back has the same bits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.data import Array, Arrays

_BFLOAT16 = ":bfloat16"  # end of the name of an array whose uint16 are the bits of bfloat16, which NumPy lacks


def to_arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Tensors on any device as arrays on the host; one copy of each, so that further training does not change them."""
    arrays: dict[str, Array] = {}
    for name, tensor in tensors.items():
        copy = torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())  # contiguous, whatever it was
        if copy.dtype == torch.bfloat16:
            arrays[name + _BFLOAT16] = copy.view(torch.int16).numpy().view(np.uint16)
        else:
            arrays[name] = copy.numpy()
    return arrays


def to_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """The tensors that `to_arrays` was given, on the host."""
    tensors: dict[str, Tensor] = {}
    for name, array in arrays.items():
        if name.endswith(_BFLOAT16):
            bits = torch.from_numpy(np.array(array, np.uint16).view(np.int16))
            tensors[name.removesuffix(_BFLOAT16)] = bits.view(torch.bfloat16)
        else:
            tensors[name] = torch.from_numpy(np.array(array))
    return tensors


def save_network(network: nn.Module) -> dict[str, Array]:
    """Parameters and buffers by their name in the network."""
    return to_arrays(network.state_dict())


def load_network(network: nn.Module, arrays: Arrays) -> None:
    """Puts saved parameters and buffers into a network of the same shape.

    Raises:
        RuntimeError: if names or shapes differ.
    """
    network.load_state_dict(to_tensors(arrays))


def save_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Array]:
    """State of each parameter as "<parameter>.<name>"; learning rates are the recipe's, not kept."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return to_arrays({
        f"{parameter}.{name}": value
        for parameter, held in state.items()
        for name, value in held.items()
        if isinstance(value, Tensor)
    })  # fmt: skip


def load_optimizer(optimizer: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Puts saved state into an optimiser of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in to_tensors(arrays).items():
        parameter, _, key = name.partition(".")
        state.setdefault(int(parameter), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def prefixed(prefix: str, arrays: Arrays) -> dict[str, Array]:
    """The arrays with "<prefix>." before each name."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def under(prefix: str, arrays: Arrays) -> dict[str, Array]:
    """Those arrays whose name begins with "<prefix>.", without it."""
    return {name.removeprefix(f"{prefix}."): a for name, a in arrays.items() if name.startswith(f"{prefix}.")}
