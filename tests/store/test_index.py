"""The index makes lists of many runs fast, and is never believed where a run has changed."""

import json
import os
import shutil
from pathlib import Path

import pytest

from biasloop.store import index
from biasloop.store.index import NAME, Listed, alike, listed

HOUR = 3600


@pytest.fixture
def study(tmp_path, tiny_run, monkeypatch) -> Path:
    """Three runs, made an hour ago; a folder of two has an index."""
    monkeypatch.setattr(index, "LEAST", 2)
    folder = tmp_path / "runs"
    for seed in range(3):
        shutil.copytree(tiny_run, folder / "tiny" / f"seed-{seed}")
        age(folder / "tiny" / f"seed-{seed}")
    return folder


def age(run: Path) -> None:
    """As if it had been made an hour ago."""
    for path in (*run.iterdir(), run):
        before = path.stat().st_mtime - HOUR
        os.utime(path, (before, before))


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Names of the runs that are opened from here on."""
    names: list[str] = []
    really = index._opened
    monkeypatch.setattr(index, "_opened", lambda directory: (names.append(Path(directory).name), really(directory))[1])
    return names


def test_runs_are_listed_and_then_listed_the_same_without_being_opened(study, opened):
    first = listed(study)
    assert [Path(run.run).name for run in first] == ["seed-0", "seed-1", "seed-2"] == opened
    assert {run[1:] for run in first} == {(first[0].preset, 0, 2, "2 rounds", "", first[0].alike, 2, "", "")}
    opened.clear()
    assert listed(study) == first
    assert not opened


def test_from_a_hundred_runs_on_there_is_an_index(study, monkeypatch):
    monkeypatch.setattr(index, "LEAST", 4)
    listed(study)
    assert not (study / NAME).exists()
    assert not (study / "tiny" / "seed-0" / NAME).exists()
    monkeypatch.setattr(index, "LEAST", 1)
    listed(study / "tiny" / "seed-0")
    assert not (study / "tiny" / "seed-0" / NAME).exists()


@pytest.mark.parametrize("change", ["manifest", "removed", "settings", "replaced"])
def test_a_run_that_has_changed_is_opened_again(study, opened, change):
    listed(study)
    opened.clear()
    run = study / "tiny" / "seed-1"
    if change == "manifest":
        (run / "manifest.json").write_text("{}")
    elif change == "removed":
        (run / "round-0001.h5").unlink()
    elif change == "settings":
        with (run / "experiment.toml").open("a") as file:
            file.write("\n")
    else:
        shutil.copytree(run, run.with_name("new"))
        shutil.rmtree(run)
        run.with_name("new").rename(run)
    lines = listed(study)
    assert opened == ["seed-1"]
    assert bool(lines[1].problem) == (change != "replaced")
    assert not lines[0].problem


def test_a_run_that_is_gone_is_not_listed_and_a_new_one_is(study):
    listed(study)
    shutil.rmtree(study / "tiny" / "seed-0")
    assert [Path(run.run).name for run in listed(study)] == ["seed-1", "seed-2"]
    assert len(json.loads((study / NAME).read_bytes())["runs"]) == 2
    shutil.copytree(study / "tiny" / "seed-1", study / "tiny" / "seed-7")
    assert [Path(run.run).name for run in listed(study)] == ["seed-1", "seed-2", "seed-7"]


def test_a_run_that_has_just_changed_is_not_trusted_to_the_index(study, opened):
    run = study / "tiny" / "seed-1"
    os.utime(run / "manifest.json")
    listed(study)
    opened.clear()
    listed(study)
    assert opened == ["seed-1"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"format": "biasloop-index", "version": 2, "runs": {}}',
        b'{"format": "biasloop-index", "version": 1, "runs": []}',
        b'{"format": "biasloop-index", "version": 1, "runs": {"tiny/seed-0": 3, "tiny/seed-1": [], "x": [[1]]}}',
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_index_is_as_none(study, content):
    right = listed(study)
    (study / NAME).write_bytes(content)
    assert listed(study) == right
    assert len(json.loads((study / NAME).read_bytes())["runs"]) == 3


def test_entries_of_other_types_are_as_none(study, opened):
    right = listed(study)
    told = json.loads((study / NAME).read_bytes())
    stamp = told["runs"]["tiny/seed-0"][0]
    told["runs"]["tiny/seed-0"] = [stamp, {}, 0, "many", "", "", "", 2]
    told["runs"]["tiny/seed-1"] = [stamp, "tiny"]
    (study / NAME).write_text(json.dumps(told))
    opened.clear()
    assert listed(study) == right
    assert opened == ["seed-0", "seed-1"]


def test_a_link_in_its_place_is_neither_read_nor_written_through(study, tmp_path):
    right = listed(study)
    letter = tmp_path / "letter.txt"
    (study / NAME).rename(letter)
    before = letter.read_bytes()
    (study / NAME).symlink_to(letter)
    shutil.rmtree(study / "tiny" / "seed-0")
    assert listed(study) == right[1:]
    assert letter.read_bytes() == before
    assert not (study / NAME).is_symlink()


def test_a_pipe_in_its_place_does_not_hang(study):
    os.mkfifo(study / NAME)
    assert len(listed(study)) == 3


def test_a_folder_that_cannot_be_written_is_listed_without(study, monkeypatch):
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        assert len(listed(study)) == 3
    assert [path.name for path in study.iterdir()] == ["tiny"]


def test_it_is_not_written_where_nothing_is_to_be_written(study):
    assert len(listed(study, keep=False)) == 3
    assert not (study / NAME).exists()


def test_as_many_as_allowed_are_opened(study):
    assert len(listed(study, keep=False, anew=2)) == 2
    listed(study)
    assert len(listed(study, keep=False, anew=0)) == 3


def test_the_working_directory_is_a_folder_too(study, opened, monkeypatch):
    monkeypatch.chdir(study)
    first = listed(Path())
    assert [run.run for run in first] == [f"tiny/seed-{seed}" for seed in range(3)]
    opened.clear()
    assert listed(Path()) == first
    assert [run.run for run in listed(study)] == [str(study / run.run) for run in first]
    assert not opened


def test_damaged_runs_are_listed_with_what_is_wrong(study):
    (study / "tiny" / "seed-0" / "manifest.json").write_text("{")
    line = listed(study)[0]
    assert line == Listed(str(study / "tiny" / "seed-0"), problem=line.problem)
    assert "is damaged" in line.problem


def test_runs_are_alike_whatever_seed_and_numbers_of_the_loop():
    settings = {
        "seed": 0,
        "compat": "fixed",
        "domain": {"name": "toy", "width": 3},
        "loop": {"start": 3, "keep": "all"},
    }
    other = {**settings, "seed": 7, "loop": {"start": 99, "keep": "all", "human": 2}}
    assert alike(settings) == alike(other)
    assert alike(settings) != alike({**settings, "domain": {"name": "toy", "width": 4}})
    assert alike(settings) != alike({**settings, "loop": {"start": 3, "keep": "replace"}})
