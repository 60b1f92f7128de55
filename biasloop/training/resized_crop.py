"""Random crops of random size and shape, each resized to the size of the image: whole batches on the device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_TRIES = 10  # boxes that are drawn for an image before it is taken as it is


@dataclass(frozen=True)
class Boxes:
    """What is cut out of each image of a batch, and whether it is mirrored.

    Attributes:
        top, left: `(B,)` int64, corner in the padded image.
        height, width: `(B,)` int64, at least 1 and within the padded image.
        mirrored: `(B,)` bool.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    mirrored: Tensor


def random_boxes(
    count: int,
    size: tuple[int, int],
    generator: torch.Generator,
    *,
    area: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    flip: bool = True,
) -> Boxes:
    """Boxes of a uniform share of the area and a log-uniform ratio of width to height, at uniform places.

    As torchvision's `RandomResizedCrop` draws them: a box that does not fit is drawn again; after ten that do not, the
    image is taken whole, or its middle where its own ratio is outside the range.

    Args:
        count: images.
        size: height and width of the padded image.
        generator: all draws; its device is that of the boxes.
        area: smallest and largest share of the image's area, 0 .. 1.
        ratio: smallest and largest width over height.
        flip: whether half of the images are mirrored.
    """
    device = generator.device
    tall, wide = size
    drawn = torch.rand(count, _TRIES, 4, generator=generator, device=device, dtype=torch.float64)
    areas = tall * wide * (area[0] + (area[1] - area[0]) * drawn[..., 0])
    ratios = torch.exp(math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * drawn[..., 1])
    widths, heights = torch.sqrt(areas * ratios).round(), torch.sqrt(areas / ratios).round()
    fits = (widths > 0) & (widths <= wide) & (heights > 0) & (heights <= tall)
    first = torch.where(fits.any(1), fits.to(torch.uint8).argmax(1), 0)[:, None]
    height, width, down, across = (x.gather(1, first)[:, 0] for x in (heights, widths, drawn[..., 2], drawn[..., 3]))
    whole_height, whole_width = _whole(size, ratio)
    fitting = fits.any(1)
    height, width = torch.where(fitting, height, whole_height), torch.where(fitting, width, whole_width)
    top = torch.where(fitting, torch.floor(down * (tall - height + 1)), (tall - whole_height) // 2)
    left = torch.where(fitting, torch.floor(across * (wide - width + 1)), (wide - whole_width) // 2)
    mirrored = torch.rand(count, generator=generator, device=device) < (0.5 if flip else 0.0)
    return Boxes(top.long(), left.long(), height.long(), width.long(), mirrored)


def whole_boxes(images: Tensor) -> Boxes:
    """Boxes of all of each image `(B, C, H, W)`, none mirrored."""
    count, _, height, width = images.shape
    corner = torch.zeros(count, dtype=torch.int64, device=images.device)
    return Boxes(corner, corner, corner + height, corner + width, corner.bool())


def _whole(size: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int]:
    """Height and width of the largest middle part of an image whose ratio is in the range."""
    tall, wide = size
    if wide / tall < ratio[0]:
        return round(wide / ratio[0]), wide
    if wide / tall > ratio[1]:
        return tall, round(tall * ratio[1])
    return tall, wide


def resized_crop(images: Tensor, padding: int, boxes: Boxes, size: tuple[int, int] | None = None) -> Tensor:
    """Each image padded with zeros, cut to its box, resized to the size it had or another, then mirrored or not.

    Bilinear, and where a box is larger than the image averaged over as many more pixels, as in Pillow. Two products
    of matrices an image instead of a loop over images.

    Args:
        images: `(B, C, H, W)`, any dtype and memory format.
        padding: zero pixels on each side.
        boxes: one an image, in the padded image.
        size: height and width of what comes out; None for those of `images`.

    Returns:
        `(B, C, H, W)` float32 of the same range, channels last in memory.
    """
    count, channels, height, width = images.shape
    tall, wide = size or (height, width)
    rows = _weights(height, tall, padding, boxes.top, boxes.height)  # (B, tall, H)
    columns = _weights(width, wide, padding, boxes.left, boxes.width)  # (B, wide, W)
    columns = torch.where(boxes.mirrored[:, None, None], columns.flip(1), columns)
    pixels = images.permute(0, 2, 3, 1).to(torch.float32)
    lines = torch.bmm(columns, pixels.transpose(1, 2).reshape(count, width, height * channels))
    lines = lines.view(count, wide, height, channels).transpose(1, 2).reshape(count, height, wide * channels)
    return torch.bmm(rows, lines).view(count, tall, wide, channels).permute(0, 3, 1, 2)


def _weights(size: int, resized: int, padding: int, start: Tensor, length: Tensor) -> Tensor:
    """`(B, resized, size)` float32: what each unpadded pixel of a line adds to each pixel of the resized line.

    Pixels of the padding count in the mean and are 0, so they need no column.
    """
    scale = length.float() / resized
    out = torch.arange(resized, device=start.device, dtype=torch.float32)
    inner = torch.arange(size + 2 * padding, device=start.device, dtype=torch.float32)
    centres = start[:, None] - 0.5 + (out + 0.5) * scale[:, None]
    inside = (inner >= start[:, None]) & (inner < (start + length)[:, None])
    # In place: memory for so many numbers costs more than the arithmetic.
    weights = inner - centres[..., None]
    weights.abs_().mul_(-1 / scale.clamp(min=1)[:, None, None]).add_(1).clamp_(min=0)
    weights.mul_(inside[:, None, :].float())
    weights.div_(weights.sum(2, keepdim=True))
    return weights[..., padding : padding + size]
