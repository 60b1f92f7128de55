"""Image files that may be anything: few decoders, a limit on pixels, and one kind of error whatever is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from biasloop.datasets.streaming import Unreadable
from biasloop.errors import BiasloopError
from biasloop.system.regular import require_regular

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

SUFFIXES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm",
            ".pgm", ".pbm", ".pnm")  # fmt: skip
"""What the names of image files end in."""

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
"""Pillow's names of what they may hold, whichever of the suffixes they have: a decoder for anything else (one of them
starts Ghostscript) is never asked."""

MOST_PIXELS = 1 << 26
"""Most pixels of one image, 8192 x 8192: a small file may claim to have any number."""

_ORIENTATION, _BITS = 0x0112, 258  # tags of TIFF, which EXIF shares
_TURNS = {  # what turns the rows and columns of a file upright, by Pillow's names
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip


@contextmanager
def opened(source: Path | IO[bytes], formats: Sequence[str] = FORMATS) -> Iterator[ImageFile]:
    """An image whose header is read; its pixels are read by what is done with it inside.

    Args:
        source: the file.
        formats: what it may be, by Pillow's names.

    Raises:
        Unreadable: whatever the decoder raises, here or inside, or if it has more pixels than `MOST_PIXELS`.
        InvalidInput: if it is a pipe, a device or a directory.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, Path):
        require_regular(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd notes in a file whose pixels read well
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=list(formats)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Unreadable(_too_many())
                yield image
    except (Unreadable, BiasloopError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Unreadable(_too_many()) from error
    except UnidentifiedImageError as error:
        raise Unreadable(f"it is none of {', '.join(formats)}") from error
    except Exception as error:  # a damaged file makes decoders raise nearly anything
        raise Unreadable(_reason(error, source)) from error


def bits(image: ImageFile) -> int:
    """Bits that each channel has in the file; of what has fewer than 8 perhaps 8. Pillow cuts 16 to 8 silently.

    Args:
        image: as `opened` gives it, before its pixels are read.
    """
    if image.format == "PNG":
        return _png_bits(image)
    if image.format == "PPM":
        numbers = [argument for tile in image.tile for argument in _arguments(tile.args)]
        return 16 if "I;16B" in numbers or any(isinstance(n, int) and n > 255 for n in numbers) else 8
    if image.format == "TIFF":
        stated: tuple[int, ...] = getattr(image, "tag_v2", {}).get(_BITS, ())
        return max((8, *stated))
    return 8


def has_several(image: ImageFile) -> bool:
    """Whether there are more pictures in the file than the one that is read, which is the first."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - what follows the first picture is damaged
        return True


def upright_size(image: ImageFile) -> tuple[int, int]:
    """(height, width) of what `upright` gives."""
    width, height = image.size
    turned = width != height and image.format != "TIFF" and _orientation(image) >= 5  # Pillow turns TIFF itself
    return (width, height) if turned else (height, width)


def upright(image: ImageFile, mode: str) -> Image.Image:
    """The pixels, turned and mirrored as the file's EXIF orientation says.

    Args:
        image: as `opened` gives it.
        mode: Pillow's mode that they are converted to.
    """
    from PIL import Image

    image.load()
    turn = _TURNS.get(_orientation(image))
    pixels = image if image.mode == mode else image.convert(mode)  # a copy of a large one takes much memory
    return pixels if turn is None else pixels.transpose(Image.Transpose[turn])


def _orientation(image: Image.Image) -> int:
    """From 1, upright, to 8; of a PNG file it may stand behind the pixels, which are then read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged notes about a picture are none, and its pixels may be well
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _png_bits(image: ImageFile) -> int:
    """As its first chunk has them (PNG specification, 11.2.1)."""
    assert image.fp is not None
    at = image.fp.tell()
    image.fp.seek(12)
    kind, *_, depth = image.fp.read(4), image.fp.read(8), image.fp.read(1)
    image.fp.seek(at)
    if kind != b"IHDR" or not depth:
        raise Unreadable("its header is not its first chunk")
    return depth[0]


def _arguments(given: object) -> tuple[object, ...]:
    return given if isinstance(given, tuple) else (given,)


def _too_many() -> str:
    return f"it says that it has more than {MOST_PIXELS:,} pixels, which is the most that is read of one"


def _reason(error: Exception, source: object) -> str:
    """Of an image that does not read, in a line and without the name that whoever catches it puts before it."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()).replace(f" {str(source)!r}", " it") or type(error).__name__
