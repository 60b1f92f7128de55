"""Writes that fail, below the writer, at the k-th call for every k; and one real limit of the operating system."""

import errno
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop.errors import StoreError
from biasloop.hdf5 import window
from biasloop.running import engine
from biasloop.running.engine import Options
from biasloop.store import files
from biasloop.store.reader import Run

EXPERIMENT = toy_experiment(loop={"rounds": 2}, pool=200, epochs=1)
CALLS = {
    "open": errno.EACCES,
    "write": errno.ENOSPC,
    "pwrite": errno.ENOSPC,  # of checkpoints
    "fsync": errno.EIO,
    "replace": errno.EACCES,
}


class FaultyOs:
    """`os`, of which one function fails at its k-th call."""

    def __init__(self, name: str, at: int) -> None:
        self.name, self.at, self.calls = name, at, 0

    def __getattr__(self, name):
        real = getattr(os, name)
        if name != self.name:
            return real

        def call(*args, **kwargs):
            self.calls += 1
            if self.calls == self.at:
                if name in ("write", "pwrite"):
                    real(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])  # a full disk takes a part
                raise OSError(CALLS[name], os.strerror(CALLS[name]))
            return real(*args, **kwargs)

        return call


def run(directory, **options):
    return engine.run(toy_prepared(EXPERIMENT), directory, Options(Path("unused"), **{"interval": 0, **options}))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reference") / "run"
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    return directory


@pytest.mark.parametrize("name", CALLS)
def test_every_failing_call_loses_nothing(tmp_path, monkeypatch, reference, name):
    at, tries, failures = 0, 0, 0
    while True:
        at += 1 + (at // 2 if name == "pwrite" else 0)  # HDF5 writes many pieces
        directory = tmp_path / f"{name}-{at}"
        with monkeypatch.context() as patch:
            faulty = FaultyOs(name, at)
            patch.setattr(files, "os", faulty)
            patch.setattr(window, "os", faulty)
            try:
                run(directory)
                if faulty.calls < at:
                    break
            except StoreError as error:
                failures += 1
                if name in ("write", "pwrite"):
                    assert re.search(r"No space left on device; [1-9][\d,]* bytes needed, [\d,]+ free", str(error))
                assert str(error).count("\n") == 0
                assert "everything committed before is intact" in str(error)
        if (directory / "manifest.json").exists():
            committed = Run.open(directory).rounds
            assert committed == list(range(len(committed)))
        assert not list(directory.glob(".tmp-*"))
        run(directory)
        assert_same_run(directory, reference)
        tries += 1
    assert failures == tries > 5


def test_a_file_size_limit_of_the_system_is_one_sentence(tmp_path, reference):
    """A real refused write: the process may not write files above 5 kB."""
    directory = tmp_path / "run"
    code = (
        "import resource, signal, sys\n"
        "sys.path[:0] = sys.argv[2:]\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path\n"
        "from store_fault_child import run\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))\n"
        "run(Path(sys.argv[1]))\n"
    )
    (tmp_path / "store_fault_child.py").write_text(
        "from support.loops import OPTIONS, toy_experiment, toy_prepared\n"
        "from biasloop.running import engine\n"
        "def run(directory):\n"
        "    prepared = toy_prepared(toy_experiment(loop={'rounds': 2}, pool=200, epochs=1))\n"
        "    engine.run(prepared, directory, OPTIONS)\n"
    )
    tests = Path(__file__).parents[1]
    paths = [str(tmp_path), str(tests), str(tests / "toy_plugin" / "src")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory), *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "StoreError" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 5_000
    run(directory)
    assert_same_run(directory, reference)
