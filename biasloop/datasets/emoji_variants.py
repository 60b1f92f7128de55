"""Variants of small pictures: at a place, in a size, with a tint, on a background, drawn by picture and variant alone.

All arithmetic is on whole numbers, which float32 holds exactly, so that a sample has the same bytes on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.randomness import Streams
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.contract.data import Bools, Floats, Ints
    from biasloop.datasets.images import Pixels

FORM = 1
"""Of what is written here; another one makes other pixels of the same sample."""
WHITE = 250
"""What has this value or more in every channel, and reaches the border over such pixels, is background."""

_DRAWS = Streams(("emoji-roles", "rendering"))
_VARIANTS = 2**32  # of a picture
_UNIT = 256  # what weights of a row, and tints, are parts of: 255 * _UNIT * _UNIT < 2 ** 24, so float32 is exact
_AT_A_TIME = 1024  # samples


@dataclass(frozen=True)
class Ranges:
    """What samples are drawn from.

    Attributes:
        canvas: height and width of a sample.
        smallest: height and width of a picture are between this share of the canvas and all of it.
        dimmest: of a tint; each channel is multiplied by a number between this one and 1.
    """

    canvas: int
    smallest: float
    dimmest: float


def render(images: Pixels, picture: Ints, variant: Ints, ranges: Ranges) -> Pixels:
    """Variants of pictures.

    Args:
        images: `(pictures, H, W, 3)` uint8 on white.
        picture: `(n,)` which of them.
        variant: `(n,)` which variant of it.
        ranges: of sizes and tints.

    Returns:
        `(n, canvas, canvas, 3)` uint8; a row depends on its picture and variant alone.
    """
    used, position = np.unique(picture, return_inverse=True)
    layers = _layers(images[used])  # (used, 4, H, W)
    rendered = np.empty((len(picture), ranges.canvas, ranges.canvas, 3), np.uint8)
    for start in range(0, len(picture), _AT_A_TIME):
        rows = slice(start, start + _AT_A_TIME)
        draws = _DRAWS.uniform(picture[rows] * _VARIANTS + variant[rows], 9)  # (rows, 9)
        rendered[rows] = _variants(layers[position[rows]], draws, ranges)
    return rendered


def _variants(layers: Floats, draws: Floats, ranges: Ranges) -> Pixels:
    """Samples of pictures and random numbers.

    Args:
        layers: `(n, 4, H, W)` as `_layers` has them.
        draws: `(n, 9)` in [0, 1): size, two of the place, three of the tint, three of the background.
        ranges: of sizes and tints.

    Returns:
        `(n, canvas, canvas, 3)` uint8.
    """
    height, width = layers.shape[2:]
    canvas = ranges.canvas
    size = canvas * (ranges.smallest + (1 - ranges.smallest) * draws[:, 0])  # (n,)
    corner = (canvas - size)[:, None] * draws[:, 1:3]  # (n, 2)
    down = _weights(corner[:, 0], size, height, canvas)  # (n, canvas, H)
    across = _weights(corner[:, 1], size, width, canvas)  # (n, canvas, W)
    scaled = down[:, None] @ layers @ across[:, None].swapaxes(2, 3)  # (n, 4, canvas, canvas) whole, below 2 ** 24
    placed = np.floor(scaled / _UNIT**2)  # from 0 to 255
    tint = np.floor(_UNIT * (ranges.dimmest + (1 - ranges.dimmest) * draws[:, 3:6]))  # (n, 3)
    background = np.floor(256 * draws[:, 6:9])  # (n, 3)
    person = placed[:, :3] * tint.astype(np.float32)[:, :, None, None]  # (n, 3, canvas, canvas), in parts of _UNIT
    behind = (255 - placed[:, 3:]) * background.astype(np.float32)[:, :, None, None]  # in parts of 255
    mixed = np.floor(person / _UNIT) + np.floor(behind / 255)
    samples: Pixels = np.minimum(mixed, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return samples


def _weights(corner: Floats, size: Floats, pixels: int, canvas: int) -> Floats:
    """What share of each canvas row (or column) each row of a picture fills, in parts of `_UNIT`.

    Args:
        corner: `(n,)` where pictures begin on the canvas.
        size: `(n,)` how much of the canvas they take.
        pixels: rows of a picture.
        canvas: rows of the canvas.

    Returns:
        `(n, canvas, pixels)` float32 whole numbers; a row of the canvas sums to `_UNIT` where the picture fills it.
    """
    scale = pixels / size  # (n,) rows of the picture in one of the canvas
    first = (np.arange(canvas) - corner[:, None]) * scale[:, None]  # (n, canvas) where a canvas row begins on it
    reached = np.arange(pixels + 1) - first[:, :, None]  # (n, canvas, pixels + 1)
    filled = np.floor(_UNIT * np.clip(reached / scale[:, None, None], 0, 1))
    return np.diff(filled, axis=2).astype(np.float32)


def _layers(images: Pixels) -> Floats:
    """`(pictures, 4, H, W)` float32 whole numbers: channels, 0 in the background, and 255 where there is none."""
    person = ~_background(images)
    alpha = np.where(person, 255, 0)[..., None]
    return np.concatenate([np.where(person[..., None], images, 0), alpha], 3).transpose(0, 3, 1, 2).astype(np.float32)


def _background(images: Pixels) -> Bools:
    """`(pictures, H, W)` what is white from the border on."""
    white: Bools = np.all(images >= WHITE, axis=3)
    border = np.ones(white.shape[1:], np.bool_)
    border[1:-1, 1:-1] = False
    reached: Bools = white & border
    while True:
        spread = reached.copy()
        spread[:, 1:] |= reached[:, :-1]
        spread[:, :-1] |= reached[:, 1:]
        spread[:, :, 1:] |= reached[:, :, :-1]
        spread[:, :, :-1] |= reached[:, :, 1:]
        spread &= white
        if (spread == reached).all():
            return reached
        reached = spread
