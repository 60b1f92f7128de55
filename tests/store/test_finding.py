"""Runs are found as a search of every directory would find them, without looking into runs."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biasloop.store.finding import find_runs

NAMES = ["aside", "partial", "seed-2", "seed-10", "a b", "loop.human=1,x"]
FILES = ["manifest.json", "experiment.toml", "letter.txt"]


def searched(root: Path) -> list[Path]:
    """By looking at everything, but for what lies in a run."""
    directories = {
        path.parent
        for name in ("manifest.json", "experiment.toml")
        for path in root.rglob(name)
        if "aside" not in path.relative_to(root).parts
    }
    outer = [path for path in directories if not directories & set(path.parents)]
    return sorted(outer, key=lambda path: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", str(path))])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.lists(st.sampled_from(NAMES), max_size=4), st.sampled_from(FILES)), max_size=12))
def test_what_a_search_of_everything_finds_is_found(tmp_path_factory, files):
    root = tmp_path_factory.mktemp("runs")
    for folders, name in files:
        directory = root.joinpath(*folders)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("")
    assert find_runs(root) == searched(root)


def test_runs_are_named_as_the_folder_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs/toy/seed-0").mkdir(parents=True)
    Path("runs/toy/seed-0/manifest.json").write_text("{}")
    for root, name in ((".", "runs/toy/seed-0"), ("runs", "runs/toy/seed-0"), ("runs/toy/seed-0", "runs/toy/seed-0"),
                       (tmp_path, tmp_path / "runs/toy/seed-0")):  # fmt: skip
        assert find_runs(Path(root)) == [Path(name)] == searched(Path(root))
    monkeypatch.chdir("runs/toy/seed-0")
    assert find_runs(Path()) == [Path()] == searched(Path())


def test_links_are_followed_where_a_search_follows_them(tmp_path):
    elsewhere = tmp_path / "elsewhere" / "seed-0"
    elsewhere.mkdir(parents=True)
    (elsewhere / "manifest.json").write_text("{}")
    root = tmp_path / "runs"
    (root / "linked").mkdir(parents=True)
    (root / "dangling").mkdir()
    (root / "to-folder").symlink_to(elsewhere)
    (root / "circle").symlink_to(root)
    (root / "linked" / "manifest.json").symlink_to(elsewhere / "manifest.json")
    (root / "dangling" / "manifest.json").symlink_to("nowhere")
    assert find_runs(root) == [root / "linked"] == searched(root)
    (tmp_path / "root").symlink_to(root)
    assert find_runs(tmp_path / "root") == [tmp_path / "root" / "linked"]


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert find_runs(tmp_path) == find_runs(tmp_path / "nowhere") == []


def test_a_run_is_not_looked_into(tmp_path, monkeypatch):
    for seed in range(3):
        (tmp_path / f"seed-{seed}" / "partial").mkdir(parents=True)
        (tmp_path / f"seed-{seed}" / "experiment.toml").write_text("")
    seen = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (seen.append(str(path)), scandir(path))[1])
    assert len(find_runs(tmp_path)) == 3
    assert seen == [str(tmp_path)]


@pytest.mark.parametrize("name", ["\udcff", "x" * 250])
def test_strange_names_are_walked(tmp_path, name):
    (tmp_path / name / "seed-0").mkdir(parents=True)
    (tmp_path / name / "seed-0" / "manifest.json").write_text("")
    assert find_runs(tmp_path) == [tmp_path / name / "seed-0"]
