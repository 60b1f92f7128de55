"""Arms that a preset names, from `loop` to what is listed, compared, drawn and exported of their runs."""

import csv
import json
import re
from pathlib import Path

import pytest
from support import toy

from biasloop.cli.study import retry
from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.errors import InvalidInput
from biasloop.report.arms import arms, open_runs
from biasloop.report.html.stored import collect
from biasloop.running import study
from biasloop.store.manifest import read_manifest

ARMS = """
[arms.plain]

[arms."uniform, equal seconds"]
domain = { epochs = 7 }
loop = { human = 9, rounds = 2 }

[arms.replacing.loop]
keep = "replace"
"""
UNIFORM = "uniform, equal seconds"


@pytest.fixture
def armed(cli, workplace):
    """The program, in a place with a preset `armed`."""
    (workplace / "presets" / "armed.toml").write_text(toy.PRESET + ARMS)
    return cli


def answer(result):
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_a_plan_names_the_arms(armed):
    lines = answer(armed("loop", "-p", "armed", "--seeds", "0-1", "--dry-run", "--json"))
    assert [(line["arm"], line["seed"], line["rounds"]) for line in lines[:3]] == [
        ("plain", 0, 4), (UNIFORM, 0, 2), ("replacing", 0, 4),
    ]  # fmt: skip
    assert lines[0]["run"] == "runs/armed/plain/seed-0"
    text = armed("loop", "-p", "armed", "--dry-run").stdout
    assert re.search(r"runs/armed/uniform_equal_seconds~\w{6}/seed-0 +uniform, equal seconds +0 +2 +0 +not begun", text)
    assert "  uniform, equal seconds: 109 a run" in text
    assert " arm " not in armed("loop", "-p", "toy", "--grid", "loop.human=5,25", "--dry-run").stdout


def test_some_arms_only_are_run_and_the_others_with_the_same_places_later(armed):
    *rounds, end = [
        json.loads(line)
        for line in armed("loop", "-p", "armed", "--arm", "replacing", "--arm", "plain", "--json").stdout.splitlines()
    ]
    assert end["runs"] == ["runs/armed/plain/seed-0", "runs/armed/replacing/seed-0"]
    assert {told["arm"] for told in rounds} == {"plain", "replacing"}
    assert read_manifest(Path("runs/armed/plain/seed-0")).about["arm"] == "plain"
    lines = answer(armed("loop", "-p", "armed", "--dry-run", "--json"))
    assert [line["done"] for line in lines] == [4, 0, 4]


def test_an_arm_that_is_not_there_is_refused_with_the_nearest_before_anything_is_written(armed):
    result = armed("loop", "-p", "armed", "--arm", "plane")
    assert isinstance(result.exception, InvalidInput)
    assert "--arm plane: armed has no such arm; did you mean 'plain'?" in str(result.exception)
    result = armed("loop", "-p", "armed", "--arm", "Uniform")
    assert f"did you mean {UNIFORM!r}?" in str(result.exception)
    assert not Path("runs").exists()


def test_what_is_set_goes_over_all_arms(armed):
    lines = answer(armed("loop", "-p", "armed", "--set", "loop.rounds=1", "--dry-run", "--json"))
    assert [line["rounds"] for line in lines] == [1, 1, 1]
    lines = answer(
        armed("loop", "-p", "armed", "--grid", "loop.rounds=3", "--grid", "domain.delta=0.1,0.2", "--dry-run", "--json")
    )
    assert [line["rounds"] for line in lines] == [3] * 6
    assert lines[3]["arm"] == f"{UNIFORM}, domain.delta=0.2,loop.rounds=3"


def test_runs_are_told_apart_by_their_arms_wherever_they_are_named(armed):
    result = armed("loop", "-p", "armed", "--seeds", "0-1")
    assert re.search(r"uniform, equal seconds, seed 1 -> runs/armed/uniform_equal_seconds~\w{6}/seed-1", result.stdout)
    table = result.stdout.partition("mean ± standard deviation over seeds")[2]
    assert [name in table for name in ("plain  ", f"{UNIFORM}  ", "replacing  ")] == [True] * 3
    listed = answer(armed("runs", "list", "runs", "--json"))
    assert [line["arm"] for line in listed] == ["plain"] * 2 + ["replacing"] * 2 + [UNIFORM] * 2
    text = armed("runs", "list").stdout
    assert " arm " in text
    assert text.count(UNIFORM) == 2
    plain, other = listed[0]["run"], listed[-1]["run"]
    assert armed("runs", "show", other).stdout.startswith(f"# arm: {UNIFORM}\n")
    assert answer(armed("runs", "show", other, "--json"))["experiment"]["arm"] == UNIFORM
    assert answer(armed("runs", "diff", plain, other, "--json"))["arms"] == ["plain", UNIFORM]
    assert f"A (plain)   B ({UNIFORM})" in armed("runs", "diff", plain, other).stdout
    assert armed("plot", "runs/armed", "-o", "arms.svg").exit_code == 0
    assert armed("export", "runs/armed", "--output", "tables").exit_code == 0
    assert armed("export", "runs/armed", "--output", "deep/one.csv").stdout == "wrote 1 file to deep\n"
    assert Path("deep/one.csv").read_text() == Path("tables/metrics.csv").read_text()
    refused = armed("export", "runs/armed", "--output", "one.csv", "--format", "released")
    assert "--output one.csv names one file, and this format has several" in str(refused.exception)
    header, *rows = csv.reader(Path("tables/metrics.csv").read_text().splitlines())
    assert header[:2] == ["run", "arm"]
    assert {row[1] for row in rows} == {"plain", "replacing", UNIFORM}


