"""Image files written without the code that reads them: of 16 bits, huge by their own word, damaged."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 8\n%%EndComments\nshowpage\n%%EOF\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, lines: bytes, between: bytes = b"") -> bytes:
    """A PNG file; `colour` is 0 grey, 2 RGB, 4 grey with alpha, 6 RGBA."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + between + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def png16(colour: int, width: int = 6, height: int = 8) -> bytes:
    """A PNG file of 16 bits a channel."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    return png(width, height, 16, colour, height * (b"\0" + bytes(range(width * channels * 2))))


def tiff(bits: int, width: int = 6, height: int = 8) -> bytes:
    """A TIFF file of one strip in RGB."""
    pixels = bytes(width * height * 3 * (bits // 8))
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2), (277, 3, 1, 3),
            (278, 3, 1, height), (279, 4, 1, len(pixels)), (273, 4, 1, 14)]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags)) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 14 + len(pixels)) + struct.pack("<3H", bits, bits, bits) + pixels + directory


def written(pixels: npt.NDArray[np.uint8], kind: str, **options: object) -> bytes:
    """A file of one of Pillow's formats."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def turned(pixels: npt.NDArray[np.uint8], orientation: int, kind: str = "PNG", **options: object) -> bytes:
    """A file whose EXIF says how it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return written(pixels, kind, exif=exif, **options)


def animated(pixels: npt.NDArray[np.uint8], kind: str, count: int = 3) -> bytes:
    """A file of several pictures, the first of which is given."""
    more = [Image.fromarray(255 - pixels) for _ in range(count - 1)]
    return written(pixels, kind, save_all=True, append_images=more, **({"lossless": True} if kind == "WEBP" else {}))


def put(path: Path, content: bytes) -> Path:
    """Write a file, with the folders that it takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
