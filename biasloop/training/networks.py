"""Image classifiers that plugins share."""

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.errors import InvalidInput
from biasloop.training import torchvision


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs)]


class SmallCNN(nn.Module):
    """Three 3x3 convolutions of stride 2, batch normalisation, global average, linear head.

    Made for CPUs: no convolution runs at full resolution.

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of any size.
        width: channels of the first convolution; doubled by each further one.
    """

    smallest: ClassVar[int] = 1  # height and width that it takes, in pixels

    def __init__(self, classes: int, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [*_convolution(inputs, outputs, stride=2), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits


class _Pointwise(nn.Conv2d):
    """A 1x1 convolution of every `step`-th row and column.

    The rows and columns are taken before it. As the stride of the convolution itself, oneDNN 3.x writes outside its
    memory in the backward pass on CPUs with AVX-512 (fewer than 16 input channels, channels last, a batch that the
    threads do not divide): a crash, or silently wrong gradients.
    """

    def __init__(self, inputs: int, outputs: int, step: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, :: self.step, :: self.step])


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, figure 5 left)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_convolution(inputs, outputs, stride), nn.ReLU(inplace=True), *_convolution(outputs, outputs)
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Sequential(*([] if same else [_Pointwise(inputs, outputs, stride), nn.BatchNorm2d(outputs)]))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + self.shortcut(x), inplace=True)


