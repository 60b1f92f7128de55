"""Files of pictures as a network is trained on them: decoded, a random part of each, resized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from biasloop.datasets import encoding
from biasloop.datasets.streaming import Unreadable
from biasloop.errors import DamagedShard
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from biasloop.contract.data import Array, Floats
    from biasloop.datasets.shards import Sample

TRIES = 10
"""Boxes that are drawn for a picture before its middle is taken."""
DRAWS = 4 * TRIES
"""Uniform numbers that a picture's box takes."""
AREA = (0.9, 1.0)
"""Share of a picture that is seen, as published."""
_RATIO = (3 / 4, 4 / 3)  # width over height

Box = tuple[int, int, int, int]
"""Top, left, height, width."""


def opened(sample: Sample, where: str) -> Image.Image:
    """The picture of a sample, upright, in RGB.

    Raises:
        DamagedShard: it does not decode, or there is none.
    """
    from PIL import Image

    part = sample.picture
    try:
        if part is None:
            raise Unreadable("there is none")
        return Image.fromarray(encoding.decode(sample.parts[part]), "RGB")
    except Unreadable as error:
        raise DamagedShard(f"the picture of {sample.key} in {where} cannot be read: {error}") from error


def caption_of(sample: Sample, where: str) -> str:
    """The caption of a sample.

    Raises:
        DamagedShard: it has none, or one that is no UTF-8.
    """
    try:
        return sample.parts["txt"].decode()
    except (KeyError, UnicodeDecodeError) as error:
        raise DamagedShard(f"the sample {sample.key} in {where} has no caption (member .txt, UTF-8)") from error


def random_box(height: int, width: int, draws: Floats, area: tuple[float, float] = AREA) -> Box:
    """A box of a uniform share of the area and a log-uniform ratio, at a uniform place, as torchvision draws it.

    Args:
        height: of the picture.
        width: of the picture.
        draws: `(DRAWS,)` uniform in [0, 1).
        area: smallest and largest share.
    """
    for share, shape, down, across in draws.reshape(TRIES, 4).tolist():
        pixels = height * width * (area[0] + (area[1] - area[0]) * share)
        ratio = math.exp(math.log(_RATIO[0]) + math.log(_RATIO[1] / _RATIO[0]) * shape)
        wide, tall = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return int(down * (height - tall + 1)), int(across * (width - wide + 1)), tall, wide
    tall, wide = height, width
    if width / height < _RATIO[0]:
        tall = round(width / _RATIO[0])
    elif width / height > _RATIO[1]:
        wide = round(height * _RATIO[1])
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def cropped(picture: Image.Image, draws: Floats, size: Sequence[int]) -> Array:
    """`(H, W, 3)` uint8: a random box of a picture, resized (bicubic).

    Args:
        picture: in RGB.
        draws: as `random_box`.
        size: H and W.
    """
    from PIL import Image

    top, left, tall, wide = random_box(picture.height, picture.width, draws)
    part = picture.crop((left, top, left + wide, top + tall))
    return np.asarray(part.resize((size[1], size[0]), Image.Resampling.BICUBIC))
