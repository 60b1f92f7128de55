"""Files that appear whole: the system may take or give less than it was asked to, and a flush comes before a name."""

import os

import numpy as np
import pytest

from biasloop.hdf5 import window
from biasloop.records.record import Model, Record
from biasloop.store import files, seal
from biasloop.store.codec import Header

DATA = bytes(range(256)) * 9


class Slow:
    """`os`, of which every call that moves bytes moves few of them, as the system may."""

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, handle, data):
        return os.write(handle, bytes(data)[:101])

    def pwrite(self, handle, data, at):
        return os.pwrite(handle, bytes(data)[:101], at)

    def pread(self, handle, size, at):
        return os.pread(handle, size if size == seal.BLOCK else min(size, 101), at)

    def preadv(self, handle, buffers, at):
        return os.preadv(handle, [buffers[0][:101]], at)


def slowed(monkeypatch):
    for module in (files, seal, window):
        monkeypatch.setattr(module, "os", Slow())


def test_what_is_written_in_parts_is_whole(tmp_path, monkeypatch):
    slowed(monkeypatch)
    files.write_atomically(tmp_path / "file", DATA)
    assert (tmp_path / "file").read_bytes() == DATA


def test_what_is_sealed_in_parts_is_whole_and_read_in_parts(tmp_path, monkeypatch):
    record = Record(models={"m": Model("kind", {"w": np.arange(300.0)})})
    header = Header("partial", "key", "0" * 64, "")
    seal.write(tmp_path / "at-once", header, record)
    slowed(monkeypatch)
    seal.write(tmp_path / "in-parts", header, record)
    assert (tmp_path / "in-parts").read_bytes() == (tmp_path / "at-once").read_bytes()
    read, content = seal.read(tmp_path / "in-parts")
    assert read == header
    assert np.array_equal(content.models["m"].arrays["w"], np.arange(300.0))


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_afterwards(tmp_path, monkeypatch):
    calls = []

    class Told:
        def __getattr__(self, name):
            calls.append(name)
            return getattr(os, name)

    monkeypatch.setattr(files, "os", Told())
    files.write_atomically(tmp_path / "file", DATA)
    assert [name for name in calls if name in {"fsync", "replace"}] == ["fsync", "replace", "fsync"]
    calls.clear()
    files.write_atomically(tmp_path / "file", DATA, flush=False)
    assert [name for name in calls if name in {"fsync", "replace"}] == ["fsync", "replace"]


def test_an_end_at_once_in_the_middle_of_a_file_leaves_the_old_one_and_nothing_else(tmp_path):
    files.write_atomically(tmp_path / "file", b"before")
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "file") as new:
        files.write_all(new.handle, DATA)
        raise KeyboardInterrupt
    assert (tmp_path / "file").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
