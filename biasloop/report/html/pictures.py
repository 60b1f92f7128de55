"""Pictures as data URIs, as many as a page has room for."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from biasloop.contract.data import Array

SIDE = 96  # pixels; larger pictures are scaled down
_PLAIN = 4_000  # bytes of a PNG from which on a photograph is kept as JPEG
_QUALITY = 82


@dataclass
class Room:
    """What of a page is left for samples.

    Attributes:
        left: bytes.
    """

    left: int = 1_500_000

    def take(self, text: str) -> bool:
        """Whether something still fits; it then takes its place."""
        size = len(text.encode(errors="replace"))
        if size > self.left:
            return False
        self.left -= size
        return True


def data_uri(pixels: Array) -> str:
    """A picture as a data URI.

    Args:
        pixels: `(H, W, C)` uint8, C 1 or 3.
    """
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    kind = "png"
    if len(buffer.getvalue()) > _PLAIN:
        buffer, kind = io.BytesIO(), "jpeg"
        image.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
