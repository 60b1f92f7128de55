"""What the published code does otherwise (Taori & Hashimoto 2022; numbers also of Hall et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from biasloop_images.config import Config

Numbers = Literal["pure-float16", "float16-inputs", "float32"]
RELEASED_NUMBERS: Mapping[str, Numbers] = MappingProxyType({
    "baidunet9": "pure-float16", "resnet18": "float16-inputs", "cifar-resnet": "float32", "fashion-resnet": "float32",
})  # fmt: skip
"""Number format by the name of the network."""
UNDERFIT: Mapping[str, Mapping[str, object]] = MappingProxyType({
    "baidunet9": {"epochs": 5, "learning_rate": 0.1, "schedule": "plateau", "warm_up": 0.0},
    "resnet18": {"epochs": 5, "learning_rate": 0.1, "schedule": "cosine", "warm_up": 0.0},
})  # fmt: skip
"""What the switch of the released code for an underfitted model stands for, by the name of the network."""
SUMMED = ("baidunet9", "resnet18")  # whose loss is the sum over a batch


def released_weight_decay(config: Config) -> float:
    """Weight decay relative to the mean loss of a batch.

    The published loss is the sum over a batch. The weight decay of baidunet9 is scaled to that, the one of
    resnet18 is not, so relative to the mean it is divided by the batch size. That study trains with SGD alone.
    """
    divided = config.network == "resnet18" and config.optimizer in {None, "sgd"}
    return config.weight_decay / (config.batch_size if divided else 1)
