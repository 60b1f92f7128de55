"""Networks that give the potentials of situations: published residual networks, and a small one for CPUs.

Each gives `(n, verbs)` potentials of verbs and `(n, slots)` of the nouns of all roles, in the order of the
vocabulary's slots.
"""

from collections import OrderedDict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from biasloop.contract.data import Floats, Ints
from biasloop.datasets.weights import RESNET18, RESNET34, RESNET50, RESNET101
from biasloop.training import imagenet, torchvision
from biasloop_roles.situations import Vocabulary

CAPACITIES = (45, 70, 100, 160, 339)
"""Sizes to which the published code pads the slots of a pair; each pair has the first that holds its slots."""
RESNETS = {"resnet18": RESNET18, "resnet34": RESNET34, "resnet50": RESNET50, "resnet101": RESNET101}
"""Residual networks of torchvision, each with the published weights that it can begin with."""
HIDDEN = 1024
"""Features that the published potentials are linear in."""


class Potentials(nn.Module):
    """Potentials that are linear in features: no column of them is padding.

    Begins as published: uniform in (-s, s), biases too, with s = 2 / sqrt(inputs + outputs), where the outputs of a
    slot are those of the padded group that the published code has it in.

    Args:
        features: their number.
        vocabulary: the situations.
    """

    def __init__(self, features: int, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.verbs = linear(features, len(vocabulary.verbs))
        self.slots = linear(features, len(vocabulary.slot_pair), group_outputs(vocabulary)[vocabulary.slot_pair])

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """`(n, features)` to potentials `(n, verbs)` and `(n, slots)`, the latter stored slot by slot."""
        slots = torch.addmm(self.slots.bias[:, None], self.slots.weight, features.T)  # (slots, n)
        return self.verbs(features), slots.T


class RoleNetwork(nn.Module):
    """Features of pictures, and potentials of them.

    Args:
        features: `(n, 3, H, W)` to `(n, size)`.
        size: number of features.
        vocabulary: the situations.
    """

    def __init__(self, features: nn.Module, size: int, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.features = features
        self.potentials = Potentials(size, vocabulary)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """`(n, 3, H, W)` to potentials `(n, verbs)` and `(n, slots)`."""
        potentials: tuple[Tensor, Tensor] = self.potentials(self.features(pictures))
        return potentials


def resnet(
    name: str, vocabulary: Vocabulary, side: int = 224, hidden: int = HIDDEN, data: Path | None = None
) -> RoleNetwork:
    """A residual network as published, with weights from torch's global generator, channels last.

    Args:
        name: one of `RESNETS`, torchvision's (its last layer is left out).
        vocabulary: the situations.
        side: height and width of pictures; the published 224 leave 7x7 cells.
        hidden: features that potentials are linear in.
        data: the data directory, with the published weights that residual layers begin with; None for random ones.

    Raises:
        SomethingToFetch: the weights are not there.
        DownloadError: they do not read, or are of another network.
    """
    classifier = torchvision.build(name, 1)
    if data is not None:
        weights = RESNETS[name]
        imagenet.load(classifier, weights.require(data) / weights.remotes[0].filename, weights.mend)
    channels = cast("nn.Linear", classifier.fc).in_features
    residual = OrderedDict(layer for layer in classifier.named_children() if layer[0] not in {"avgpool", "fc"})
    cells = (-(-side // 32)) ** 2
    features = nn.Sequential(
        nn.Sequential(residual),  # (n, channels, H / 32, W / 32)
        nn.Dropout2d(0.5),
        nn.Flatten(),
        linear(cells * channels, hidden),
        nn.LeakyReLU(0.01),
        nn.Dropout(0.5),
    )
    return RoleNetwork(features, hidden, vocabulary).to(memory_format=torch.channels_last)


def small(vocabulary: Vocabulary, width: int = 10) -> RoleNetwork:
    """Four convolutions with maxima between them and the highest of each channel at the end; for pictures of 16x16 up.

    With batch normalisation, without which it names a tenth of the verbs less in the same few epochs.

    Args:
        vocabulary: the situations.
        width: channels of the first convolution, 10 at about 32x32; doubled by the next two.
    """
    layers = [*_convolution(3, width, side=4, stride=2), nn.MaxPool2d(2)]
    for inputs in (width, 2 * width):
        layers += [*_convolution(inputs, 2 * inputs), nn.MaxPool2d(2)]
    layers += [*_convolution(4 * width, 4 * width), Highest()]
    network = RoleNetwork(nn.Sequential(*layers), 4 * width, vocabulary)
    return network.to(memory_format=torch.channels_last)


def _convolution(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, side, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class Highest(nn.Module):
    """The highest value of each channel, `(n, channels, H, W)` to `(n, channels)`."""

    def forward(self, x: Tensor) -> Tensor:
        """Over height and width."""
        return x.amax((2, 3))


def linear(inputs: int, outputs: int, fans: Ints | None = None) -> nn.Linear:
    """A linear layer whose weights and biases begin uniform in (-s, s), s = 2 / sqrt(inputs + outputs).

    Args:
        inputs: features.
        outputs: rows of the weights.
        fans: `(outputs,)` what counts as outputs for each row; None for their number.
    """
    # Neither `skip_init` nor "meta", which import a compiler for seconds: 120 M numbers are drawn once without, too.
    layer = nn.Linear(1, 1)
    layer.in_features, layer.out_features = inputs, outputs
    layer.weight, layer.bias = nn.Parameter(torch.empty(outputs, inputs)), nn.Parameter(torch.empty(outputs))
    bounds: Floats = 2 / np.sqrt(inputs + (np.full(outputs, outputs) if fans is None else fans))
    bound = torch.from_numpy(bounds).to(layer.weight)  # (outputs,)
    with torch.no_grad():
        layer.weight.uniform_(-1, 1).mul_(bound[:, None])
        layer.bias.uniform_(-1, 1).mul_(bound)
    return layer


def group_outputs(vocabulary: Vocabulary) -> Ints:
    """`(pairs,)` the padded slots of the published group that each pair is in.

    A pair of more slots than any published group holds makes its group as wide as itself.
    """
    sizes = np.diff(vocabulary.pair_start)  # (pairs,)
    group = np.searchsorted(CAPACITIES[:-1], sizes)
    capacities = np.array([*CAPACITIES[:-1], max(CAPACITIES[-1], sizes.max(initial=0))])
    outputs: Ints = (np.bincount(group, minlength=len(capacities)) * capacities)[group]
    return outputs
