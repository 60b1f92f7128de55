"""Checkpoints, finished calls and shared calls: a flipped bit costs the work again, and never changes a number."""

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
from biasloop.store import codec
from biasloop.store.codec import Header
from biasloop.store.reader import Run
from biasloop.store.seal import BLOCK, sealed, unsealed
from biasloop.store.shared import SharedCalls
from biasloop.store.writer import RunWriter

EXPERIMENT = toy_experiment(loop={"rounds": 2}, pool=200, epochs=6)
PARTIAL = ("round-0001.fit.h5", "round-0001.label.done.h5")  # a checkpoint, and a call that had finished


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(bytes(data))


def test_every_bit_of_a_sealed_file_counts_and_hdf5_reads_it_as_it_is(tmp_path):
    content = codec.encode(Header("partial", "call", "", ""), Record(models={"m": Model("k", {"a": np.arange(3)})}))
    data = sealed(content)
    assert unsealed(data, "file") == content
    (tmp_path / "file.h5").write_bytes(data)
    with h5py.File(tmp_path / "file.h5") as file:
        assert file.userblock_size == BLOCK
        assert file["models/m/a"][:].tolist() == [0, 1, 2]
    for at in [*range(0, BLOCK), *range(BLOCK, len(data), 5), -1]:
        broken = bytearray(data)
        broken[at] ^= 1 << (at % 8)
        with pytest.raises(DamagedStore, match=r"^file is damaged \(its content does not match its digest\)$"):
            unsealed(bytes(broken), "file")
    for cut in (b"", data[:100], data[:-1], data + b"\0", content[:-1] + b"x"):
        with pytest.raises(DamagedStore):
            unsealed(cut, "file")


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
    path.write_bytes(HURT[reason](*codec.decode(unsealed(path.read_bytes(), name), name)))
    (notice,) = resumed(directory)
    assert reason in notice
    assert notice.endswith("it counts as absent and is computed anew")
    assert_same_run(directory, begun / "reference")


def test_a_checkpoint_of_another_history_is_not_taken(begun, tmp_path):
    directory = Path(shutil.copytree(begun / "run", tmp_path / "run"))
    path = directory / "partial" / PARTIAL[0]
    header, record = codec.decode(unsealed(path.read_bytes(), "x"), "x")
    writer = RunWriter(directory, Run.open(directory).manifest)
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
