"""Image files that are nearly right: read, or refused in a sentence, soon and in little memory."""

import numpy as np
import pytest
from support.fuzzing import damaged, trying
from support.pictures import EPS, animated, png16, tiff, turned, written

from biasloop.datasets.decoding import bits, has_several, opened, upright, upright_size
from biasloop.datasets.streaming import Unreadable

PIXELS = np.random.default_rng(3).integers(0, 256, (16, 12, 3), np.uint8)
SUFFIXES = ["png", "jpg", "bmp", "webp", "gif", "tif", "ppm"]


def seeds() -> list[bytes]:
    """Small files of every format, some odd."""
    exif = {"quality": 90}
    return [
        *(written(PIXELS, kind) for kind in ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")),
        *(animated(PIXELS, kind) for kind in ("GIF", "PNG", "WEBP", "TIFF")),
        *(turned(PIXELS, 6, kind, **exif) for kind in ("JPEG", "WEBP")),
        turned(PIXELS, 6), written(PIXELS, "JPEG", progressive=True), written(PIXELS[..., 0], "PNG", bits=4),
        written(PIXELS, "TIFF", compression="tiff_lzw"), written(PIXELS, "TIFF", compression="jpeg"),
        written(PIXELS, "TIFF", compression="tiff_adobe_deflate"), written(PIXELS[..., 0], "PPM"),
        png16(2), png16(6), tiff(16), tiff(8), b"P3 2 2 255\n" + b"7 " * 12, b"P1 4 2\n1 0 1 0 0 1 0 1\n", EPS,
    ]  # fmt: skip


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=pytest.mark.slow)])
def test_nearly_right_images_are_read_or_refused(tmp_path, count):
    draws, files = np.random.default_rng(20261128), seeds()

    def read() -> None:
        with opened(path) as image:
            bits(image)
            has_several(image)
            upright_size(image)
            assert upright(image, "RGB").mode == "RGB"

    with trying(Unreadable) as attempt:
        for number in range(count):
            path = tmp_path / f"image.{SUFFIXES[int(draws.integers(0, len(SUFFIXES)))]}"
            path.write_bytes(damaged(files[number % len(files)], draws))
            tries = attempt(read)
    assert tries.well > count / 10
    assert tries.refused > count / 10
