"""A part of an open file, read and written by HDF5; what the system refuses is raised once, at the end."""

import errno
import os

import h5py
import numpy as np
import pytest

from biasloop import hdf5
from biasloop.hdf5 import Window, window

VALUES = np.arange(40_000, dtype=np.float64)


@pytest.fixture
def handle(tmp_path):
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    yield handle
    os.close(handle)


def fill(part):
    with h5py.File(part, "w") as file:
        file.create_dataset("values", data=VALUES, chunks=(9_000,), fletcher32=True)
        file["few"] = np.arange(3)


class Refusing:
    """`os`, of which the k-th call that changes a file is refused, and so are all after it."""

    def __init__(self, at):
        self.left, self.calls = at, 0

    def __getattr__(self, name):
        return getattr(os, name)

    def pwrite(self, *arguments):
        return self._call(os.pwrite, *arguments)

    def ftruncate(self, *arguments):
        return self._call(os.ftruncate, *arguments)

    def _call(self, call, *arguments):
        self.calls += 1
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(*arguments)


def test_a_part_is_a_file_of_its_own_and_nothing_before_it_changes(tmp_path, handle):
    os.write(handle, b"x" * 700)
    part = Window(handle, 700)
    fill(part)
    part.close()
    assert (tmp_path / "file").read_bytes()[:700] == b"x" * 700
    assert part.end == os.fstat(handle).st_size - 700 > VALUES.nbytes
    with hdf5.opened(Window(handle, 700)) as root:
        assert np.array_equal(root.dataset("values").read(), VALUES)
        assert np.array_equal(root.dataset("values").rows(8_000, 19_000), VALUES[8_000:19_000])
        assert root.dataset("few").read().tolist() == [0, 1, 2]
    (tmp_path / "copy.h5").write_bytes((tmp_path / "file").read_bytes()[700:])
    with h5py.File(tmp_path / "copy.h5") as file:
        assert np.array_equal(file["values"][:], VALUES)


def test_whichever_write_is_refused_the_file_is_let_go_of_and_the_size_it_needs_is_known(handle, monkeypatch):
    refusing = Refusing(10**6)
    monkeypatch.setattr(window, "os", refusing)
    part = Window(handle, 0)
    fill(part)
    part.close()
    needed, calls = part.end, refusing.calls
    assert calls > 5
    for at in range(calls):
        refusing.left = at
        os.ftruncate(handle, 0)
        part = Window(handle, 0)
        fill(part)
        assert part.end == needed
        with pytest.raises(OSError, match="No space left on device"):
            part.close()
        assert not h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE)


def test_a_part_that_was_closed_takes_no_byte_of_what_its_descriptor_is_given_to_next(handle):
    part = Window(handle, 0)
    part.write(b"abc")
    part.close()
    part.write(b"def")
    part.truncate(0)
    assert os.pread(handle, 10, 0) == b"abc"
    with pytest.raises(OSError, match="the file ends too soon"):
        part.read(1)


def test_a_file_that_ends_too_soon_is_malformed(tmp_path, handle):
    part = Window(handle, 0)
    fill(part)
    part.close()
    with hdf5.opened(Window(handle, 0)) as root:
        os.ftruncate(handle, part.end // 2)
        with pytest.raises(hdf5.Malformed):
            root.dataset("values").read()
    with pytest.raises(hdf5.Malformed), hdf5.opened(Window(handle, 0)):
        pass
