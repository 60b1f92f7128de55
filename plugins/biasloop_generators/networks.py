"""Variational autoencoders and classifiers of the published experiments (Wyllie et al. 2024), built by name.

Layers stand in the order in which the released code defines them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from biasloop.contract.data import Array
from biasloop_generators.kinds import CLASSIFIERS, GENERATORS

_SLOPE = 0.2


@dataclass(frozen=True)
class LastEpoch:
    """How the training of a network ended.

    Attributes:
        loss: mean of the losses of its batches.
        batches: how many.
        images: in all of them.
    """

    loss: float
    batches: int
    images: int

    def array(self) -> Array:
        """`(3,)` float64."""
        return np.array([self.loss, self.batches, self.images], np.float64)

    @classmethod
    def of(cls, array: Array) -> "LastEpoch":
        """What `array` was made of."""
        loss, batches, images = array.tolist()
        return cls(loss, int(batches), int(images))


class VAE(nn.Module):
    """A variational autoencoder of RGB images (Kingma & Welling 2014).

    In training mode the latent is sampled, in evaluation mode it is the mean.
    """

    latent: int  # size of the latent space
    side: int  # height and width of its images
    last: LastEpoch | None = None  # of its training

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, 3, side, side)` in 0 .. 1 to mean and log variance, each `(B, latent)`."""
        raise NotImplementedError

    def decode(self, latents: Tensor) -> Tensor:
        """`(B, latent)` to images `(B, 3, side, side)`."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images to their reconstruction, mean and log variance."""
        mu, logvar = self.encode(images)
        latents = mu
        if self.training:
            latents = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.decode(latents), mu, logvar


class _LinearHeads(VAE):
    """Convolutions, then two linear maps to mean and log variance."""

    features: nn.Sequential
    mu: nn.Linear
    logvar: nn.Linear

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As in `VAE`."""
        features = self.features(images).flatten(1)
        return self.mu(features), self.logvar(features)


class MnistVAE(_LinearHeads):
    """The generator of ColoredMNIST: 28x28 pixels, latent 20, 651,179 parameters."""

    side, latent = 28, 20

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(64, 128, 4, 2, 1), nn.ReLU(inplace=True)
        )
        self.mu, self.logvar = nn.Linear(6272, 20), nn.Linear(6272, 20)
        self.spread = nn.Linear(20, 6272)
        self.grow = nn.Sequential(
            nn.ConvTranspose2d(128, 64, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(64, 3, 4, 2, 1),
            nn.Sigmoid(),
        )

    def decode(self, latents: Tensor) -> Tensor:
        """As in `VAE`; pixels in 0 .. 1."""
        return cast("Tensor", self.grow(self.spread(latents).view(-1, 128, 7, 7)))


class SvhnVAE(_LinearHeads):
    """The generator of ColoredSVHN: 64x64 pixels, latent 32, 4,348,547 parameters (after S. Sujit's VAE-PyTorch)."""

    side, latent = 64, 32

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((3, 32, 64, 128, 256)):
            layers += [nn.Conv2d(inputs, outputs, 4, 2), nn.LeakyReLU(_SLOPE, inplace=True)]
        self.features = nn.Sequential(*layers)
        self.mu, self.logvar = nn.Linear(1024, 32), nn.Linear(1024, 32)
        layers = []
        for inputs, outputs, size in ((1024, 128, 5), (128, 64, 5), (64, 32, 6)):
            layers += [nn.ConvTranspose2d(inputs, outputs, size, 2), nn.ReLU(inplace=True)]
        self.grow = nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 6, 2), nn.Sigmoid())
        self.spread = nn.Linear(32, 1024)

    def decode(self, latents: Tensor) -> Tensor:
        """As in `VAE`; pixels in 0 .. 1."""
        return cast("Tensor", self.grow(self.spread(latents).view(-1, 1024, 1, 1)))


