"""What a checkpoint of 244 MB costs: seconds, and memory above its arrays; written, and read back.

The reference is the same content by way of memory: an HDF5 image, a copy of it, another with the seal before it;
reading, the file's bytes, those behind the seal, and HDF5's image of them. Every measurement is a process of its own,
ours and the reference's in turn. Run as a script, it prints a table (`--megabytes 30` for a short one); `pytest
benchmarks/bench_checkpoint.py` times ours alone.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from biasloop.records.record import Model, Record
from biasloop.store import codec, seal
from biasloop.store.codec import Header
from biasloop.store.files import write_atomically

HEADER = Header("partial", "round-0000/fit", "", "")
ARRAY = 610_000  # float32 of one array
NAME = "fit.h5"


def record(megabytes):
    """A fit's arrays, 2.44 MB each."""
    count = max(1, round(megabytes / (4e-6 * ARRAY)))
    arrays = {f"network.{i}": np.arange(ARRAY, dtype=np.float32) * np.float32(1.1) + i for i in range(count)}
    return Record(models={"@state": Model("state", arrays)})


def block(content):
    return f"biasloop sha256 {hashlib.sha256(content).hexdigest()}\n".encode().ljust(seal.BLOCK, b"\0")


def write_by_memory(path, values):
    content = codec.encode(HEADER, values)
    write_atomically(path, block(content) + content)


def read_by_memory(path):
    data = path.read_bytes()
    content = data[seal.BLOCK :]
    assert data[: seal.BLOCK] == block(content)
    return codec.decode(content, str(path))[1]


WAYS = {
    "ours": (lambda path, values: seal.write(path, HEADER, values), lambda path: seal.read(path)[1]),
    "reference": (write_by_memory, read_by_memory),
}


def most():
    """Bytes of memory that this process held at most."""
    return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def measure(way, what, path, megabytes):
    """Seconds, and MB by which the most that the process holds rises; of what is read, above its arrays."""
    write, read = WAYS[way]
    small = path.with_name("small.h5")
    write(small, record(0))
    read(small)
    values = record(megabytes) if what == "write" else Record()
    before, begun = most(), time.perf_counter()
    if what == "write":
        write(path, values)
    else:
        values = read(path)
    seconds, rise = time.perf_counter() - begun, (most() - before) / 1e6
    arrays = sum(array.nbytes for array in values.models["@state"].arrays.values()) / 1e6
    return seconds, rise if what == "write" else rise - arrays


def apart(way, what, path, megabytes):
    """`measure`, in a process of its own."""
    command = [sys.executable, __file__, "--measure", way, what, str(path), "--megabytes", str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_checkpoint_is_written(benchmark, tmp_path):
    values = record(30)
    benchmark.pedantic(lambda: seal.write(tmp_path / NAME, HEADER, values), rounds=5, warmup_rounds=1)


def test_a_checkpoint_is_read(benchmark, tmp_path):
    seal.write(tmp_path / NAME, HEADER, record(30))
    benchmark.pedantic(lambda: seal.read(tmp_path / NAME), rounds=5, warmup_rounds=1)


def show(megabytes, pairs):
    print(f"{megabytes} MB of arrays, median of {pairs} alternating pairs")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / NAME
        for what in ("write", "read"):
            seconds, rises = {way: [] for way in WAYS}, {way: [] for way in WAYS}
            for _ in range(pairs):
                for way in WAYS:
                    took, rise = apart(way, what, path, megabytes)
                    seconds[way].append(took)
                    rises[way].append(rise)
            for way in WAYS:
                took, rise = statistics.median(seconds[way]), max(rises[way])
                print(f"  {what}, {way}: {took:.2f} s, at most {rise:,.0f} MB above the arrays")
            ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["reference"], strict=True)]
            print(f"  {what}: {statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=244)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--measure", nargs=3)
    options = parser.parse_args()
    if options.measure:
        way, what, path = options.measure
        print(json.dumps(measure(way, what, Path(path), options.megabytes)))
    else:
        show(options.megabytes, options.pairs)
