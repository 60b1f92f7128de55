"""Pictures as image files with fixed settings: the same bytes for the same pixels and versions of the encoders."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from biasloop.errors import DamagedShard, InvalidInput

if TYPE_CHECKING:
    import numpy as np

    from biasloop.datasets.images import Pixels

Format = Literal["jpg", "png", "webp"]
FORMATS: tuple[Format, ...] = ("jpg", "png", "webp")
_SETTINGS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "jpg": ("JPEG", {"quality": 95, "subsampling": 2, "optimize": False, "progressive": False}),
    "png": ("PNG", {"compress_level": 6, "optimize": False}),
    "webp": ("WEBP", {"quality": 95, "method": 4, "lossless": False}),
}
_LIBRARIES = {"jpg": ("libjpeg_turbo", "jpg"), "png": ("zlib",), "webp": ("webp",)}


def format_named(name: str) -> Format:
    """A format by its name, which is what files of it end in.

    Raises:
        InvalidInput: it is none that is written.
    """
    for known in FORMATS:
        if name == known:
            return known
    raise InvalidInput(f"--format {name}: pictures are written as {', '.join(FORMATS)}")


def encode(pixels: Pixels, form: Format) -> bytes:
    """An image file.

    Args:
        pixels: `(height, width, 3)` uint8.
        form: of the file; JPEG and WebP with quality 95, PNG without loss.
    """
    from PIL import Image

    name, settings = _SETTINGS[form]
    file = io.BytesIO()
    Image.fromarray(pixels, "RGB").save(file, name, **settings)
    return file.getvalue()


def decode(content: bytes) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """The picture in an image file, upright: `(height, width, 3)` uint8.

    Raises:
        Unreadable: whatever the decoder raises.
    """
    import numpy as np

    from biasloop.datasets.decoding import opened, upright

    with opened(io.BytesIO(content)) as image:
        return np.array(upright(image, "RGB"), np.uint8)


def fitted(picture: Pixels, size: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """A picture `(height, width, 3)` in a square: its longer side has the length of a side, the rest is black."""
    import numpy as np
    from PIL import Image

    height, width = picture.shape[:2]
    scale = size / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(picture, "RGB").resize(shape, Image.Resampling.BICUBIC)
    square = np.zeros((size, size, 3), np.uint8)
    top, left = (size - shape[1]) // 2, (size - shape[0]) // 2
    square[top : top + shape[1], left : left + shape[0]] = np.asarray(small)
    return square


def equalised(content: bytes, size: int, name: str) -> bytes:
    """An image file as a JPEG of so many pixels a side, as `fitted` and `encode` make it of any other.

    Raises:
        DamagedShard: it cannot be decoded.
    """
    from biasloop.datasets.streaming import Unreadable

    try:
        return encode(fitted(decode(content), size), "jpg")
    except Unreadable as error:
        raise DamagedShard(f"the picture of {name} cannot be read: {error}") from error


def versions(form: Format) -> dict[str, str]:
    """Of what encodes: Pillow, and the first of the libraries behind it that says which it is."""
    from PIL import __version__, features

    said = {name: features.version(name) for name in _LIBRARIES[form]}
    return {"pillow": __version__} | {name: text for name, text in said.items() if text}
