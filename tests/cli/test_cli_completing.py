"""What a shell offers after <tab>: names of presets, runs, metrics, data sets, plugins, figures, arms."""

from pathlib import Path

import pytest
from support import toy
from typer.testing import CliRunner

from biasloop.cli import completing
from biasloop.cli.main import app
from biasloop.store.entries import EXPERIMENT

ARMED = toy.PRESET + '\n[arms.plain]\n\n[arms."no feedback"]\nloop.model = 0\n'


@pytest.fixture
def offered(workplace):
    """What is offered in place of the last of some words."""

    def complete(*words: str) -> list[str]:
        variables = {"_BIASLOOP_COMPLETE": "complete_bash", "COMP_CWORD": str(len(words)),
                     "COMP_WORDS": " ".join(["biasloop", *words])}  # fmt: skip
        result = CliRunner().invoke(app, [], env=variables, prog_name="biasloop")
        assert result.stderr == ""
        return [line for line in result.stdout.splitlines() if line]

    return complete


@pytest.fixture
def stored(cli):
    """A study of two runs in `runs/toy`."""
    assert cli("loop", "-p", "toy", "--set", "loop.rounds=1", "--seeds", "0-1", "-o", "runs/toy").exit_code == 0
    Path("runs/empty/deeper").mkdir(parents=True)


@pytest.mark.parametrize(
    "words",
    [("loop", "--preset"), ("loop", "-p"), ("page", "--preset"), ("generate", "--preset"), ("fetch", "--preset"),
     ("presets", "show")],
)  # fmt: skip
def test_presets_are_offered_wherever_one_is_wanted(offered, words):
    assert offered(*words, "to") == ["toy", "toy-mini"]
    assert "quickstart" in offered(*words, "quick")
    assert offered(*words, "no-such") == []


def test_a_preset_that_is_typed_out_offers_its_mini_and_a_path_its_files(offered):
    assert offered("loop", "-p", "fig3-top-left") == ["fig3-top-left", "fig3-top-left-mini"]
    assert offered("loop", "-p", "fig3-top-left-m") == ["fig3-top-left-mini"]
    assert offered("loop", "-p", "toy-") == ["toy-mini"]
    assert offered("loop", "-p", "tiny") == ["tiny"]
    assert offered("loop", "-p", "presets/t") == ["presets/tiny.toml", "presets/toy.toml"]


@pytest.mark.parametrize(
    "words",
    [("runs", "show"), ("runs", "verify"), ("runs", "list"), ("runs", "diff", "x"), ("runs", "compare"), ("plot",),
     ("evaluate", "run"), ("generate", "--run"), ("export",), ("bound", "--from")],
)  # fmt: skip
def test_runs_and_the_studies_above_them_are_offered(offered, stored, words):
    every = ["runs", "runs/toy", "runs/toy/seed-0", "runs/toy/seed-1"]
    assert [path for path in offered(*words, "runs") if not path.startswith("fig")] == every
    assert offered(*words, "runs/toy/seed-1") == ["runs/toy/seed-1"]
    assert offered(*words, "runs/e") == []
    assert offered(*words, str(Path("runs/toy/seed-0").resolve())) == [str(Path("runs/toy/seed-0").resolve())]


def test_nothing_typed_offers_what_lies_in_runs_only(stored):
    Path("elsewhere").mkdir()
    assert completing.runs("") == ["runs", "runs/toy", "runs/toy/seed-0", "runs/toy/seed-1"]


def lie_at(*directories: str) -> None:
    """Runs, as far as a shell looks at them."""
    for directory in map(Path, directories):
        directory.mkdir(parents=True)
        (directory / EXPERIMENT).touch()


def test_hidden_folders_links_and_what_lies_too_deep_are_not_looked_into(workplace):
    lie_at("runs/a/seed-0", "runs/.b/seed-0", "elsewhere/seed-0", "runs/1/2/3/seed-0", "runs/x/2/3/4/5/seed-0")
    Path("runs/link").symlink_to(Path("elsewhere").absolute())
    Path("runs/loop").symlink_to(Path("runs").absolute())
    assert completing.runs("runs") == [
        "runs", "runs/1", "runs/1/2", "runs/1/2/3", "runs/1/2/3/seed-0", "runs/a", "runs/a/seed-0",
    ]  # fmt: skip


def test_of_many_folders_some_are_looked_into_and_some_names_offered(workplace, monkeypatch):
    lie_at(*(f"runs/a/seed-{number}" for number in range(4)))
    monkeypatch.setattr(completing, "MOST", 3)
    assert completing.runs("runs") == ["runs", "runs/a", "runs/a/seed-0"]
    monkeypatch.setattr(completing, "_VISITED", 3)
    assert completing.runs("runs") == ["runs", "runs/a", "runs/a/seed-0"]
    monkeypatch.setattr(completing, "MOST", 200)
    assert completing.runs("runs") == ["runs", "runs/a", "runs/a/seed-0"]


@pytest.mark.parametrize("words", [("plot", "runs/toy"), ("evaluate", "run", "runs/toy/seed-1")])
def test_metrics_are_those_of_the_run_that_is_named(offered, stored, words):
    assert offered(*words, "--metric", "share_p") == ["share_predicted"]
    assert offered(*words[:-1], "nowhere", "--metric", "share_p") == []


def test_figures_data_sets_and_arms(offered):
    assert "fig10" in offered("plot", "fig1")
    assert offered("fetch", "cifar10") == ["cifar10", "cifar100"]
    Path("presets/armed.toml").write_text(ARMED)
    assert offered("loop", "-p", "armed", "--arm", "") == ["plain", "no feedback"]


def test_plugins_are_those_that_are_installed():
    assert "images" in completing.domains("im")
    assert set(completing.domains("")) < set(completing.plugins(""))
    assert completing.plugins("no-such") == []


def test_a_completion_never_fails(workplace, monkeypatch):
    Path("presets/broken.toml").write_bytes(b"\xff")
    assert completing.presets("broken") == []
    monkeypatch.setattr(completing.os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError(path)))
    assert completing.runs("runs") == []


def test_what_is_typed_twice_is_not_refused_while_a_shell_completes(offered):
    assert offered("loop", "--seeds", "0", "--seeds", "1", "--preset", "to") == ["toy", "toy-mini"]


def test_formats_and_scenarios_are_offered(offered):
    assert offered("export", "runs", "--format", "") == ["csv", "parquet", "hf", "released", "bias-amp", "ffl"]
    assert offered("export", "runs", "--format", "p") == ["parquet"]
    Path("presets/scenarios").mkdir()
    Path("presets/scenarios/web-mine.toml").write_text("")
    assert offered("bound", "--scenario", "web") == ["web-mine", "web-text"]
    assert offered("bound", "--scenario", "li") == ["list"]
    assert offered("bound", "--scenario", "presets/scenarios/w") == ["presets/scenarios/web-mine.toml"]
