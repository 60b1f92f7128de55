"""A checkpoint is written and read back without a second copy of what it holds, in processes of their own."""

import subprocess
import sys

import pytest

MOST = 64 * 10**6
SIZE = 10**6  # numbers of an array
PROGRAM = f"""
import os, resource, sys
from pathlib import Path
import numpy as np
from biasloop.records.record import Record
from biasloop.store.claims import claimed
from biasloop.store.writer import RunWriter

os.fsync = lambda handle: None  # what a disk does is not what is measured

def most():  # of this process alone: getrusage also knows of the process before exec
    try:
        return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

held = claimed(Path("."))
writer = RunWriter.create_or_resume(Path("."), {{"seed": 0}}, {{}}, {{}}, held.__enter__())
writer.put_partial("small", {{"x": np.zeros(3)}}, Record())
writer.get_partial("small")
expected = lambda number: np.arange({SIZE}, dtype=np.float32) + number
what, count = sys.argv[1], int(sys.argv[2])
if what == "write":
    arrays = {{f"network.{{number}}": expected(number) for number in range(count)}}
    before = most()
    writer.put_partial("fit", arrays, Record())
else:
    before = most()
    arrays, _ = writer.get_partial("fit")
rise = most() - before
assert all(arrays[f"network.{{number}}"].tobytes() == expected(number).tobytes() for number in range(count))
print(rise)
"""


@pytest.fixture
def rise(tmp_path):
    """Bytes by which the most that a process held rises while it writes or reads so many arrays."""

    def measure(what, count):
        command = [sys.executable, "-c", PROGRAM, what, str(count)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    return measure


@pytest.mark.parametrize("count", [32, pytest.param(62, marks=pytest.mark.slow)])  # 128 MB and 248 MB
def test_a_checkpoint_needs_little_more_memory_than_its_arrays(rise, count):
    assert rise("write", count) <= MOST
    assert rise("read", count) <= MOST + count * SIZE * 4
