"""`biasloop plot`: runs as a figure, and a published figure from a layout file with what is there of it."""

import json
import re
from pathlib import Path

import pytest
import tomli
from support import toy
from support.loops import cut

from biasloop.errors import InvalidInput

PNG, PDF = b"\x89PNG\r\n", b"%PDF"


def texts(svg: str) -> str:
    """An SVG as text; labels stand in comments beside their glyphs."""
    return Path(svg).read_text()


def test_a_run_is_drawn(cli):
    cli("loop", "-p", "toy")
    result = cli("plot", "runs/toy", "--out", "x.pdf")
    assert result.exit_code == 0, result.exception
    assert result.stdout == "wrote x.pdf\n"
    assert Path("x.pdf").read_bytes().startswith(PDF)


def test_json_names_the_file_and_the_default_lies_beside_the_runs(cli):
    cli("loop", "-p", "toy")
    result = cli("plot", "runs/toy", "--json")
    assert json.loads(result.stdout) == {"file": "runs/toy.png"}
    assert Path("runs/toy.png").read_bytes().startswith(PNG)


def test_a_study_has_one_series_an_arm_and_its_source_below(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1", "--grid", "loop.human=5,25")
    assert cli("plot", "runs/toy", "--out", "x.svg").exit_code == 0
    drawn = texts("x.svg")
    assert "20 % human" in drawn
    assert "55.56 % human" in drawn
    assert "made up" in drawn


def test_arms_are_told_apart_by_what_differs_whether_one_place_is_given_or_two(cli):
    cli("loop", "-p", "toy", "--out", "a")
    cli("loop", "-p", "toy", "--out", "b", "--set", "domain.delta=0.1")
    cli("plot", "a", "b", "a", "--out", "x.svg")
    drawn = texts("x.svg")
    assert "domain.delta = 0.05" in drawn
    assert "domain.delta = 0.1" in drawn


def test_another_metric_can_be_drawn(cli):
    cli("loop", "-p", "toy")
    cli("plot", "runs/toy", "--metric", "label_error", "--out", "x.svg")
    assert "label error" in texts("x.svg")


def test_every_metric_that_the_preset_names_has_a_panel(cli):
    series = '["share_predicted", "label_error", "share_train"]'
    sets = ("--set", f"plot.series={series}", "--set", 'plot.labels={share_train="Share learnt"}')
    cli("loop", "-p", "toy", "--out", "runs/toy", *sets)
    result = cli("plot", "runs/toy", "--out", "x.svg")
    assert (result.exception, result.stderr) == (None, "")
    drawn = texts("x.svg")
    for label in ("Share predicted", "label error", "Share learnt", "bound"):
        assert label in drawn
    cli("plot", "runs/toy", "--metric", "share_train", "--out", "y.svg")
    assert "label error" not in texts("y.svg")


def test_a_metric_without_a_value_is_said_and_leaves_no_empty_frame(cli):
    name = "label_error"  # of one round there is none
    cli(
        "loop",
        "-p",
        "toy",
        "--out",
        "runs/toy",
        "--set",
        "loop.rounds=1",
        "--set",
        f'plot.series=["share_predicted", "{name}"]',
    )
    cli("loop", "-p", "toy", "--out", "null", "--set", "loop.rounds=2", "--set", "domain.labels=bits", "--set",
        "domain.unlabelled=300", "--set", "loop.start=60", "--set", "loop.human=0")  # fmt: skip
    result = cli("plot", "runs/toy", "--out", "x.png")
    assert result.stderr == f"no round has a value of {name}, which is left out\n"
    result = cli("plot", "null", "--metric", name, "--out", "y.png")
    assert "null/seed-0: no round has a value of label_error, which is null throughout; name" in str(result.exception)
    assert not Path("y.png").exists()


def test_wrong_usage_is_refused_in_a_sentence(cli):
    cli("loop", "-p", "toy")
    for arguments, words in (
        (("nowhere",), "nowhere"),
        (("runs/toy", "--metric", "nope"), "'nope'; name one with --metric or [plot] series, such as share_target"),
        (("runs/toy", "--out", "x.bmp"), ".bmp"),
    ):
        result = cli("plot", *arguments)
        assert isinstance(result.exception, InvalidInput), result.exception
        assert words in str(result.exception)


def test_a_run_that_has_only_begun_does_not_spoil_the_others(cli):
    cli("loop", "-p", "toy", "--seeds", "0-1")
    cut(Path("runs/toy/seed-1"))
    result = cli("plot", "runs/toy", "--out", "x.png")
    assert result.exit_code == 0, result.exception


# --- published figures

LAYOUT = """
title = "Figure X"
source = "Somebody 2024, figure X"
certainty = "the metric is inferred"
rows = [["toy", "absent"], ["other", "toy"]]
titles = [["first", "second"], ["third", "fourth"]]
y_labels = ["Share", "Share"]
"""


@pytest.fixture
def figure(workplace, monkeypatch):
    """A layout file on the preset path, with a preset of which no run exists."""
    library = workplace / "library"
    (library / "figures").mkdir(parents=True)
    (library / "figures" / "figX.toml").write_text(LAYOUT)
    for name in ("absent", "other"):
        (library / f"{name}.toml").write_text(toy.PRESET)
    monkeypatch.setenv("BIASLOOP_PRESETS", str(library))
    return library / "figures" / "figX.toml"


def test_a_figure_is_drawn_from_what_is_there_and_names_what_is_missing(cli, figure):
    cli("loop", "-p", "toy")
    Path("runs/other").mkdir()
    result = cli("plot", "figX", "--out", "x.svg", "--json")
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout) == {"file": "x.svg"}
    assert "\n  biasloop loop --preset absent --seeds 0-2\n" in result.stderr
    assert "\n  biasloop loop --preset other --seeds 0-2\n" in result.stderr
    drawn = texts("x.svg")
    assert "first" in drawn
    assert "second" not in drawn
    assert "fourth" in drawn
    assert "Somebody 2024" in drawn
    assert "inferred" in drawn


