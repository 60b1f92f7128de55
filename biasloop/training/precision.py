"""In which numbers a network computes: float32, half as many bits with float32 master weights, or without them."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.data import Arrays

Name = Literal["auto", "float32", "bfloat16", "float16", "pure-float16", "float16-inputs"]
_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "pure-float16": torch.float16,
    "float16-inputs": torch.float32,
}


@dataclass(frozen=True)
class Precision:
    """Mixed precision of training (Micikevicius et al. 2018).

    Weights, their updates, batch statistics and the loss are float32 always. In bfloat16 and float16,
    convolutions and matrix products are computed from copies of the weights with fewer bits.

    Attributes:
        dtype: torch.float32, torch.bfloat16 or torch.float16.
        device: what is computed on.
        pure: whether weights, momentum, inputs, the loss and predictions have this dtype too, and nothing is scaled;
            normalisation layers keep float32 weights and statistics.
        rounded: whether inputs are rounded to float16 before they are computed with.
    """

    dtype: torch.dtype
    device: torch.device
    pure: bool = False
    rounded: bool = False

    @property
    def scaled(self) -> bool:
        """Whether gradients would vanish without a factor on the loss: in float16 with float32 weights alone."""
        return self.dtype == torch.float16 and not self.pure

    def casting(self) -> AbstractContextManager[object]:
        """Inside, a network computes in this precision."""
        if self.dtype == torch.float32 or self.pure:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def network(self, network: nn.Module) -> nn.Module:
        """A network with weights of this precision: changed in place where it is pure, else as it is."""
        if self.pure:
            network.to(self.dtype)
            for module in network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.float()
        return network

    def inputs(self, inputs: Tensor) -> Tensor:
        """Inputs of a network, in training and in evaluation: as they are unless this precision is pure or rounds."""
        if self.rounded:
            return inputs.half().to(inputs.dtype)
        return inputs.to(self.dtype) if self.pure else inputs

    def logits(self, logits: Tensor) -> Tensor:
        """Logits as the loss takes them: float32, unless this precision is pure."""
        return logits if self.pure else logits.float()

    def scaler(self) -> torch.amp.GradScaler:
        """What keeps float16 gradients above 0; does nothing in another precision."""
        return torch.amp.GradScaler(self.device.type, enabled=self.scaled)


def precision(name: Name, device: torch.device) -> Precision:
    """The precision of that name.

    Args:
        name: "auto" is float32 on CPUs and bfloat16 on GPUs, float16 on those that lack bfloat16; "pure-float16" is
            float16 without float32 weights and without scaling, "float16-inputs" float32 on inputs rounded to float16.
        device: what is computed on.
    """
    if name == "auto":
        name = "float32"
        if device.type == "cuda":
            with torch.cuda.device(device):
                name = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return Precision(_DTYPES[name], device, pure=name == "pure-float16", rounded=name == "float16-inputs")


def save_scaler(scaler: torch.amp.GradScaler) -> Arrays:
    """What changes in a scaler while training; nothing of one that does nothing."""
    held = scaler.state_dict()
    return {name: np.array(held[name]) for name in ("scale", "_growth_tracker") if name in held}


def load_scaler(scaler: torch.amp.GradScaler, arrays: Arrays) -> None:
    """Puts saved state back."""
    if arrays:
        scaler.load_state_dict(scaler.state_dict() | {name: array.item() for name, array in arrays.items()})
