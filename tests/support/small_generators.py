"""Networks of a thousand weights instead of the published ones, so that a run of generators is small enough to keep.

The names in the preset and in the stored settings stay those of the published networks.
"""

from collections.abc import Callable

from torch import Tensor, nn

from biasloop_generators import networks


class SmallVAE(networks.VAE):
    """28x28 pixels, latent 2; one convolution to 2 channels of 7x7, and back."""

    side, latent = 28, 2

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 2, 4, 4, bias=False), nn.BatchNorm2d(2), nn.ReLU())
        self.mu, self.logvar = nn.Linear(98, 2), nn.Linear(98, 2)
        self.spread = nn.Linear(2, 98)
        self.grow = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2, 3, 4, 4), nn.Sigmoid())
        for weight in (self.spread.weight, self.grow[1].weight):  # else samples look alike until it has learnt for long
            nn.init.normal_(weight, std=2.0)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images).flatten(1)  # (B, 98)
        return self.mu(features), self.logvar(features)

    def decode(self, latents: Tensor) -> Tensor:
        grown: Tensor = self.grow(self.spread(latents).view(-1, 2, 7, 7))  # (B, 3, 28, 28)
        return grown


def small_classifier(outputs: int) -> nn.Module:
    """28x28 pixels to logits, which differ widely from image to image from the beginning."""
    last = nn.Linear(98, outputs)
    nn.init.normal_(last.weight)
    return nn.Sequential(nn.Conv2d(3, 2, 4, 4), nn.Tanh(), nn.Flatten(), last)


def put_in(replace: Callable[[object, str, object], None]) -> None:
    """Have every generator and classifier that is built be a small one.

    Args:
        replace: sets an attribute of an object, as `pytest.MonkeyPatch.setattr` or `setattr` do.
    """
    replace(networks, "build_generator", lambda name: SmallVAE())
    replace(networks, "build_classifier", lambda name, outputs: small_classifier(outputs))