def test_a_row_without_runs_takes_its_label_along(cli, figure):
    cli("loop", "-p", "toy")
    figure.write_text('rows = [["absent"], ["toy"]]\ny_labels = ["Upper", "Lower"]')
    assert cli("plot", "figX", "--out", "x.svg").exit_code == 0
    assert "Lower" in texts("x.svg")
    assert "Upper" not in texts("x.svg")


ROWS = """
rows = [["toy"], ["toy"]]
metrics = ["share_predicted", "label_error"]
baselines = ["share_target", "share_target"]
y_labels = ["Upper", "Lower"]
"""


def test_rows_can_show_a_metric_each_with_the_bound_that_starts_from_its_baseline(cli, figure):
    from biasloop.report.figures import of_runs

    cli("loop", "-p", "toy")
    figure.write_text(ROWS.replace("label_error", "share_train"))
    drawn = of_runs.published("figX", figure)
    upper, lower = (row[0].series[0] for row in drawn.rows)
    assert drawn.left_out == []
    assert upper.bound[0] == pytest.approx(upper.values[0, 0])  # delta is what round 0 is off by
    assert lower.bound[0] == pytest.approx(lower.values[0, 0])
    assert (lower.values != upper.values).any()
    assert lower.baseline == upper.baseline


def test_a_row_whose_metric_the_runs_do_not_have_is_left_out_and_said(cli, figure):
    cli("loop", "-p", "toy")
    figure.write_text(ROWS.replace("label_error", "quotes.generated"))
    result = cli("plot", "figX", "--out", "x.svg")
    assert result.exit_code == 0, result.exception
    assert "no run has what these show: toy: quotes.generated" in result.stderr
    assert "Upper" in texts("x.svg")
    assert "Lower" not in texts("x.svg")


@pytest.mark.parametrize("name", ["fig5", "fig18", "fig19", "fig20"])
def test_the_language_figures_have_the_two_rows_of_the_published_helper(name):
    from biasloop.report.figures import layouts, of_runs

    layout = layouts.read(of_runs.find_layout(name))
    assert layout.rows == [[f"{name}-nucleus", f"{name}-beam"]] * 2
    assert layout.metrics == ["toxicity.generated", "quotes.generated"]
    assert layout.baselines == ["toxicity.reference", "quotes.reference"]


def test_figure_6_is_one_pair_of_axes():
    from biasloop.report.figures import layouts, of_runs

    layout = layouts.read(of_runs.find_layout("fig6"))
    assert layout.presets == ["fig5-nucleus", "fig5-beam", "fig6-overfit"]
    assert [len(row) for row in layout.panels] == [1]
    assert [layout.looks[label] for label in layout.labels] == ["blue solid", "yellow solid", "red solid"]


