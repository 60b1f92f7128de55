"""[resources] on the command line: --set, --threads, where a run lies, and what `loop` says of threads."""

import json

import pytest

from biasloop.errors import InvalidInput

UNSET = "no number of CPU threads is set"


def test_loop_says_once_what_threads_it_takes_if_none_are_set(cli):
    said = cli("loop", "-p", "tiny", "--seeds", "0-2", "--device", "cpu", "--dry-run").stderr
    assert said.count(UNSET) == 1
    for arguments in (["--threads", "1"], ["--threads", "0"], ["--set", "resources.threads=1"], ["--json"]):
        assert UNSET not in cli("loop", "-p", "tiny", "--device", "cpu", "--dry-run", *arguments).output
    assert UNSET not in cli("loop", "-p", "toy", "--dry-run").output
    assert UNSET not in cli("loop", "-p", "quickstart", "--dry-run").output


def test_a_finished_study_says_nothing_of_threads(cli):
    assert UNSET in cli("loop", "-p", "tiny", "--device", "cpu").stderr
    assert UNSET not in cli("loop", "-p", "tiny", "--device", "cpu").stderr


def test_the_same_run_goes_on_with_other_resources(cli):
    cli("loop", "-p", "toy", "--set", "resources.memory=2 GB")
    planned = json.loads(cli("loop", "-p", "toy", "--set", "resources.cpus=2", "--dry-run", "--json").stdout)
    (run,) = planned
    assert (run["run"], run["rounds"], run["done"], run["state"]) == ("runs/toy/seed-0", 4, 4, "finished")


def test_other_resources_are_no_segment_and_other_threads_are_one(cli):
    for rounds, sets in {"1": "resources.cpus=2", "2": "resources.cpus=1"}.items():
        cli("loop", "-p", "tiny", "--out", "out", "--device", "cpu", "--threads", "1", "--set", sets,
            "--set", f"loop.rounds={rounds}")  # fmt: skip
    assert "segments" not in cli("runs", "show", "out/seed-0").stdout
    cli("loop", "-p", "tiny", "--out", "out", "--device", "cpu", "--threads", "2", "--set", "loop.rounds=3")
    assert "made in 2 segments" in cli("runs", "show", "out/seed-0").stdout


def test_presets_show_completes_them(cli):
    shown = json.loads(cli("presets", "show", "quickstart", "--set", "resources.memory=1 kB", "--json").stdout)
    assert shown["resources"] == {"threads": 1, "memory": 1000}


def test_a_grid_over_them_is_refused(cli):
    ended = cli("loop", "-p", "toy", "--grid", "resources.threads=1,2")
    assert isinstance(ended.exception, InvalidInput)
    assert "give one value, as in --set resources.threads=1" in str(ended.exception)


@pytest.mark.parametrize("value", ["0", "x", "1.5"])
def test_bad_threads_are_refused_before_anything_is_done(cli, value, workplace):
    ended = cli("loop", "-p", "toy", "--set", f"resources.threads={value}", "--out", "out")
    assert isinstance(ended.exception, InvalidInput)
    assert str(ended.exception).startswith("--set: resources.threads = ")
    assert not (workplace / "out").exists()