def _stages(width: int, stages: int, blocks: int) -> Iterator[nn.Module]:
    """Blocks of all stages; every stage but the first halves height and width and doubles the channels."""
    inputs = width
    for stage in range(stages):
        outputs = width * 2**stage
        yield _BasicBlock(inputs, outputs, 1 if stage == 0 else 2)
        for _ in range(1, blocks):
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

    smallest: ClassVar[int] = 1

    def __init__(self, classes: int, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(channels, width), nn.ReLU(inplace=True))
        self.stages = nn.Sequential(*_stages(width, stages=4, blocks=2))
        self.head = nn.Linear(8 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        logits: Tensor = self.head(self.stages(self.stem(images)).mean((2, 3)))
        return logits


class FashionResNet(nn.Module):
    """Three stages of basic blocks behind a 3x3 stem of stride 1, made for images of 28x28.

    As in the code of the study of bias amplification (Hall et al. 2022): 2,774,466 parameters at width 64 with 2
    classes and 1 channel. Convolutions begin with normal weights of the spread that keeps gradients (He et al. 2015).

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of any size.
        width: channels of the first stage; 64 is the published network.
        blocks: basic blocks of each stage.
    """

    smallest: ClassVar[int] = 1

    def __init__(self, classes: int, channels: int = 1, width: int = 64, blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(channels, width), nn.ReLU(inplace=True))
        self.stages = nn.Sequential(*_stages(width, stages=3, blocks=blocks))
        self.head = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        logits: Tensor = self.head(self.stages(self.stem(images)).mean((2, 3)))
        return logits


class CifarResNet(FashionResNet):
    """The residual network for CIFAR of depth 6n + 2 (He et al. 2016, section 4.2; with 1x1 shortcuts).

    As in the code of the study of bias amplification: each block begins as its shortcut alone (the scale of its last
    batch normalisation is 0); 1,730,194 parameters at depth 110 and width 16 with 2 classes and 3 channels.

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of any size.
        width: channels of the first stage; 16 is the published network.
        depth: layers with weights, 8, 14, 20, ...
    """

    def __init__(self, classes: int, channels: int = 3, width: int = 16, depth: int = 20) -> None:
        super().__init__(classes, channels, width, (depth - 2) // 6)
        for block in self.stages:
            nn.init.zeros_(cast("nn.BatchNorm2d", cast("_BasicBlock", block).branch[-1]).weight)


class _Residual(nn.Module):
    """An input plus two convolutions of it, each with batch normalisation and ReLU; no ReLU after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [*_convolution(channels, channels), nn.ReLU(inplace=True)]
        self.branch = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast("Tensor", self.branch(x))


class BaiduNet9(nn.Module):
    """A residual network of nine layers, made for fast training on CIFAR-10 (B. Li, Baidu; DAWNBench 2019).

    As in the code of Taori & Hashimoto 2022: 2,440,256 parameters at width 64 with 10 classes and 3 channels.

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of 8x8 or more.
        width: channels of the first convolution; 64 is the published network.
    """

    smallest: ClassVar[int] = 8

    def __init__(self, classes: int, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_convolution(channels, width), nn.ReLU(inplace=True)]
        for inputs, outputs in pairwise((width, 2 * width, 4 * width)):
            layers += [*_convolution(inputs, outputs), nn.ReLU(inplace=True), nn.MaxPool2d(2), _Residual(outputs)]
        layers += [*_convolution(4 * width, 4 * width), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(4 * width, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        found: Tensor = self.features(images)
        # Over the whole of what is left: 4x4 of images of 32x32.
        highest = functional.max_pool2d(found, (found.shape[2], found.shape[3])).flatten(1)
        logits: Tensor = self.head(highest)
        return 0.2 * logits


class ReducrCNN(nn.Module):
    """Three 3x3 convolutions without padding, each followed by a pool, and three linear layers.

    The small network for irreducible losses in the code of REDUCR (Bankes et al. 2024): 537,610 parameters at width 64
    with 10 classes and 3 channels.

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of 22x22 or more; what is left of sizes other than 32x32 is
            averaged to 2x2.
        width: channels of the first convolution; 64 is the published network.
    """

    smallest: ClassVar[int] = 22

    def __init__(self, classes: int, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((channels, width, 2 * width, 4 * width)):
            layers += [nn.Conv2d(inputs, outputs, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2))
        self.head = _linear(16 * width, 2 * width, 4 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        logits: Tensor = self.head(self.features(images).flatten(1))
        return logits


class MLP(nn.Module):
    """Three hidden layers over all pixels, of 28x28 or averaged to that.

    As in the code of REDUCR (Bankes et al. 2024): 932,362 parameters at width 512 with 10 classes and 1 channel.

    Args:
        classes: number of outputs.
        channels: of the input, `(B, channels, H, W)` of any size.
        width: of the hidden layers; 512 is the published network.
    """

    smallest: ClassVar[int] = 1
    side: ClassVar[int] = 28

    def __init__(self, classes: int, channels: int = 1, width: int = 512) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(self.side)
        self.head = _linear(channels * self.side**2, width, width, width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, channels, H, W)` to logits `(B, classes)`."""
        logits: Tensor = self.head(self.pool(images).flatten(1))
        return logits


def _linear(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.ReLU(inplace=True), nn.Linear(inputs, outputs)]
    return nn.Sequential(*layers[1:])


Kind = (
    type[SmallCNN] | type[ResNet18] | type[BaiduNet9] | type[FashionResNet] | type[CifarResNet] | type[ReducrCNN]
    | type[MLP]
)  # fmt: skip
NETWORKS: dict[str, Kind] = {
    "small-cnn": SmallCNN,
    "resnet18": ResNet18,
    "baidunet9": BaiduNet9,
    "fashion-resnet": FashionResNet,
    "cifar-resnet": CifarResNet,
    "reducr-cnn": ReducrCNN,
    "mlp": MLP,
}


def build(name: str, classes: int, channels: int, width: int, depth: int | None = None) -> nn.Module:
    """A new network with weights from torch's global generator, channels last (faster on CPUs and on GPUs).

    Args:
        name: a key of `NETWORKS`, or a classification network of torchvision, perhaps behind "torchvision-".
        classes: number of outputs.
        channels: of the input; torchvision's have 3.
        width: channels of the first layer; torchvision's have widths of their own.
        depth: of a cifar-resnet; None for its default, and for all others.

    Raises:
        InvalidInput: if no network has that name (says the nearest), or it has no such depth.
    """
    _check_depth(name, depth)
    kind = NETWORKS.get(name)
    if kind is None:
        network = torchvision.build(name, classes, tuple(NETWORKS))
    elif issubclass(kind, CifarResNet):
        network = kind(classes, channels, width, 20 if depth is None else depth)
    else:
        network = kind(classes, channels, width)
    return network.to(memory_format=torch.channels_last)


def check(name: str, classes: int, shape: tuple[int, int, int], width: int, depth: int | None = None) -> None:
    """Whether a network takes images of that shape.

    A network of torchvision is tried on two black images; torch's global generator is as before afterwards.

    Args:
        name: as for `build`.
        classes: number of outputs.
        shape: height, width and channels of the images.
        width: as for `build`.
        depth: as for `build`.

    Raises:
        InvalidInput: if no network has that name or that depth, or images of that shape are not for it.
    """
    height, wide, channels = shape
    pixels = f"network {name!r} cannot take images of {height}x{wide} pixels"
    _check_depth(name, depth)
    own = NETWORKS.get(name)
    if own is not None:
        if min(height, wide) < own.smallest:
            raise InvalidInput(f"{pixels}; use images of at least {own.smallest}x{own.smallest}, or another network")
        return
    with torch.random.fork_rng([]), torch.inference_mode():
        network = build(name, classes, channels, width).eval()
        if channels != 3:
            raise InvalidInput(
                f"network {name!r} takes images with 3 channels, and these have {channels}; "
                f"use one of {', '.join(NETWORKS)}, or set domain.shape = [{height}, {wide}, 3]"
            )
        try:
            network(torch.zeros(2, channels, height, wide))
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise InvalidInput(f"{pixels} ({reason}); use another network, or set a larger domain.shape") from error


def _check_depth(name: str, depth: int | None) -> None:
    if depth is None:
        return
    if NETWORKS.get(name) is not CifarResNet:
        raise InvalidInput(f"domain.depth is for network 'cifar-resnet'; leave it out for network {name!r}")
    if depth < 8 or depth % 6 != 2:
        raise InvalidInput(f"domain.depth is {depth}; a cifar-resnet has a depth of 8, 14, 20, ... (6n + 2)")
