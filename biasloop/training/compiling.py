"""Compiled networks, with a way out."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from biasloop.contract.context import Work

Forward = Callable[[Tensor], Tensor]


def compiled(network: nn.Module, work: Work) -> Forward:
    """The network's forward pass as one compiled program; uncompiled, with a note, where that does not work.

    A compiled network adds up in another order, so its last bits differ. Off by default: on one CPU core, baidunet9 of
    width 8 took a minute and a half to compile and was no faster then; on a GPU it was not measured.

    Args:
        network: shares its parameters and buffers with the compiled one.
        work: told if the network cannot be compiled.
    """
    attempt: Forward | None = cast("Forward", torch.compile(network))

    def forward(inputs: Tensor) -> Tensor:
        nonlocal attempt
        if attempt is not None:
            try:
                return attempt(inputs)
            except Exception as error:  # noqa: BLE001 - of a compiler, anything; the network's own come again below
                attempt = None
                reason = (str(error).strip().splitlines() or [""])[0][:200]
                work.note(f"the network cannot be compiled here, so it is trained as it is ({reason})")
        return cast("Tensor", network(inputs))

    return forward
