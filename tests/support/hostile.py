"""HDF5 files that mean harm, and files hurt at random."""

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np

from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.errors import DamagedStore
from biasloop.records.ledger import Ledger
from biasloop.records.record import Model, Record
from biasloop.store import codec
from biasloop.store.codec import Header

HEADER = Header("round", "round-0003", "ab" * 32, "cd" * 32, "model")
CURVE = "frames/curve"
EPOCH = f"{CURVE}/epoch"


def record_file(rows: int = 300) -> bytes:
    """A valid file with everything that files have: large columns are packed, larger ones have checksums."""
    rng = np.random.default_rng(0)
    labels = Frame({"target": Column(rng.integers(0, 10, rows), vocabulary="classes")})
    keys = Frame({"shard": Column(np.arange(rows) // 10 - 1, vocabulary="shards")})
    table = Frame({"prediction": Column(rng.integers(0, 3, 9000)), "confidence": Column(rng.random(9000))})
    curve = {
        "epoch": Column(np.arange(5)),
        "note": Column.text(["a", "bc", "", "d", "e"]),
        "on": Column(np.ones(5, bool)),
    }
    metrics = {"accuracy": Metric(0.5, 3, 0.1), "share": Metric(0.1, 3)}
    record = Record(
        Ledger.entry(np.arange(rows), 1, 2, labels, weight=rng.random(rows), propensity=rng.random(rows), inputs=keys),
        {"test": Evaluation(metrics, {"test": table})},
        {"curve": Frame(curve)},
        {"model": Model("kind", {"weight": rng.random((4, 3)).astype(np.float32), "scale": np.float32(2)})},
        {"train": 3, "human": 4},
    )
    return codec.encode(HEADER, record)


def altered(data: bytes, change, directory: Path) -> bytes:
    """The bytes of a file after a change to it."""
    path = directory / "altered.h5"
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        change(file)
    return path.read_bytes()


def fit_manifest(run: Path, name: str) -> None:
    """Make a run's manifest name a file as it is now."""
    manifest = json.loads((run / "manifest.json").read_text())
    data = (run / name).read_bytes()
    for entry in manifest["files"]:
        if entry["name"] == name:
            entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (run / "manifest.json").write_text(json.dumps(manifest))


# --- one kind of harm each; `directory` has secret.txt and a pipe


def external_file(file, directory):
    del file[EPOCH]
    file[CURVE].create_dataset("epoch", (5,), np.int64, external=[(str(directory / "secret.txt"), 0, 40)])


def external_pipe(file, directory):
    del file[EPOCH]
    file[CURVE].create_dataset("epoch", (5,), np.int64, external=[(str(directory / "pipe"), 0, 40)])


def external_and_never_read(file, directory):
    file["added"].create_dataset("more", (5,), np.int64, external=[(str(directory / "pipe"), 0, 40)])


def virtual_dataset(file, directory):
    del file[EPOCH]
    layout = h5py.VirtualLayout((5,), np.int64)
    layout[:] = h5py.VirtualSource(str(directory / "secret.txt"), "x", (5,))
    file[CURVE].create_virtual_dataset("epoch", layout)


def virtual_dataset_of_a_pipe(file, directory):
    del file[EPOCH]
    layout = h5py.VirtualLayout((5,), np.int64)
    layout[:] = h5py.VirtualSource(str(directory / "pipe"), "x", (5,))
    file[CURVE].create_virtual_dataset("epoch", layout)


def virtual_dataset_of_this_file(file, directory):
    del file[EPOCH]
    layout = h5py.VirtualLayout((5,), np.int64)
    layout[:] = h5py.VirtualSource(".", "/added/ids", (300,))[:5]
    file[CURVE].create_virtual_dataset("epoch", layout)


def soft_link(file, directory):
    del file[EPOCH]
    file[EPOCH] = h5py.SoftLink("/added/ids")


def dangling_soft_link(file, directory):
    file[f"{CURVE}/more"] = h5py.SoftLink("/nowhere")


def external_link(file, directory):
    del file[EPOCH]
    file[EPOCH] = h5py.ExternalLink(str(directory / "pipe"), "/x")


def second_name(file, directory):
    file[f"{CURVE}/again"] = file[EPOCH]


def cycle(file, directory):
    file[f"{CURVE}/up"] = file["frames"]


def cycle_to_the_root(file, directory):
    file[f"{CURVE}/up"] = file["/"]


def named_type(file, directory):
    file[f"{CURVE}/type"] = np.dtype(np.int64)


def dataset_of_a_named_type(file, directory):
    del file[EPOCH]
    file["added/type"] = np.dtype(np.int64)
    file[CURVE].create_dataset("epoch", (5,), dtype=file["added/type"], data=np.arange(5))


def strings_of_any_length(file, directory):
    del file[EPOCH]
    file[EPOCH] = np.array(["a", "b", "c", "d", "e"], h5py.string_dtype())


def references(file, directory):
    del file[EPOCH]
    file[EPOCH] = np.array([file["added"].ref] * 5, h5py.ref_dtype)


def ragged_of_hdf5(file, directory):
    del file[EPOCH]
    made = file[CURVE].create_dataset("epoch", (5,), h5py.vlen_dtype(np.int64))
    made[0] = [1, 2]


def several_fields(file, directory):
    del file[EPOCH]
    file[EPOCH] = np.zeros(5, [("a", "i4"), ("b", "f8")])


def another_filter(file, directory):
    del file[EPOCH]
    file[CURVE].create_dataset("epoch", (5,), np.int64, data=np.arange(5), chunks=(5,), scaleoffset=4)


def packed_twice(file, directory):
    del file[EPOCH]
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((5,))
    made.set_deflate(1)
    made.set_filter(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FLAG_OPTIONAL, (1,))
    item = h5py.h5d.create(file[CURVE].id, b"epoch", h5py.h5t.STD_I64LE, h5py.h5s.create_simple((5,)), made)
    item.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(5))


def nothing_but_a_fill_value(file, directory):
    del file[EPOCH]
    file[CURVE].create_dataset("epoch", (10**9,), np.int64, fillvalue=7)


def missing_chunks(file, directory):
    del file[EPOCH]
    file[CURVE].create_dataset("epoch", (10**9,), np.int64, chunks=(10**6,), fillvalue=7)


def no_space(file, directory):
    del file[EPOCH]
    file[EPOCH] = h5py.Empty(np.int64)


def unknown_encoding(file, directory):
    file[CURVE].attrs["encoding"] = np.bytes_("scroll/1")


def missing_encoding(file, directory):
    del file[CURVE].attrs["encoding"]


def group_without_encoding_that_is_never_read(file, directory):
    file.create_group("added/more")


def attribute_of_many_values(file, directory):
    file[CURVE].attrs["role"] = np.zeros(1000)


def attribute_of_any_length(file, directory):
    file[EPOCH].attrs["role"] = "target"


def attribute_that_is_a_reference(file, directory):
    file[EPOCH].attrs["role"] = file["added"].ref


def many_groups_in_one_another(file, directory):
    file.create_group(f"{CURVE}/" + "/".join("a" * 40))


def size_that_is_text(file, directory):
    file["sizes"].attrs["train"] = np.bytes_("many")


HURTS = (
    external_file, external_pipe, external_and_never_read, virtual_dataset, virtual_dataset_of_a_pipe,
    virtual_dataset_of_this_file, soft_link, dangling_soft_link, external_link, second_name, cycle, cycle_to_the_root,
    named_type, dataset_of_a_named_type, strings_of_any_length, references, ragged_of_hdf5, several_fields,
    another_filter, packed_twice, nothing_but_a_fill_value, missing_chunks, no_space, unknown_encoding,
    missing_encoding, group_without_encoding_that_is_never_read, attribute_of_many_values, attribute_of_any_length,
    attribute_that_is_a_reference, many_groups_in_one_another, size_that_is_text,
)  # fmt: skip


# --- at random, in a process of their own: HDF5 is written in C, and a crash of it must be seen


def hurt_at_random(tries: int, seed: int, directory: Path) -> None:
    """Read that many hurt files; each gives a record or a sentence, in time and in less than 1 GB.

    A process reads a few hundred of them. It ends with another status than 0, or is ended, if one does not.
    """
    (directory / "secret.txt").write_bytes(b"password" * 100)
    subprocess.run(["mkfifo", directory / "pipe"], check=True)
    for first in range(0, tries, 250):
        count = min(250, tries - first)
        command = [sys.executable, __file__, str(count), str(seed + first), str(directory)]
        path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 + count, check=False, env=path)
        assert done.returncode == 0, (
            f"from {seed + first}: {done.returncode}\n{done.stdout[-300:]}\n{done.stderr[-3000:]}"
        )
        outcomes = json.loads(done.stdout)
        assert outcomes["refused"] + outcomes["read"] == count
        assert outcomes["refused"] > count // 4
        assert outcomes["slowest"] < 20
        assert outcomes["peak"] < 10**9


def _peak() -> int:
    """Bytes of memory that this process had at most; what the system counts of a child begins at its parent's."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hurt(rng, data: bytes, directory: Path) -> bytes:
    """A file with flipped bytes, or with harm done to its structure, or both."""
    if rng.random() < 0.4:

        def change(file):
            for _ in range(rng.integers(1, 3)):
                _restructure(rng, file, directory)

        data = altered(data, change, directory)
    if rng.random() < 0.75:
        hurt = bytearray(data)
        for place in rng.integers(0, len(hurt), int(rng.integers(1, 6))):
            hurt[place] = rng.integers(0, 256) if rng.random() < 0.5 else hurt[place] ^ (1 << rng.integers(0, 8))
        if rng.random() < 0.05:
            del hurt[int(rng.integers(0, len(hurt))) :]
        data = bytes(hurt)
    return data


def _restructure(rng, file, directory: Path) -> None:
    items: list[str] = []
    file.visit(items.append)
    path = items[rng.integers(len(items))]
    if rng.random() < 0.4:
        try:
            HURTS[rng.integers(len(HURTS))](file, directory)
        except (KeyError, ValueError, OSError, RuntimeError):
            del file[path]  # it was changed before
        return
    item, kind = file[path], rng.integers(5)
    if kind == 0:
        names = list(item.attrs)
        if names:
            del item.attrs[names[rng.integers(len(names))]]
    elif kind == 1:
        values = [
            3,
            2.5,
            np.zeros(3),
            "text",
            np.bytes_(b"\xff\xfe"),
            np.bytes_("mapping/1"),
            np.bytes_("frame/1"),
            -(2**60),
        ]
        item.attrs[["encoding", "role", "kind", "train", "name", "vocabulary"][rng.integers(6)]] = values[
            rng.integers(len(values))
        ]
    elif kind == 2:
        del file[path]
    elif kind == 3:
        del file[path]
        dtypes = [np.uint8, np.int16, np.float64, np.float16, np.complex64, "S5", bool]
        shapes = [(), (0,), (5,), (6,), (5, 2), (300,), (2, 2, 2)]
        file[path] = np.zeros(shapes[rng.integers(len(shapes))], dtypes[rng.integers(len(dtypes))])
    else:
        file.move(path, items[rng.integers(len(items))] + "-moved")


def _read_hurt_files(count: int, seed: int, directory: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    outcomes, slowest = {"read": 0, "refused": 0}, 0.0
    files = [record_file(20), record_file(300)]
    for number in range(seed, seed + count):
        rng = np.random.default_rng(number)
        data = _hurt(rng, files[rng.integers(2)], directory)
        (directory / "tried.h5").write_bytes(data)
        print(number, file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            codec.encode(*codec.decode(data, "file"))
            outcomes["read"] += 1
        except DamagedStore as error:
            assert str(error).isprintable(), str(error)
            assert "password" not in str(error)
            outcomes["refused"] += 1
        slowest = max(slowest, time.monotonic() - started)
    peak = _peak()
    print(json.dumps({**outcomes, "slowest": slowest, "peak": peak}))


if __name__ == "__main__":
    _read_hurt_files(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
