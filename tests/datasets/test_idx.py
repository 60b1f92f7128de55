import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archives import idx, tiny

from biasloop.errors import DownloadError

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def refused(tmp_path, filename: str, content: bytes) -> str:
    """Why a data set with this file is refused, in one sentence that names file and command."""
    dataset = tiny("mnist").put(tmp_path, {filename: content})
    with pytest.raises(DownloadError) as error:
        dataset.load(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'mnist' / filename} is damaged: ")
    assert message.endswith("; `biasloop fetch mnist` gets it anew")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kept", [0, 1, 9, 10, 12, 200, -9, -1])
def test_a_truncated_file(tmp_path, kept):
    whole = tiny("mnist").files[IMAGES]
    assert len(whole) > 7000
    refused(tmp_path, IMAGES, whole[:kept])


def test_a_flipped_bit_behind_the_last_pixel_is_found_by_the_checksum(tmp_path):
    whole = bytearray(tiny("mnist").files[IMAGES])
    whole[-6] ^= 1
    assert "does not unpack (CRC" in refused(tmp_path, IMAGES, bytes(whole))


def test_not_gzip(tmp_path):
    assert "does not unpack" in refused(tmp_path, LABELS, idx(np.zeros(10, np.uint8)))


@pytest.mark.parametrize(
    ("magic", "found"),
    [
        (b"\x00\x00\x08\x01", "00000801"),  # labels where images belong
        (b"\x00\x00\x09\x03", "00000903"),  # signed bytes
        (b"\x00\x00\x0d\x03", "00000d03"),  # floats
        (b"\x50\x4b\x03\x04", "504b0304"),
    ],
)
def test_another_magic_number(tmp_path, magic, found):
    content = magic + gzip.decompress(tiny("mnist").files[IMAGES])[4:]
    assert f"starts with {found}, expected 00000803" in refused(tmp_path, IMAGES, gzip.compress(content))


@pytest.mark.parametrize("shape", [(9, 28, 28), (11, 28, 28), (10, 28, 27), (2**31 - 1, 28, 28)])
def test_other_dimensions(tmp_path, shape):
    content = b"\x00\x00\x08\x03" + struct.pack(">iii", *shape) + bytes(7840)
    message = refused(tmp_path, IMAGES, gzip.compress(content))
    assert f"dimensions are {shape}, expected (10, 28, 28)" in message


@pytest.mark.parametrize("count", [9, 11])
def test_labels_that_do_not_match_the_images(tmp_path, count):
    content = gzip.compress(idx(np.zeros(count, np.uint8)))
    assert f"dimensions are ({count},), expected (10,)" in refused(tmp_path, LABELS, content)


@pytest.mark.parametrize(("extra", "found"), [(-1, "only 9"), (1, "more")])
def test_less_or_more_data_than_the_header_says(tmp_path, extra, found):
    content = gzip.compress(b"\x00\x00\x08\x01" + struct.pack(">i", 10) + bytes(10 + extra))
    assert f"it holds {found} bytes of data, expected 10" in refused(tmp_path, LABELS, content)


def test_a_header_cut_short(tmp_path):
    assert "dimensions are (10, 28)" in refused(
        tmp_path, IMAGES, gzip.compress(b"\x00\x00\x08\x03" + struct.pack(">ii", 10, 28) + b"\x00")
    )


def test_a_label_out_of_range(tmp_path):
    dataset = tiny("mnist").put(tmp_path, {LABELS: gzip.compress(idx(np.array([0] * 9 + [10], np.uint8)))})
    with pytest.raises(DownloadError, match=r"label 10 of image 9 is not a whole number from 0 to 9"):
        dataset.load(tmp_path)


@given(st.data())
def test_no_damage_to_a_file_goes_unnoticed_or_raises_anything_else(tmp_path_factory, data):
    """A byte changed or a tail lost: refused, or the very same arrays (a gzip header has free bytes)."""
    made = tiny("mnist")
    filename = data.draw(st.sampled_from(sorted(made.files)))
    content = bytearray(made.files[filename])
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path = tmp_path_factory.mktemp("damage")
    try:
        loaded = made.put(path, {filename: bytes(content)}).load(path)
    except DownloadError as error:
        assert filename in str(error)
    else:
        assert np.array_equal(loaded.images, made.images)
        assert loaded.labels.tolist() == made.labels