class CelebaVAE(_LinearHeads):
    """64x64 pixels, latent 128, 3,937,635 parameters; used with no data set (after A. K. Subramanian's PyTorch-VAE)."""

    side, latent = 64, 128

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((3, 32, 64, 128, 256, 512)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.mu, self.logvar = nn.Linear(2048, 128), nn.Linear(2048, 128)
        self.spread = nn.Linear(128, 2048)
        layers = []
        for inputs, outputs in pairwise((512, 256, 128, 64, 32, 32)):
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(inplace=True),
            ]
        self.grow = nn.Sequential(*layers, nn.Conv2d(32, 3, 3, padding=1), nn.Tanh())

    def decode(self, latents: Tensor) -> Tensor:
        """As in `VAE`; pixels in -1 .. 1."""
        return cast("Tensor", self.grow(self.spread(latents).view(-1, 512, 2, 2)))


class FacesVAE(_LinearHeads):
    """The generator of CelebA: 128x128 pixels, latent 500, 85,680,747 parameters."""

    side, latent = 128, 500

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((3, 128, 256, 512, 1024, 1024)):
            layers += [
                nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(_SLOPE, inplace=True),
            ]  # fmt: skip
        self.features = nn.Sequential(*layers)
        self.mu, self.logvar = nn.Linear(16_384, 500), nn.Linear(16_384, 500)
        self.spread = nn.Linear(500, 32_768)
        layers = []
        for inputs, outputs in pairwise((2048, 1024, 512, 256, 128)):
            layers += [
                *_upsampled(inputs, outputs), nn.BatchNorm2d(outputs, eps=1e-3), nn.LeakyReLU(_SLOPE, inplace=True),
            ]  # fmt: skip
        self.grow = nn.Sequential(*layers, *_upsampled(128, 3), nn.Sigmoid())

    def decode(self, latents: Tensor) -> Tensor:
        """As in `VAE`; pixels in 0 .. 1."""
        return cast("Tensor", self.grow(functional.relu(self.spread(latents)).view(-1, 2048, 4, 4)))


def _upsampled(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.UpsamplingNearest2d(scale_factor=2), nn.ReplicationPad2d(1), nn.Conv2d(inputs, outputs, 3)]


def simple_cnn(outputs: int) -> nn.Module:
    """For 28x28 pixels; 44,046 parameters with two outputs."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, outputs),
    )  # fmt: skip


def lenet(outputs: int) -> nn.Module:
    """For 32x32 pixels; 61,326 parameters with two outputs (LeCun et al. 1998, figure 2)."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(),
        nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, outputs),
    )  # fmt: skip


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters (He et al. 2016, section 4.2, option A)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = 1 if inputs == outputs else 2
        self.padding = (outputs - inputs) // 2  # zero channels on each side
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.stride > 1:
            thinned = x[:, :, :: self.stride, :: self.stride]
            shortcut = functional.pad(thinned, (0, 0, 0, 0, self.padding, self.padding))
        return functional.relu(self.branch(x) + shortcut, inplace=True)


def resnet(blocks: int, outputs: int) -> nn.Module:
    """The residual network for CIFAR-10 (He et al. 2016, section 4.2), for images of any size.

    Args:
        blocks: of each of the three stages; the depth is 6 times that, plus 2.
        outputs: number of classes.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    for inputs, width in ((16, 16), (16, 32), (32, 64)):
        layers += [_Block(inputs, width), *(_Block(width, width) for _ in range(blocks - 1))]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, outputs))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network


_GENERATORS: dict[str, Callable[[], VAE]] = {
    "vae": MnistVAE,
    "svhnvae": SvhnVAE,
    "celebavae": CelebaVAE,
    "testvae": FacesVAE,
}
_PLAIN: dict[str, Callable[[int], nn.Module]] = {"SimpleCNN": simple_cnn, "lenet": lenet}
assert _GENERATORS.keys() == GENERATORS.keys()


def build_generator(name: str) -> VAE:
    """A new generator with weights from torch's global random generator.

    Args:
        name: a key of `kinds.GENERATORS`, as `kinds.check_generator` has found fit.
    """
    return _GENERATORS[name]()


def build_classifier(name: str, outputs: int) -> nn.Module:
    """A new classifier with weights from torch's global random generator: `(B, 3, H, W)` to logits `(B, outputs)`.

    Args:
        name: a key of `kinds.CLASSIFIERS`, as `kinds.check_classifier` has found fit.
        outputs: number of classes.
    """
    if name in _PLAIN:
        return _PLAIN[name](outputs)
    assert name in CLASSIFIERS
    return resnet((int(name.removeprefix("resnet")) - 2) // 6, outputs)
