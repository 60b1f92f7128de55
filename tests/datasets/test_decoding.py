"""Image files that may be anything: no decoder but the documented ones, no more pixels than are sane, one error."""

import io
import os
import subprocess

import numpy as np
import pytest
from PIL import Image
from support.pictures import EPS, animated, png, png16, put, tiff, turned, written

from biasloop.datasets import decoding
from biasloop.datasets.decoding import bits, has_several, opened, upright, upright_size
from biasloop.datasets.streaming import Unreadable
from biasloop.errors import InvalidInput

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
KINDS = ["PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM"]


def read(source) -> np.ndarray:
    with opened(source) as image:
        return np.asarray(upright(image, "RGB"))


def refused(source) -> str:
    with pytest.raises(Unreadable) as error:
        read(source)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_documented_kind_is_read_whatever_its_suffix(tmp_path, kind):
    path = put(tmp_path / "image.png", written(PIXELS, kind))
    assert np.array_equal(read(path), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("name", ["page.png", "page.eps", "page.jpg"])
def test_an_eps_file_starts_no_program_whatever_it_is_called(tmp_path, monkeypatch, name):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a))
    assert "it is none of PNG, JPEG, BMP, WEBP, GIF, TIFF, PPM" in refused(put(tmp_path / name, EPS))
    assert not started


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "SGI", "ICNS", "PDF", "JPEG2000"])
def test_other_kinds_are_refused_though_pillow_reads_them(tmp_path, kind):
    assert "it is none of PNG" in refused(put(tmp_path / "other.png", written(np.zeros((16, 16, 3), np.uint8), kind)))


def test_a_file_that_claims_too_many_pixels_is_refused_before_they_are_read(tmp_path):
    for width, height in ((8193, 8192), (20_000, 20_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)):
        path = put(tmp_path / "bomb.png", png(width, height, 1, 0, b""))
        assert refused(path).startswith("it says that it has more than 67,108,864 pixels"), (width, height)
    assert "more than 67,108,864 pixels" in refused(put(tmp_path / "bomb.ppm", b"P6 10000 10000 255\n"))


def test_a_truncated_file_is_refused(tmp_path):
    for kind in KINDS:
        content = written(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8), kind)
        for length in (0, 3, 20, len(content) // 2):
            refused(put(tmp_path / "cut", content[:length]))


def test_what_is_no_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for path, kind in ((tmp_path / "pipe.png", "a pipe"), (tmp_path, "a directory")):
        with pytest.raises(InvalidInput, match=f"is {kind}; expected a file"):
            read(path)
    assert refused(tmp_path / "nothing.png") == "No such file or directory"


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_sixteen_bits_of_a_png_are_seen(colour):
    with opened(io.BytesIO(png16(colour))) as image:
        assert bits(image) == 16
        image.load()  # looking does not disturb the decoder
    with opened(io.BytesIO(written(PIXELS, "PNG"))) as image:
        assert bits(image) == 8
        assert np.array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"P6 2 1 65535\n" + bytes(12), 16),
        (b"P6\n# a word on it\n2 1\n256\n" + bytes(12), 16),
        (b"P5 2 1 65535\n" + bytes(4), 16),
        (b"P5 2 1 1023\n" + bytes(4), 16),
        (b"P3 2 1 65535 1 2 3 4 5 6\n", 16),
        (b"P2 2 1 300 1 2\n", 16),
        (b"P6 2 1 255\n" + bytes(6), 8),
        (b"P6 2 1 15\n" + bytes(6), 8),
        (b"P3 2 1 255 1 2 3 4 5 6\n", 8),
        (b"P1 2 1 1 0\n", 8),
        (tiff(16), 16),
        (tiff(8), 8),
    ],
)
def test_bits_a_channel_of_other_kinds(content, expected):
    with opened(io.BytesIO(content)) as image:
        assert bits(image) == expected
        image.load()


def test_a_png_whose_header_comes_later_is_refused():
    content = written(PIXELS, "PNG")
    later = content[:8] + b"\0\0\0\0gAMA" + content[8:]
    with pytest.raises(Unreadable), opened(io.BytesIO(later)) as image:
        bits(image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_images_stand_upright(kind, orientation):
    """What the file holds is turned and mirrored as the tag says (EXIF 2.3, 4.6.4): row 0 and column 0 are ..."""
    upright_one = np.repeat(np.repeat(np.arange(48, dtype=np.uint8).reshape(8, 6)[..., None] * 5, 8, 0), 8, 1)
    upright_one = np.repeat(upright_one, 3, 2)
    stored = {
        1: upright_one,
        2: upright_one[:, ::-1],
        3: upright_one[::-1, ::-1],
        4: upright_one[::-1],
        5: upright_one.swapaxes(0, 1),
        6: upright_one.swapaxes(0, 1)[::-1],  # row 0 is the right side, column 0 the top
        7: upright_one.swapaxes(0, 1)[::-1, ::-1],
        8: upright_one.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    content = turned(np.ascontiguousarray(stored), orientation, kind, **options)
    with opened(io.BytesIO(content)) as image:
        size = upright_size(image)
        pixels = np.asarray(upright(image, "RGB"))
    assert size == pixels.shape[:2] == (64, 48)
    assert abs(pixels.astype(int) - upright_one).max() <= (4 if kind == "JPEG" else 0)


@pytest.mark.parametrize(
    "damage", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"?"]
)
def test_damaged_notes_do_not_make_a_picture_unreadable(damage):
    for kind in ("PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = written(PIXELS, kind, exif=damage, **options)
        assert np.array_equal(read(io.BytesIO(content)), PIXELS)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_pictures_is_read(kind):
    pixels = np.full((8, 6, 3), 20, np.uint8)
    with opened(io.BytesIO(animated(pixels, kind))) as image:
        assert has_several(image)
        assert np.array_equal(np.asarray(upright(image, "RGB")), pixels)
    with opened(io.BytesIO(written(pixels, kind))) as image:
        assert not has_several(image)


def test_a_file_of_the_largest_size_takes_little_memory(tmp_path, monkeypatch):
    import resource

    lines = bytes(1 + 1024) * 8192
    path = put(tmp_path / "large.png", png(8192, 8192, 1, 0, lines))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with opened(path) as image:
        assert upright(image, "L").size == (8192, 8192)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # kB
    monkeypatch.setattr(decoding, "MOST_PIXELS", 100)
    assert "more than 100 pixels" in refused(path)
