"""`runs list` tells in which state runs are; `runs diff` in what two differ."""

import json
from pathlib import Path

import pytest

from biasloop.errors import InvalidInput
from biasloop.store import claims
from biasloop.store.manifest import read_manifest


def answer(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def tell(run: str, **about: str | None) -> None:
    """Change what a manifest says about a run."""
    directory = Path(run)
    manifest = read_manifest(directory)
    for key, value in about.items():
        manifest.about.pop(key, None)
        if value is not None:
            manifest.about[key] = value
    with claims.claimed(directory) as claim:
        manifest.write(directory, claim)


@pytest.fixture
def study(cli):
    """Four finished runs in two folders."""
    assert cli("loop", "-p", "toy", "--seeds", "0-1").exit_code == 0
    assert cli("loop", "-p", "toy", "--out", "else", "--grid", "loop.human=5,6").exit_code == 0


def test_runs_are_finished_running_stopped_or_failed(cli, study):
    tell("runs/toy/seed-0", finished=None)
    tell("runs/toy/seed-1", finished=None, failed="loss is not finite")
    tell("else/loop.human=6/seed-0", finished=None, failed="lost")
    with claims.claimed(Path("else/loop.human=6/seed-0")):
        lines = answer(cli("runs", "list", "runs", "else", "--json"))
        text = cli("runs", "list", "runs", "else").stdout
    assert [(line["status"], line["reason"]) for line in lines] == [
        ("stopped", ""), ("failed", "loss is not finite"), ("finished", "4 rounds"), ("running", ""),
    ]  # fmt: skip
    assert [line["state"] for line in lines[:3]] == ["stopped", "failed (loss is not finite)", "finished (4 rounds)"]
    holder = lines[3]["holder"]
    assert lines[3]["state"] == f"running (process {holder['pid']} on {holder['host']})"
    assert [line["holder"] for line in lines[:3]] == [None] * 3
    assert all(line["state"].removesuffix(" (4 rounds)") in text for line in lines)
    assert "(4 rounds)" not in text


def test_a_run_below_two_of_the_folders_is_listed_once(cli, study):
    assert len(answer(cli("runs", "list", "runs", "runs/toy", "./runs", "--json"))) == 2
    assert [line["run"] for line in answer(cli("runs", "list", "else", "runs", "--json"))] == [
        "else/loop.human=5/seed-0", "else/loop.human=6/seed-0", "runs/toy/seed-0", "runs/toy/seed-1",
    ]  # fmt: skip


def test_folders_without_runs_are_said(cli):
    assert "there are no runs in nowhere or neither" in cli("runs", "list", "nowhere", "neither").stderr


def test_many_runs_are_listed_as_lines(cli, study, monkeypatch):
    monkeypatch.setattr("biasloop.cli.runs_list._MOST_DRAWN", 1)
    lines = cli("runs", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "runs/toy/seed-0", "runs/toy/seed-1"]


def test_two_runs_differ_in_settings_and_what_they_measured(cli, study):
    a, b = "else/loop.human=5/seed-0", "else/loop.human=6/seed-0"
    told = answer(cli("runs", "diff", a, b, "--json"))
    assert told["settings"] == [{"key": "loop.human", "first": 5, "second": 6}]
    assert (told["made_with"], told["round"]) == ([], 3)
    shown = answer(cli("runs", "show", a, "--json"))["rounds"][3]["metrics"]
    other = answer(cli("runs", "show", b, "--json"))["rounds"][3]["metrics"]
    assert next(iter(told["metrics"])) == "share_predicted"
    for name, compared in told["metrics"].items():
        assert (compared["first"], compared["second"]) == (shown[name], other[name])
        assert compared["difference"] == pytest.approx(other[name]["value"] - shown[name]["value"])
    text = cli("runs", "diff", a, b, "--round", "1", "--all").stdout
    assert "loop.human" in text
    assert "made with: equal" in text
    assert "round 1" in text


def test_a_study_is_no_run_to_compare(cli, study):
    result = cli("runs", "diff", "else", "runs/toy/seed-0")
    assert isinstance(result.exception, InvalidInput)
    assert "else is a folder of runs and not a run; give one of those in it: else/loop.human=5/seed-0" in str(
        result.exception
    )
    result = cli("runs", "diff", "runs/toy/seed-0", "nowhere")
    assert "there is no run nowhere" in str(result.exception)
    result = cli("runs", "diff", "runs/toy/seed-0", "runs/toy/seed-1", "--round", "4")
    assert "--round 4: runs/toy/seed-0 has 4 rounds, counted from 0" in str(result.exception)


def test_the_rounds_of_a_finished_run_are_said_once(cli):
    assert cli("loop", "-p", "toy", "-o", "runs/toy").exit_code == 0
    (line,) = [line for line in cli("runs", "list", "runs").stdout.splitlines() if "seed-0" in line]
    assert line.split() == ["runs/toy/seed-0", "toy", "0", "4", "finished"]
