"""Checkpoints, finished calls and shared calls: a flipped bit costs the work again, and never changes a number."""

import hashlib
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.chains import chain
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop.errors import DamagedStore
from biasloop.records.record import Model, Record
from biasloop.running import engine, provenance
from biasloop.running.engine import Notice, Options
from biasloop.store import codec, seal
from biasloop.store.claims import claimed
from biasloop.store.codec import Header
from biasloop.store.reader import Run
from biasloop.store.seal import BLOCK
from biasloop.store.shared import SharedCalls
from biasloop.store.writer import RunWriter

EXPERIMENT = toy_experiment(loop={"rounds": 2}, pool=200, epochs=6)
PARTIAL = ("round-0001.fit.h5", "round-0001.label.done.h5")  # a checkpoint, and a call that had finished


def sealed(content):
    """A sealed file's bytes, as `docs/store-format.md` says."""
    return f"biasloop sha256 {hashlib.sha256(content).hexdigest()}\n".encode().ljust(BLOCK, b"\0") + content


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(bytes(data))


def test_every_bit_of_a_sealed_file_counts_and_hdf5_reads_it_as_it_is(tmp_path):
    header, path = Header("partial", "call", "", ""), tmp_path / "file.h5"
    seal.write(path, header, Record(models={"m": Model("k", {"a": np.arange(3)})}))
    data, damaged = path.read_bytes(), rf"^{path} is damaged \(its content does not match its digest\)$"
    assert data == sealed(data[BLOCK:])
    kept, record = seal.read(path)
    assert kept == header
    assert record.models["m"].arrays["a"].tolist() == [0, 1, 2]
    with h5py.File(path) as file:
        assert file.userblock_size == BLOCK
        assert file["models/m/a"][:].tolist() == [0, 1, 2]
    for at in [*range(0, BLOCK), *range(BLOCK, len(data), 5), -1]:
        with path.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), bytes([data[at] ^ 1 << (at % 8)]), at % len(data))
            with pytest.raises(DamagedStore, match=damaged):
                seal.read(path)
            os.pwrite(file.fileno(), data[at : at + 1] or data[at:], at % len(data))
    for cut in (b"", data[:100], data[:-1], data + b"\0"):
        path.write_bytes(cut)
        with pytest.raises(DamagedStore, match=damaged):
            seal.read(path)
    path.write_bytes(data[BLOCK:])
    with pytest.raises(DamagedStore, match="was kept by an earlier biasloop"):
        seal.read(path)
    path.unlink()
    assert seal.read(path) is None
    assert seal.read(tmp_path) is None


def test_a_sealed_file_of_an_earlier_biasloop_which_made_it_in_memory_is_read(tmp_path):
    header, record = Header("partial", "call", "a", "b"), Record(models={"m": Model("k", {"a": np.arange(30_000)})})
    (tmp_path / "file.h5").write_bytes(sealed(codec.encode(header, record)))
    kept, again = seal.read(tmp_path / "file.h5")
    assert kept == header
    assert np.array_equal(again.models["m"].arrays["a"], np.arange(30_000))


@pytest.mark.parametrize("content", [b"", b"no HDF5", bytes(4096)])
def test_what_is_under_a_right_seal_is_looked_at_all_the_same(tmp_path, content):
    (tmp_path / "file.h5").write_bytes(sealed(content))
    with pytest.raises(DamagedStore, match="file.h5 is damaged"):
        seal.read(tmp_path / "file.h5")


def test_links_under_a_right_seal_are_refused(tmp_path):
    (tmp_path / "x.h5").write_bytes(codec.encode(Header("partial", "call", "", ""), Record()))
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["frames/x"] = h5py.ExternalLink("/etc/passwd", "/")
    (tmp_path / "file.h5").write_bytes(sealed((tmp_path / "x.h5").read_bytes()))
    with pytest.raises(DamagedStore, match="/frames/x is a link to another file, which no file of biasloop does"):
        seal.read(tmp_path / "file.h5")


# --- checkpoints and finished calls


def interrupted(directory, ticks):
    """Run until so many steps were told of, with a checkpoint at each."""
    steps = []

    def on_event(event):
        steps.append(event)

    options = replace(OPTIONS, interval=0, on_event=on_event, stopping=lambda: len(steps) >= ticks)
    engine.run(toy_prepared(EXPERIMENT), directory, options)


