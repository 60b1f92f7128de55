"""Nothing that is written follows a link, and a run consists of files and folders of its own."""

import os
import shutil
from pathlib import Path

import pytest
from support.loops import OPTIONS, toy_experiment, toy_prepared

from biasloop.contract.data import Frame
from biasloop.errors import DamagedStore
from biasloop.records.record import Record
from biasloop.running import engine
from biasloop.store import files
from biasloop.store.claims import claimed
from biasloop.store.files import TEMPORARY, remove_temporaries, write_atomically
from biasloop.store.reader import Run
from biasloop.store.repair import repair, verify
from biasloop.store.writer import RunWriter

GOLDEN = Path(__file__).parent / "golden" / "v1"
EXPERIMENT = toy_experiment(loop={"start": 20, "human": 2, "model": 6, "rounds": 4}, pool=60, test=10, labels="bits")
OF_A_RUN = [
    "experiment.toml", "manifest.json", "setup.h5", "round-0001.h5", "model-0002.h5", "round-0099.h5",
    ".claim-1", "partial/fit.h5", "partial", "aside", "aside/001",
]  # fmt: skip


@pytest.fixture
def received(tmp_path):
    return Path(shutil.copytree(GOLDEN, tmp_path / "run"))


def go_on(directory):
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)


def content(directory):
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("dangling", [False, True])
@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_link_in_a_run_is_refused_and_what_it_leads_to_stays(received, tmp_path, name, dangling):
    mine, place = tmp_path / "mine", received / name
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    target = mine if name in {"partial", "aside", "aside/001", ".claim-1"} else mine / "thesis.txt"
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(mine / "nothing" if dangling else target)
    for attempt in (go_on, Run.open, repair):
        with pytest.raises(DamagedStore, match=f"{place} is a link, and a run consists of files and folders of"):
            attempt(received)
    assert any(f"{place} is a link" in problem for problem in verify(received))
    assert content(mine) == {"thesis.txt": b"years of work"}
    assert place.is_symlink()


@pytest.mark.parametrize("name", ["round-0001.h5", "model-0002.h5", "partial/fit.h5"])
def test_a_pipe_in_a_run_is_refused_and_not_waited_for(received, name):
    (received / name).parent.mkdir(exist_ok=True)
    (received / name).unlink(missing_ok=True)
    os.mkfifo(received / name)
    for attempt in (go_on, Run.open, repair):
        with pytest.raises(DamagedStore, match=f"{name} is no file"):
            attempt(received)


def test_the_directory_of_a_run_and_those_above_it_may_be_links(received, tmp_path):
    (tmp_path / "elsewhere").symlink_to(received)
    assert verify(tmp_path / "elsewhere") == []
    assert Run.open(tmp_path / "elsewhere").rounds == [0, 1, 2]


def test_a_run_may_have_other_files_beside_its_own_also_links(received, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (received / "notes.txt").symlink_to(tmp_path / "notes.txt")
    assert verify(received) == []


def test_no_temporary_name_can_be_known_before(tmp_path, monkeypatch):
    names = []
    real = os.replace

    class Watching:
        def __getattr__(self, name):
            return getattr(os, name)

        def replace(self, source, target):
            names.append(Path(source).name)
            real(source, target)

    monkeypatch.setattr(files, "os", Watching())
    for _ in range(20):
        write_atomically(tmp_path / "x.h5", b"content")
    assert len(set(names)) == 20
    assert all(name.startswith(TEMPORARY) for name in names)
    assert (tmp_path / "x.h5").read_bytes() == b"content"


def test_a_temporary_name_that_is_a_link_all_the_same_is_not_written_through(tmp_path, monkeypatch):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "guessed").symlink_to(tmp_path / "thesis.txt")
    monkeypatch.setattr(files, "beside", lambda path, prefix: tmp_path / "guessed")
    with pytest.raises(files.StoreError, match="could not be written"):
        write_atomically(tmp_path / "x.h5", b"content")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_file_in_the_place_of_the_written_one_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "x.h5").symlink_to(tmp_path / "thesis.txt")
    write_atomically(tmp_path / "x.h5", b"content")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "x.h5").is_symlink()


def test_remains_of_killed_writers_are_removed_also_links_whose_targets_stay(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / f"{TEMPORARY}a.h5.0123456789abcdef").write_bytes(b"half")
    (tmp_path / f"{TEMPORARY}a.h5.host.123").write_bytes(b"half, by an earlier biasloop")
    (tmp_path / f"{TEMPORARY}link").symlink_to(tmp_path / "thesis.txt")
    remove_temporaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_link_that_comes_while_a_run_goes_on_is_not_written_through(tmp_path):
    (tmp_path / "mine").mkdir()
    directory = tmp_path / "run"
    directory.mkdir()
    with claimed(directory) as claim:
        writer = RunWriter.create_or_resume(directory, {"seed": 0}, {}, {}, claim)
        (directory / "partial").symlink_to(tmp_path / "mine")
        with pytest.raises(DamagedStore, match="partial is a link"):
            writer.put_partial("fit", {}, Record(frames={"x": Frame()}))
    assert not list((tmp_path / "mine").iterdir())
