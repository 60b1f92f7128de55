"""Random crops and flips of whole batches, on the device, before pixels become floats."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Places:
    """Where each image of a batch is cropped, and whether it is mirrored.

    Attributes:
        top, left: `(B,)` int64 in 0 .. 2 * padding, corner of the crop in the padded image.
        mirrored: `(B,)` bool.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor


def random_places(count: int, padding: int, generator: torch.Generator, *, flip: bool = True) -> Places:
    """Uniform corners, flips with probability 1/2 (none unless `flip`), on the generator's device."""
    device = generator.device
    corners = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=device)
    mirrored = torch.rand(count, generator=generator, device=device) < (0.5 if flip else 0.0)
    return Places(corners[0], corners[1], mirrored)


def crop_flip(images: Tensor, padding: int, places: Places) -> Tensor:
    """Each image padded with zeros, cropped back to its size, then mirrored or not.

    Args:
        images: `(B, C, H, W)`, any dtype and memory format.
        padding: zero pixels on each side.
        places: one crop an image.

    Returns:
        `(B, C, H, W)`, same dtype.
    """
    height, width = images.shape[2:]
    padded = functional.pad(images, (padding, padding, padding, padding))
    # The padded image and its mirror image side by side: a mirrored crop is a crop of the right half, so that
    # crop and flip are one gather of whole windows.
    both = torch.cat([padded, padded.flip(-1)], dim=-1)
    left = torch.where(places.mirrored, width + 4 * padding - places.left, places.left)
    windows = both.unfold(2, height, 1).unfold(3, width, 1)  # a view (B, C, tops, lefts, H, W)
    return windows[torch.arange(len(images), device=images.device), :, places.top, left]


def random_crop_flip(images: Tensor, padding: int, generator: torch.Generator, *, flip: bool = True) -> Tensor:
    """Zero padding, a random crop and a random horizontal flip of every image: `(B, C, H, W)` to the same."""
    return crop_flip(images, padding, random_places(len(images), padding, generator, flip=flip))


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Pixels 0 .. 255 as float32 with the given mean and spread taken out.

    Args:
        images: `(B, C, H, W)` uint8.
        mean: `(C,)`, of pixels scaled to 0 .. 1.
        std: `(C,)`, likewise.
    """
    scale = (1 / (255 * std.double())).float()[:, None, None]
    shift = (-mean.double() / std.double()).float()[:, None, None]
    return images.to(torch.float32).mul_(scale).add_(shift)


@dataclass(frozen=True)
class Preparation:
    """From stored pixels to what a network is given, with augmentation in training.

    Attributes:
        mean, std: `(C,)` on the device of the images, of pixels scaled to 0 .. 1.
        padding: zero pixels of the random crop; 0 for none.
        flip: whether training images are mirrored at random.
    """

    mean: Tensor
    std: Tensor
    padding: int = 0
    flip: bool = False

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`(B, C, H, W)` uint8 to float32; augmented if a generator is given."""
        if generator is not None and (self.padding or self.flip):
            images = random_crop_flip(images, self.padding, generator, flip=self.flip)
        return normalise(images, self.mean, self.std)