def resumed(directory):
    """Notices of the rest of the run."""
    notices = []
    engine.run(toy_prepared(EXPERIMENT), directory, replace(OPTIONS, on_event=notices.append))
    return [event.text for event in notices if isinstance(event, Notice)]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run that was interrupted in the fit of a round, and one that was not."""
    place = tmp_path_factory.mktemp("begun")
    interrupted(place / "run", 10)
    assert {path.name for path in (place / "run" / "partial").iterdir()} == set(PARTIAL)
    engine.run(toy_prepared(EXPERIMENT), place / "reference", OPTIONS)
    return place


def test_a_whole_checkpoint_is_taken_without_a_word(begun, tmp_path):
    shutil.copytree(begun / "run", tmp_path / "run")
    assert resumed(tmp_path / "run") == []
    assert_same_run(tmp_path / "run", begun / "reference")


@pytest.mark.parametrize("name", PARTIAL)
def test_a_flipped_bit_in_what_is_kept_is_said_and_changes_no_number(begun, tmp_path, name):
    size = (begun / "run" / "partial" / name).stat().st_size
    for number, at in enumerate(np.random.default_rng(3).integers(0, size, 8).tolist()):
        directory = Path(shutil.copytree(begun / "run", tmp_path / f"{number}"))
        flip(directory / "partial" / name, at, 1 << number)
        (notice,) = resumed(directory)
        assert re.search(rf"partial/{name} is damaged \(.+\); it counts as absent and is computed anew$", notice)
        assert_same_run(directory, begun / "reference")


HURT = {
    "lacks the state": lambda header, record: sealed(codec.encode(header, Record(frames=record.frames))),
    "was kept by an earlier biasloop": codec.encode,
    "is damaged": lambda header, record: b"",
}


@pytest.mark.parametrize("name", PARTIAL)
@pytest.mark.parametrize("reason", HURT)
def test_a_checkpoint_that_cannot_be_used_counts_as_absent(begun, tmp_path, name, reason):
    directory = Path(shutil.copytree(begun / "run", tmp_path / "run"))
    path = directory / "partial" / name
    path.write_bytes(HURT[reason](*seal.read(path)))
    (notice,) = resumed(directory)
    assert reason in notice
    assert notice.endswith("it counts as absent and is computed anew")
    assert_same_run(directory, begun / "reference")


def test_a_checkpoint_of_another_history_is_not_taken(begun, tmp_path):
    directory = Path(shutil.copytree(begun / "run", tmp_path / "run"))
    path = directory / "partial" / PARTIAL[0]
    header, record = seal.read(path)
    with claimed(directory) as claim:
        writer = RunWriter(directory, Run.open(directory).manifest, claim)
    assert writer.get_partial(header.name) is not None
    for other in (replace(header, parent="0" * 64), replace(header, experiment="0" * 64), replace(header, name="x")):
        path.write_bytes(sealed(codec.encode(other, record)))
        assert writer.get_partial(header.name) is None


def test_what_is_left_of_the_last_step_of_a_finished_run_goes_at_the_next_opening(begun, tmp_path):
    directory = Path(shutil.copytree(begun / "reference", tmp_path / "run"))
    shutil.copytree(begun / "run" / "partial", directory / "partial")
    assert resumed(directory) == []
    assert not (directory / "partial").exists()
    assert not (directory / "aside").exists()


# --- shared calls


def ran(directory, data):
    """Notices of a chain, and how often it fitted an annotator."""
    notices, prepared = [], chain({"rounds": 1}, data=data)
    engine.run(prepared, directory, Options(data, interval=1e9, on_event=notices.append))
    fitted = sum(name.startswith("annotator") for name in prepared.domain.fitted)
    return [event.text for event in notices if isinstance(event, Notice)], fitted


def test_a_flipped_bit_in_a_shared_call_is_said_and_changes_no_number(tmp_path):
    assert ran(tmp_path / "reference", tmp_path / "data") == ([], 2)
    assert ran(tmp_path / "again", tmp_path / "data") == ([], 0)
    paths = sorted((tmp_path / "data" / "shared").glob("*annotator*.h5"))
    assert len(paths) == 2
    for number, share in enumerate(np.random.default_rng(4).random(8).tolist()):
        path = paths[number % 2]
        flip(path, int(share * path.stat().st_size), 1 << number)
        notices, fitted = ran(tmp_path / f"{number}", tmp_path / "data")
        assert notices == [
            f"{path} is damaged (its content does not match its digest); it counts as absent and is computed anew"
        ]
        assert fitted == 1
        assert_same_run(tmp_path / f"{number}", tmp_path / "reference")


def test_a_shared_call_under_another_name_is_not_taken(tmp_path):
    record = Record(models={"m": Model("k", {"a": np.arange(3)})})
    ours, others = SharedCalls(tmp_path, {"seed": 0}), SharedCalls(tmp_path, {"seed": 1})
    ours.put("call", record)
    (path,) = tmp_path.glob("*.h5")
    shutil.copy(path, others._path("call"))
    shutil.copy(path, ours._path("other"))
    assert ours.get("call") is not None
    for calls, name in ((others, "call"), (ours, "other")):
        with pytest.raises(DamagedStore, match="holds another call than its name says"):
            calls.get(name)
    assert ours.get("third") is None


@pytest.mark.parametrize("name", ["seed", "compat", "domain", "data", *provenance.COMPARED])
def test_a_shared_call_is_found_only_where_all_that_it_was_made_from_is_equal(tmp_path, name):
    made_from = dict.fromkeys(("seed", "compat", "domain", "data", *provenance.COMPARED), "a")
    SharedCalls(tmp_path, made_from).put("call", Record())
    assert SharedCalls(tmp_path, dict(made_from)).get("call") is not None
    assert SharedCalls(tmp_path, {**made_from, name: "b"}).get("call") is None
