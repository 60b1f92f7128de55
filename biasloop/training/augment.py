"""Random crops and flips of whole batches, on the device, before pixels become floats."""

from dataclasses import dataclass

import torch
from torch import Tensor

from biasloop.training.resized_crop import random_boxes, resized_crop, whole_boxes


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
        `(B, C, H, W)`, same dtype, channels last in memory.
    """
    count, channels, height, width = images.shape
    across = width + 2 * padding
    # Each padded image beside its mirror image, the channels of a pixel together: a mirrored crop is a crop of the
    # right half, and a line of a crop is one piece of memory.
    both = images.new_zeros(count, height + 2 * padding, 2, across, channels)
    pixels = images.permute(0, 2, 3, 1)
    middle = both[:, padding : padding + height, :, padding : padding + width]
    middle[:, :, 0], middle[:, :, 1] = pixels, pixels.flip(2)
    left = torch.where(places.mirrored, across + 2 * padding - places.left, places.left)
    numbers = torch.arange(count, device=images.device)
    corners = (numbers * (height + 2 * padding) + places.top) * 2 * across + left
    starts = corners[:, None] + torch.arange(height, device=images.device) * 2 * across
    lines = both.as_strided((both.numel() // channels - width + 1, width * channels), (channels, 1))
    return lines.index_select(0, starts.flatten()).view(count, height, width, channels).permute(0, 3, 1, 2)


def random_crop_flip(images: Tensor, padding: int, generator: torch.Generator, *, flip: bool = True) -> Tensor:
    """Zero padding, a random crop and a random horizontal flip of every image: `(B, C, H, W)` to the same."""
    return crop_flip(images, padding, random_places(len(images), padding, generator, flip=flip))


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Pixels 0 .. 255 as float32 with the given mean and spread taken out.

    Args:
        images: `(B, C, H, W)`, uint8 or float32 of that range; a float32 tensor may be overwritten.
        mean: `(C,)`, of pixels scaled to 0 .. 1.
        std: `(C,)`, likewise.

    Returns:
        `(B, C, H, W)` float32, channels last in memory.
    """
    scale = (1 / (255 * std.double())).float()
    shift = (-mean.double() / std.double()).float()
    count, channels, height, width = images.shape
    # An image as one line, so that the arithmetic runs along thousands of numbers and not along the few channels.
    lines = images.permute(0, 2, 3, 1).reshape(count, height * width * channels).to(torch.float32)
    lines.mul_(scale.repeat(height * width)).add_(shift.repeat(height * width))
    return lines.view(count, height, width, channels).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Preparation:
    """From stored pixels to what a network is given, with augmentation in training.

    Attributes:
        mean, std: `(C,)` on the device of the images, of pixels scaled to 0 .. 1.
        padding: zero pixels of the random crop; 0 for none.
        flip: whether training images are mirrored at random.
        resized: whether the random crop is of random size and shape, and resized (`resized_crop`).
        size: height and width that images are resized to, augmented or not; None for those they have.
    """

    mean: Tensor
    std: Tensor
    padding: int = 0
    flip: bool = False
    resized: bool = False
    size: tuple[int, int] | None = None

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`(B, C, H, W)` uint8 to float32; augmented if a generator is given."""
        if generator is not None and self.resized:
            size = (images.shape[2] + 2 * self.padding, images.shape[3] + 2 * self.padding)
            boxes = random_boxes(len(images), size, generator, flip=self.flip)
            images = resized_crop(images, self.padding, boxes, self.size)
        else:
            if self.size not in (None, tuple(images.shape[2:])):
                images = resized_crop(images, 0, whole_boxes(images), self.size)
            if generator is not None and (self.padding or self.flip):
                images = random_crop_flip(images, self.padding, generator, flip=self.flip)
        return normalise(images, self.mean, self.std)
