"""Image classifiers that plugins share."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


def _convolution(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class SmallCNN(nn.Module):
    """Three 3x3 convolutions of stride 2, batch normalisation, global average, linear head.

    Made for CPUs: no convolution runs at full resolution.

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of any size.
        width: channels of the first convolution; doubled by each further one.
    """

    def __init__(self, classes: int, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [*_convolution(inputs, outputs, stride=2), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, figure 5 left)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(*_convolution(inputs, outputs, stride), nn.ReLU(), *_convolution(outputs, outputs))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Sequential(*([] if same else _convolution(inputs, outputs, stride, size=1)))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + self.shortcut(x))


def _stages(width: int) -> Iterator[nn.Module]:
    inputs = width
    for stage, stride in enumerate((1, 2, 2, 2)):
        outputs = width * 2**stage
        yield _BasicBlock(inputs, outputs, stride)
        yield _BasicBlock(outputs, outputs, 1)
        inputs = outputs


class ResNet18(nn.Module):
    """ResNet-18 for small images, with a 3x3 stem of stride 1 and no pooling (He et al. 2016).

    11,173,962 parameters at width 64 with 10 classes and 3 channels.

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of any size.
        width: channels of the first stage; 64 is the published network.
    """

    def __init__(self, classes: int, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(channels, width), nn.ReLU())
        self.stages = nn.Sequential(*_stages(width))
        self.head = nn.Linear(8 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        logits: Tensor = self.head(self.stages(self.stem(images)).mean((2, 3)))
        return logits


NETWORKS: dict[str, type[SmallCNN] | type[ResNet18]] = {"small-cnn": SmallCNN, "resnet18": ResNet18}


def build(name: str, classes: int, channels: int, width: int) -> nn.Module:
    """A new network with weights from torch's global generator, channels last (faster on CPUs and on GPUs).

    Args:
        name: a key of `NETWORKS`.
        classes: number of outputs.
        channels: of the input.
        width: channels of the first layer.
    """
    return NETWORKS[name](classes, channels, width).to(memory_format=torch.channels_last)