def test_arms_come_in_the_order_of_the_preset_where_that_is_known(armed, workplace):
    (workplace / "presets" / "armed.toml").write_text(toy.PRESET + ARMS.replace("plain", "zero"))
    assert armed("loop", "-p", "armed", "--seeds", "0-1").exit_code == 0
    typed = ("runs", "compare", "runs/armed", "--metric", "share_train", "--json")
    assert [row["arm"] for row in answer(armed(*typed))] == ["zero", UNIFORM, "replacing"]
    assert [arm.label for arm in arms(collect([Path("runs/armed")]).runs)] == ["zero", UNIFORM, "replacing"]
    (workplace / "presets" / "armed.toml").unlink()
    assert answer(armed(*typed))[0]["arm"] == "replacing"  # by name
    assert [arm.label for arm in arms(open_runs([Path("runs/armed")]))] == ["replacing", UNIFORM, "zero"]


def test_arms_are_compared_seed_by_seed(armed):
    assert armed("loop", "-p", "armed", "--arm", "replacing", "--arm", "plain", "--seeds", "0-1").exit_code == 0
    typed = ("runs", "compare", "runs/armed", "--to", "plain", "--metric", "label_error")
    base, other = answer(armed(*typed, "--json"))
    assert (base["arm"], other["arm"], other["seeds"]) == ("plain", "replacing", [0, 1])
    values = {
        arm: [
            answer(armed("runs", "show", f"runs/armed/{arm}/seed-{seed}", "--json"))["rounds"][-1]["metrics"][
                "label_error"
            ]["value"]
            for seed in (0, 1)
        ]
        for arm in ("plain", "replacing")
    }
    differences = [b - a for a, b in zip(values["plain"], values["replacing"], strict=True)]
    assert other["difference"]["mean"] == pytest.approx(sum(differences) / 2)
    text = armed(*typed).stdout
    assert "label error, against plain" in text
    assert "fewer than four seeds" in text
    wrong = armed("runs", "compare", "runs/armed", "--to", "plane")
    assert "--to 'plane': no arm is called so; did you mean 'plain'" in str(wrong.exception)


def test_runs_without_arms_are_told_as_ever(cli):
    cli("loop", "-p", "toy")
    assert "arm" not in cli("runs", "list").stdout
    assert answer(cli("runs", "list", "--json"))[0]["arm"] == ""
    assert cli("runs", "show", "runs/toy/seed-0").stdout.startswith("seed = 0\n")
    assert "arm" not in read_manifest(Path("runs/toy/seed-0")).about


@pytest.mark.parametrize(
    ("typed", "grid", "again"),
    [
        ("-p armed --arm plain --arm=replacing", {}, f"-p armed --arm '{UNIFORM}' --output runs/armed --seeds 1"),
        ("-p armed --grid domain.delta=0.1,0.2", {"domain.delta": [0.1]},
         f"-p armed --arm '{UNIFORM}' --grid domain.delta=0.1 --output runs/armed --seeds 1"),
        ("-p armed --grid domain.data=x*,y*", {"domain.labels": [["a"]]},
         f"-p armed --grid 'domain.data=x*,y*' --arm '{UNIFORM}' --output runs/armed --seeds 1"),
    ],
)  # fmt: skip
def test_what_is_typed_to_try_a_run_again_names_its_arm(armed, monkeypatch, typed, grid, again):
    monkeypatch.setattr("sys.argv", ["biasloop", "loop", *typed.split()])
    ((_, experiment), *_) = arms_of(presets.read("armed"))[1:]
    name = study.called(UNIFORM, {key: values[0] for key, values in grid.items()})
    planned = study.Planned(name, 1, Path("runs/armed/x/seed-1"), experiment, 2)
    assert retry(planned, Path("runs/armed")) == f"biasloop loop {again}"
