"""What an ordinary kill leaves is cleared without a word; what is foreign or damaged goes to `aside/` with one."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.loops import OPTIONS, assert_same_run, cut, stored_bytes, toy_experiment, toy_prepared

from biasloop.records.record import Record
from biasloop.running import engine
from biasloop.running.engine import Notice
from biasloop.store import codec
from biasloop.store.reader import Run
from biasloop.store.repair import repair, verify

EXPERIMENT = toy_experiment(loop={"rounds": 4}, pool=300, epochs=1)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A run with the models of every round."""
    directory = tmp_path_factory.mktemp("reference") / "run"
    engine.run(toy_prepared(EXPERIMENT), directory, replace(OPTIONS, keep_models=True))
    return directory


@pytest.fixture
def run(reference, tmp_path):
    """The same as it was after two rounds; later files are not there."""
    directory = Path(shutil.copytree(reference, tmp_path / "run"))
    cut(directory, 2)
    for name in ("round-0002.h5", "round-0003.h5", "model-0002.h5", "model-0003.h5"):
        (directory / name).unlink()
    return directory


def gone_on(run):
    """Notices of the rest of the run."""
    events = []
    engine.run(toy_prepared(EXPERIMENT), run, replace(OPTIONS, keep_models=True, on_event=events.append))
    return [event.text for event in events if isinstance(event, Notice)]


def put(run, reference, name, change=None):
    """A file of the whole run, re-made with another header if asked."""
    data = (reference / name).read_bytes()
    if change:
        header, record = codec.decode(data, name)
        data = codec.encode(replace(header, **change), record)
    (run / name).write_bytes(data)


@pytest.mark.parametrize("hurt", [lambda data: data, lambda data: data[:700], lambda data: b"", lambda data: b"x" * 99])
def test_a_model_without_its_round_is_cleared_whole_or_not(run, reference, hurt):
    (run / "model-0002.h5").write_bytes(hurt((reference / "model-0002.h5").read_bytes()))
    (run / ".tmp-round-0002.h5.host.1").write_bytes(b"half")
    (run / "partial").mkdir()
    (run / "partial" / ".tmp-round-0002.fit.h5.host.1").write_bytes(b"half")
    assert gone_on(run) == []
    assert not (run / "aside").exists()
    assert not list(run.rglob(".tmp-*"))
    assert stored_bytes(run) == stored_bytes(reference)


def test_a_model_of_the_set_up_without_the_set_up_is_cleared(run, reference):
    cut(run, -1)
    for path in run.glob("*.h5"):
        path.unlink()
    shutil.copy(reference / "model-0000.h5", run / "model-setup.h5")
    data = (run / "model-setup.h5").read_bytes()
    (run / "model-setup.h5").write_bytes(data[:-5])
    assert gone_on(run) == []
    assert stored_bytes(run) == stored_bytes(reference)


def test_a_model_that_later_ones_replaced_is_cleared(reference, tmp_path):
    directory = tmp_path / "run"
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    shutil.copy(reference / "model-0001.h5", directory)
    assert gone_on(directory) == []
    assert not (directory / "model-0001.h5").exists()
    assert not (directory / "aside").exists()


def test_repair_clears_them_too_and_moves_nothing(run, reference):
    put(run, reference, "model-0002.h5")
    report = repair(run)
    assert (report.kept, report.aside, report.folder) == (2, [], None)
    assert not (run / "model-0002.h5").exists()


def test_repair_deletes_no_model_that_the_manifest_names(reference, tmp_path):
    directory = Path(shutil.copytree(reference, tmp_path / "run"))
    (directory / "round-0003.h5").unlink()
    report = repair(directory)
    assert (report.kept, report.aside) == (3, ["model-0003.h5"])


@pytest.mark.parametrize("change", [{"experiment": "0" * 64}, {"parent": "0" * 64}])
def test_a_model_of_another_run_is_set_aside_with_a_message(run, reference, change):
    put(run, reference, "model-0002.h5", change)
    (notice,) = gone_on(run)
    assert notice == f"set model-0002.h5 aside in {run / 'aside' / '001'}: it was not part of the run"
    assert (run / "aside" / "001" / "model-0002.h5").exists()
    assert stored_bytes(run) == stored_bytes(reference)


def test_a_whole_round_that_follows_is_adopted(run, reference):
    put(run, reference, "round-0002.h5")
    put(run, reference, "model-0002.h5")
    assert gone_on(run) == ["adopted round-0002.h5, which was whole but not yet in the manifest"]
    assert stored_bytes(run) == stored_bytes(reference)
    assert verify(run) == []


@pytest.mark.parametrize(
    "change", [{"parent": "0" * 64}, {"parent": ""}, {"experiment": "0" * 64}, {"name": "round-0003"}]
)
def test_a_round_of_another_history_is_not_adopted(run, reference, change):
    put(run, reference, "round-0002.h5", change)
    put(run, reference, "model-0002.h5", change)
    notices = gone_on(run)
    assert [text.split()[1] for text in notices] == ["model-0002.h5", "round-0002.h5"]
    assert all("it was not part of the run" in text for text in notices)
    assert stored_bytes(run) == stored_bytes(reference)


@pytest.mark.parametrize("change", [{"parent": "0" * 64}, {"experiment": "0" * 64}])
def test_a_round_is_not_adopted_with_a_model_of_another_history(run, reference, change):
    put(run, reference, "round-0002.h5")
    put(run, reference, "model-0002.h5", change)
    notices = gone_on(run)
    assert [text.split()[1] for text in notices] == ["model-0002.h5", "round-0002.h5"]
    assert stored_bytes(run) == stored_bytes(reference)


def test_a_round_after_the_next_is_not_adopted(run, reference):
    put(run, reference, "round-0003.h5")
    (notice,) = gone_on(run)
    assert notice.startswith("set round-0003.h5 aside")
    assert Run.open(run).rounds == [0, 1, 2, 3]
    assert stored_bytes(run) == stored_bytes(reference)


def test_a_damaged_round_that_no_manifest_names_is_set_aside(run, reference):
    put(run, reference, "model-0002.h5")
    (run / "round-0002.h5").write_bytes((reference / "round-0002.h5").read_bytes()[:-100])
    (run / "notes.h5").write_bytes(codec.encode(codec.Header("round", "notes", "", ""), Record()))
    assert sorted(text.split()[1] for text in gone_on(run)) == ["model-0002.h5", "notes.h5", "round-0002.h5"]
    assert stored_bytes(run) == stored_bytes(reference)


def test_what_is_cleared_is_the_run_that_nobody_killed(run, reference):
    put(run, reference, "model-0002.h5")
    gone_on(run)
    assert_same_run(run, reference)
