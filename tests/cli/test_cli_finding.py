"""What there is to name: metrics of runs, figures, and the runs below a folder that was named in place of one."""

import json
from pathlib import Path

import pytest

from biasloop.errors import InvalidInput


@pytest.fixture
def stored(cli):
    """A study of two runs in `runs/toy`."""
    assert cli("loop", "-p", "toy", "--set", "loop.rounds=2", "--seeds", "0-1", "-o", "runs/toy").exit_code == 0


def refused(result) -> str:
    assert isinstance(result.exception, InvalidInput), result.output
    return str(result.exception)


@pytest.mark.parametrize("words", [("plot", "runs/toy"), ("evaluate", "run", "runs/toy")])
def test_metrics_of_runs_are_listed_with_their_labels(cli, stored, words):
    lines = {line["metric"]: line for line in json.loads(cli(*words, "--list", "--json").stdout)}
    assert lines["share_predicted"] == {"metric": "share_predicted", "label": "Share predicted", "values": 4}
    text = cli(*words, "--list").stdout
    assert "Share predicted" in text
    assert not Path("runs/toy.png").exists()


def test_figures_are_listed_with_the_presets_that_they_show(cli):
    lines = {line["figure"]: line for line in json.loads(cli("plot", "--list", "--json").stdout)}
    assert list(lines).index("fig4") < list(lines).index("fig10")
    assert lines["fig3"]["presets"][:2] == ["fig3-top-left", "fig3-top-right"]
    assert "Taori & Hashimoto 2022" in lines["fig3"]["source"]
    assert "runs that you name" in cli("plot", "--list").stdout


def test_a_layout_that_cannot_be_read_does_not_hide_the_others(cli):
    Path("presets/figures").mkdir()
    Path("presets/figures/odd.toml").write_text("rows = 3")
    result = cli("plot", "--list", "--json")
    assert "odd.toml" in result.stderr
    assert "fig3" in [line["figure"] for line in json.loads(result.stdout)]


def test_nothing_to_draw_is_refused_with_what_lists_the_figures(cli):
    assert "`biasloop plot --list`" in refused(cli("plot"))


@pytest.mark.parametrize(
    "words",
    [("runs", "show", "PLACE"), ("runs", "diff", "PLACE", "runs/toy/seed-0"), ("runs", "repair", "PLACE"),
     ("generate", "-o", "x.csv", "--run", "PLACE"), ("evaluate", "shares", "PLACE", "--predicted", "prediction")],
)  # fmt: skip
def test_a_folder_of_runs_names_those_in_it_wherever_one_run_is_wanted(cli, stored, words):
    said = refused(cli(*("runs" if word == "PLACE" else word for word in words)))
    assert said == ("runs is a folder of runs and not a run; give one of those in it: runs/toy/seed-0, "
                    "runs/toy/seed-1")  # fmt: skip


@pytest.mark.parametrize("words", [("runs", "show"), ("plot",), ("evaluate", "run"), ("runs", "verify")])
def test_a_run_that_is_not_there_names_those_near(cli, stored, words):
    assert "in runs/toy there are runs/toy/seed-0, runs/toy/seed-1; " in refused(cli(*words, "runs/toy/seed-7"))
    assert "there are" not in refused(cli(*words, "elsewhere"))


@pytest.mark.parametrize("words", [("plot", "runs/toy", "-o", "x.png"), ("evaluate", "run", "runs/toy/seed-0")])
def test_a_metric_that_there_is_not_names_what_comes_near_and_those_of_all_rounds(cli, stored, words):
    said = refused(cli(*words, "--metric", "share_predcted"))
    assert said.endswith("; did you mean 'share_predicted'?")
    assert "label_error" in said  # which round 0 does not have