def test_a_figure_of_minis_has_the_layout_of_the_figure(cli, figure):
    cli("loop", "-p", "other-mini")
    result = cli("plot", "figX-mini", "--out", "x.svg")
    assert result.exit_code == 0, result.exception
    assert "\n  biasloop loop --preset absent-mini --seeds 0-2\n" in result.stderr
    drawn = texts("x.svg")
    assert "third" in drawn
    assert "after Somebody 2024, figure X" in drawn
    assert "inferred" not in drawn


def test_the_default_file_is_called_like_the_figure(cli, figure):
    cli("loop", "-p", "toy")
    assert cli("plot", "figX").stdout == "wrote figX.png\n"


def test_a_figure_of_which_nothing_is_there_is_refused_with_the_commands(cli, figure):
    result = cli("plot", "figX")
    assert isinstance(result.exception, InvalidInput)
    assert "no run of figX" in str(result.exception)
    assert result.stderr.count("biasloop loop --preset toy --seeds 0-2") == 1
    assert not Path("figX.png").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["Share", "Share"]', '["Share"]', "`y_labels` needs one entry for each of the `rows`"),
        ("rows =", "row =", "row"),
        ('rows = [["toy", "absent"], ["other", "toy"]]', 'rows = "toy"', "rows"),
        ('["third", "fourth"]', '["third"]', "titles"),
        ("title =", "title", "line 2"),
        ('"absent"]', '"apsent"]', "'absent'"),
        ("titles", 'metric = "a"\nmetrics = ["a", "b"]\ntitles', "not both"),
        ("titles", 'metrics = ["a"]\ntitles', "`metrics` needs one entry for each"),
        ("titles", 'baselines = ["a", "b"]\ntitles', "`baselines` goes with `metrics`"),
    ],
)
def test_a_bad_layout_is_named(cli, figure, old, new, words):
    figure.write_text(LAYOUT.replace(old, new, 1))
    cli("loop", "-p", "toy")
    result = cli("plot", "figX")
    assert isinstance(result.exception, InvalidInput), result.exception
    assert str(figure) in str(result.exception)
    assert words in str(result.exception)


@pytest.mark.parametrize("name", ["clip-generator", "ffl-single"])
def test_a_figure_of_runs_that_a_person_names_says_so_where_none_is_given(cli, name):
    cli("loop", "-p", "toy")
    result = cli("plot", name)
    assert isinstance(result.exception, InvalidInput)
    assert str(result.exception) == (
        f"{name} shows runs that you name, and none is given; type: biasloop plot {name} RUN..."
    )
    assert "runs are missing" not in result.stderr


def test_who_names_nothing_beside_a_preset_that_names_nothing_is_told_what_there_is(cli):
    preset = Path("presets", "toy.toml")
    preset.write_text(re.sub(r"\[bound\][^[]*", "", preset.read_text()))
    cli("loop", "-p", "toy", "--seeds", "0")
    refused = cli("plot", "runs/toy")
    assert isinstance(refused.exception, InvalidInput), refused.exception
    assert "its preset names no metric to draw; name one with --metric or [plot] series, such as share_target" in str(
        refused.exception
    )
    unbound = cli("bound", "--from", "runs/toy/seed-0")
    lines = str(unbound.exception).partition("\n")[2]
    assert tomli.loads(lines) == {
        "bound": {"metric": "share_predicted", "baseline": "share_target", "train": "share_train"}
    }
    preset.write_text(f"{preset.read_text()}\n{lines}\n")
    again = cli("loop", "-p", "toy", "--seeds", "0")
    assert again.exit_code == 0, again.exception
    assert cli("bound", "--from", "runs/toy/seed-0").exit_code == 0


def test_who_draws_what_no_round_has_is_told_what_there_is(cli):
    cli("loop", "-p", "toy", "--set", 'plot.series=["accuracy", "ece"]', "--out", "runs/toy")
    refused = cli("plot", "runs/toy")
    assert isinstance(refused.exception, InvalidInput), refused.exception
    said = str(refused.exception)
    assert "no round has a value of accuracy or ece; name one with --metric or [plot] series" in said
    assert "such as share_target" in said
    assert "label_error" in said


def test_a_wrong_metric_is_told_before_a_file_that_is_there(cli):
    cli("loop", "-p", "toy")
    assert cli("plot", "runs/toy", "-o", "x.svg").exit_code == 0
    refused = cli("plot", "runs/toy", "-o", "x.svg", "--metric", "share_predictd")
    assert str(refused.exception).endswith("did you mean 'share_predicted'?")
    assert "there already" in str(cli("plot", "runs/toy", "-o", "x.svg", "--metric", "share_predicted").exception)
