"""Files that only look like `.npz`: nothing is made room for that is not there, and each ends in a sentence."""

import io
import os
import resource
import struct
import warnings
import zipfile

import numpy as np
import pytest

from biasloop.datasets import npz
from biasloop.datasets.npz import members
from biasloop.datasets.streaming import Unreadable
from biasloop.errors import InvalidInput

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def npy(header: str | bytes, data: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    """A member with any header."""
    text = header.encode() if isinstance(header, str) else header
    size = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def described(shape: str, descr: str = "'|u1'", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def packed(path, content: bytes, method: int = zipfile.ZIP_STORED, name: str = "images.npy"):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
    return path


def refused(path) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreadable) as error:
        for member in members(path).values():
            member.read()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    return str(error.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy("x", version=2, length=2**32 - 1), "a header of 4,294,967,295 bytes, and 10,000 are the most"),
        (npy("x" * 20_000), "a header of 20,000 bytes"),
        (npy(described("(1000000000000000000,)")), "has 0 bytes, which is not uint8"),
        (npy(described("(" + "9" * 4400 + ",)")), "does not read"),
        (npy(described("(-1, -24)"), bytes(24)), "has the shape (-1, -24)"),
        (npy(described("(" + "1, " * 3000 + ")"), b"x"), "expected up to 32 whole numbers"),
        (npy(described("(0, 10000000000000000000)")), "has the shape (0, 10000000000000000000)"),
        (npy(described("(3,)", "'|O'"), bytes(24)), "Python objects, which are never read"),
        (npy(described("(3,)", "[('a', '|O')]"), bytes(24)), "Python objects, which are never read"),
        (npy(described("(2, 3)", fortran="True"), bytes(6)), "in Fortran order"),
        (npy(described("(3,)", "'nonsense'"), bytes(3)), "does not read"),
        (npy(described("(3,)", "'" + "(9,)" * 500 + "u1'"), bytes(3)), "does not read"),
        (npy("(" * 9000), "does not read"),
        (npy("-" * 9000 + "1"), "does not read"),
        (npy("{[]: 1}"), "does not read"),
        (npy("{1: 1, 'a': 2}"), "does not read"),
        (npy("__import__('os').abort()"), "does not read"),
        (npy(b"\xff\xfe" * 30), "does not read"),
        (npy("'''"), "does not read"),
        (npy(described("(3,)"), b"12"), "has 2 bytes, which is not uint8 (3,)"),
        (npy(described("(3,)"), b"12", version=3), "has format 3, expected 1 or 2"),
        (npy(described("(3,)"), b"12", version=9), "has format 9, expected 1 or 2"),
        (b"\x93NUMPX\x01\0" + bytes(100), "does not read"),
        (b"", "does not read"),
        (b"\x93NUMPY", "does not read"),
        (b"\x93NUMPY\x01\0", "does not read"),
        (npy("{", length=500), "does not read"),
    ],
)
def test_an_odd_header_is_refused(tmp_path, method, content, reason):
    assert reason in refused(packed(tmp_path / "own.npz", content, method))


def test_arrays_that_are_well_are_read_in_any_order_of_bytes(tmp_path):
    arrays = {
        "little": np.arange(5, dtype="<i8"), "big": np.arange(5, dtype=">i8"), "none": np.zeros((0, 3), np.uint8),
        "column": np.asfortranarray(np.arange(5)), "names": np.array(["a", "ö"], ">U3"), "empty": np.array([], "U1"),
        "scalar": np.array(3.5), "nothing": np.array(["", ""], "U0"),
    }  # fmt: skip
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "own.npz", **arrays)
        read = {name: member.read() for name, member in members(tmp_path / "own.npz").items()}
        assert read.keys() == arrays.keys()
        assert all(np.array_equal(read[name], array) for name, array in arrays.items())


def test_a_header_in_an_earlier_notation_is_read_without_a_word(tmp_path):
    path = packed(tmp_path / "own.npz", npy(described("(3L,)"), b"123"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert members(path)["images"].read().tolist() == [49, 50, 51]


def claiming(path, file_size: int | None = None, compress_size: int | None = None, method: int = zipfile.ZIP_STORED):
    """A file whose directory claims other sizes than there are."""
    stream = io.BytesIO()
    np.save(stream, ARRAY)
    packed(path, stream.getvalue(), method)
    data = bytearray(path.read_bytes())
    for header, at in ((b"PK\x03\x04", 18), (b"PK\x01\x02", 20)):
        start = data.index(header) + at
        for offset, size in ((0, compress_size), (4, file_size)):
            if size is not None:
                data[start + offset : start + offset + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("sizes", [{"file_size": 2**32 - 2}, {"compress_size": 2**32 - 2}, {"file_size": 10**6}])
def test_a_member_that_claims_more_than_is_there_is_refused(tmp_path, method, sizes):
    assert "claims" in refused(claiming(tmp_path / "own.npz", method=method, **sizes))


def test_a_bomb_of_a_header_takes_no_memory(tmp_path):
    content = npy(b" " * 10_000_000, version=2, length=500_000_000)
    assert "a header of 500,000,000 bytes" in refused(packed(tmp_path / "own.npz", content, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_does_not_write_are_refused(tmp_path, method):
    stream = io.BytesIO()
    np.save(stream, ARRAY)
    assert "is compressed as NumPy does not" in refused(packed(tmp_path / "own.npz", stream.getvalue(), method))


def test_an_encrypted_member_is_refused(tmp_path):
    path = claiming(tmp_path / "own.npz")
    data = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + offset] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refused(path)


def test_two_arrays_of_one_name_are_refused(tmp_path):
    stream = io.BytesIO()
    np.save(stream, ARRAY)
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("images.npy", stream.getvalue())
        archive.writestr("images.npy", stream.getvalue())
    assert "it has two arrays that are called 'images'" in refused(tmp_path / "own.npz")


def test_more_arrays_than_anybody_needs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "_MOST_MEMBERS", 3)
    np.savez(tmp_path / "own.npz", *[ARRAY] * 4)
    assert "it has 4 arrays, and 3 are the most" in refused(tmp_path / "own.npz")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "own.npz")
    with pytest.raises(InvalidInput, match="is a pipe; expected a file"):
        members(tmp_path / "own.npz")
