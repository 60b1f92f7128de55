"""The images that a run uses, and how their pixels are normalised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Array, Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop.datasets import Images
    from biasloop_images.biased.build import Biased
    from biasloop_images.config import Config
    from biasloop_images.sources import Source

_AT_A_TIME = 4096  # images
_ENOUGH = 20_000  # images that the mean and spread of pixels are measured on


@dataclass(frozen=True)
class Pictures:
    """The images that a run uses.

    Attributes:
        images: `(n, H, W, C)` uint8.
        ids: `(n,)` int64 ascending, the stable id of each in the source data.
        mean: `(C,)` float64, mean of each channel of pixels scaled to 0 .. 1: as published for the data set, else
            measured by `pixel_statistics`.
        std: `(C,)` float64, their standard deviation, likewise.
    """

    images: Array
    ids: Ints
    mean: Floats
    std: Floats

    def rows(self, ids: Ints) -> Ints:
        """Positions in `images` of the given ids.

        Raises:
            ValueError: if an id is not among those that the run uses.
        """
        rows = np.searchsorted(self.ids, ids)
        known = rows < len(self.ids)
        known[known] = self.ids[rows[known]] == ids[known]
        if not known.all():
            raise ValueError(f"image {ids[~known][0]} is not among the {len(self.ids):,} that this run uses")
        return np.asarray(rows, np.int64)


def pixel_statistics(images: Array) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each channel, of pixels scaled to 0 .. 1.

    Of a large data set, images at equal distances are measured.

    Args:
        images: `(N, H, W, C)` uint8.

    Returns:
        Two `(C,)` float64; a channel without spread has 1.
    """
    sample = images[:: max(1, len(images) // _ENOUGH)]
    levels = np.arange(256) / 255
    means, stds = [], []
    for channel in range(images.shape[-1]):
        counts = np.bincount(sample[..., channel].ravel(), minlength=256)
        mean = float(counts @ levels / counts.sum())
        means.append(mean)
        stds.append(float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum())) or 1.0)
    return np.array(means), np.array(stds)


def wrapped(images: Array, mean: Floats, std: Floats) -> Array:
    """Pixels as the published code of CINIC-10 hands them to the network's transform (Taori & Hashimoto 2022).

    It stores normalised float32 pixels, and then turns them into bytes as if they were in 0 .. 1: times 255, cut off
    towards zero, modulo 256. These bytes are then normalised a second time.

    Args:
        images: `(n, H, W, C)` uint8.
        mean: `(C,)` of pixels scaled to 0 .. 1, that the stored pixels are normalised with.
        std: `(C,)` likewise.

    Returns:
        `(n, H, W, C)` uint8, another array.
    """
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    changed = np.empty_like(images)
    for channel in range(images.shape[-1]):
        normalised = (levels - np.float32(mean[channel])) / np.float32(std[channel])
        table = (normalised * np.float32(255)).astype(np.int64).astype(np.uint8)
        for start in range(0, len(images), _AT_A_TIME):
            rows = slice(start, start + _AT_A_TIME)
            changed[rows, ..., channel] = table[images[rows, ..., channel]]
    return changed


def check_channels(config: Config, channels: int) -> None:
    """Refuse statistics of pixels that are not of as many channels as the images have.

    Raises:
        InvalidInput: naming the setting.
    """
    for key in ("pixel_mean", "pixel_std"):
        values = getattr(config, key)
        if values is not None and len(values) != channels:
            raise InvalidInput(f"domain.{key} has {len(values)} numbers, and the images {channels} channels")


def shaped(images: Array, shape: Sequence[int] | None) -> Array:
    """Images with zeros around them, and grey ones repeated in every channel.

    Args:
        images: `(n, h, w, c)` uint8.
        shape: (H, W, C) with H >= h, W >= w, and C = c unless c is 1; of an odd number of rows or columns to add, the
            larger half comes last. None leaves them as they are.

    Returns:
        `(n, H, W, C)` uint8; the very same array if it has that shape.

    Raises:
        InvalidInput: if images cannot get that shape.
    """
    if shape is None:
        return images
    (height, width, channels), (h, w, c) = shape, images.shape[1:]
    if h > height or w > width or c not in {1, channels}:
        raise InvalidInput(
            f"domain.shape is {list(shape)} and the images are {[h, w, c]} (height, width, channels): they can be "
            "padded, and grey repeated, but not cut"
        )
    if images.shape[1:] == (height, width, channels):
        return images
    padded = np.zeros((len(images), *shape), np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    padded[:, top : top + h, left : left + w] = images
    return padded


def of(config: Config, data: Images, ids: Ints, source: Source, biased: Biased | None) -> tuple[Pictures, str]:
    """The images that a run uses, and what tells the data from other data.

    Args:
        config: the domain's settings.
        data: all images.
        ids: `(n,)` ascending, of those that are used.
        source: of the images, which may know their published statistics.
        biased: what is done to them, if anything.
    """
    raw = data.take(ids)
    digest = data.digest(raw)
    check_channels(config, raw.shape[-1])
    mean, std = _statistics(config, source, data, raw)  # as published, of images that nothing was done to
    if biased is not None:
        raw = biased.changed(raw, ids, data.take)
    if config.compat == "released" and config.data == "cinic10":
        raw = wrapped(raw, mean, std)
    raw = shaped(raw, config.shape)
    channels = raw.shape[-1] // len(mean)  # grey that was repeated
    return Pictures(raw, ids, np.tile(mean, channels), np.tile(std, channels)), digest


def _statistics(config: Config, source: Source, data: Images, raw: Array) -> tuple[Floats, Floats]:
    """As set, as published, else measured on the whole data set if in memory."""
    mean, std = config.pixel_mean or source.mean, config.pixel_std or source.std
    if mean is not None and std is not None:
        return np.array(mean), np.array(std)
    measured = pixel_statistics(getattr(data, "images", raw))
    return measured[0] if mean is None else np.array(mean), measured[1] if std is None else np.array(std)
