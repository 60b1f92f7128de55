"""Figures of metrics: families of names, what STAR counted, panels of presets and of runs, layouts that are wrong."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.contract.data import Column, Frame, Metric
from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm, Measured
from biasloop.report.figures import layouts, of_runs
from biasloop.report.figures.layouts import Layout
from biasloop.report.figures.round_values import Values
from biasloop.report.figures.side_by_side import panel_rows

NAMES = ("accuracy", "fpr.green", "fpr.red", "population.count.0/green", "population.count.0/red",
         "population.count.1/green", "population.count.1/red", "population.share_group.green",
         "population.share_group.red")  # fmt: skip


def star(short, drawn, placed):
    """A table as it is stored: a row a batch."""
    columns = {"shortfall": short, **{f"drawn.{k}": column for k, column in enumerate(np.transpose(drawn))},
               **{f"placed.{k}": column for k, column in enumerate(np.transpose(placed))}}  # fmt: skip
    return Frame({name: Column(np.asarray(values, np.int32)) for name, values in columns.items()})


def measured(seed=0, rounds=3, frames=None, refill="single", kind="classifier", names=NAMES):
    """A run whose metric number m of round t is m + t / 10 + seed."""
    frames = frames or [{}] * rounds
    run = SimpleNamespace(
        identity={"loop": {"rule": "generations", "star": kind, "star_refill": refill}, "seed": seed},
        rounds=list(range(rounds)), directory=Path("runs/x"),
        read=lambda step: SimpleNamespace(frames=frames[int(step.removeprefix("round-"))]),
    )  # fmt: skip
    rows = [{name: Metric(m + t / 10 + seed, 1) for m, name in enumerate(names)} for t in range(rounds)]
    return Measured(run, rows, [{}] * rounds, [None] * rounds)


def layout(*rows, **more):
    return Layout.model_validate({"panels": [list(row) for row in rows], **more})


def labels(panel):
    return [series.label for series in panel.series]


# --- values of a run


def test_a_family_is_told_apart_by_what_follows_and_a_number_picks_one():
    values = Values(measured())
    assert values.matching("fpr.*") == {"green": "fpr.green", "red": "fpr.red"}
    assert values.matching("population.share_group[1]") == {"": "population.share_group.red"}
    assert values.matching("accuracy") == {"": "accuracy"}
    for absent in ("tpr.*", "fpr[2]", "acc", "star.classifier.resampled", "star.generator.drawn.*"):
        assert values.matching(absent) == {}
    np.testing.assert_allclose(values.of("fpr.red"), [2, 2.1, 2.2])


@pytest.mark.parametrize(("refill", "expected"), [("single", (3 + 1) / 2 / 8), ("until-met", (3 + 1) / 2 / 6)])
def test_resampled_is_the_share_of_a_batch_that_the_quotas_left(refill, expected):
    # Batches of 8 of which a single refill fills 3 and 1 places with samples of unknown stratum.
    table = star([3, 1], [[5, 3, 1, 1], [3, 3, 2, 2]], [[2, 2, 1, 0], [2, 2, 2, 1]])
    values = Values(measured(frames=[{}, {"classifier.star": table}, {"classifier.star": table}], refill=refill))
    found = values.of(values.matching("star.classifier.resampled")[""])
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], expected)


def test_drawn_strata_have_the_names_of_the_population_or_else_numbers():
    table = star([0, 0], [[4, 3, 2, 1], [6, 3, 0, 1]], [[1] * 4] * 2)
    values = Values(measured(frames=[{"classifier.star": table}] * 3))
    found = values.matching("star.classifier.drawn.*")
    assert list(found) == ["0/green", "0/red", "1/green", "1/red"]
    np.testing.assert_allclose([values.of(name)[0] for name in found.values()], [5, 3, 1, 1])
    bare = Values(measured(frames=[{"classifier.star": table}] * 3, names=NAMES[:3]))
    assert list(bare.matching("star.classifier.drawn.*")) == ["0", "1", "2", "3"]


# --- panels


def test_a_panel_has_a_series_an_arm_over_its_seeds():
    arms = [Arm("None", [measured(0), measured(1, rounds=2)]), Arm("STAR", [measured(5)])]
    ((panel,),), left_out = panel_rows(
        layout([{"metric": "accuracy", "y_label": "Accuracy", "lines": [0.3]}], shade_from=1, x_limit=8,
               looks={"STAR": "green dashed"}), arms,
    )  # fmt: skip
    assert left_out == []
    assert labels(panel) == ["None", "STAR"]
    np.testing.assert_allclose(panel.series[0].values, [[0, 0.1], [1, 1.1]])
    assert [series.look for series in panel.series] == ["", "green dashed"]
    assert (panel.y_label, panel.guides, panel.shade_from, panel.x_limit, panel.stacked) == (
        "Accuracy", (0.3,), 1, 8, False,
    )  # fmt: skip


def test_families_and_several_metrics_are_series_of_one_panel():
    wanted = {"metrics": {"": "fpr.*", "all": "accuracy"}}
    ((one,),), _ = panel_rows(layout([wanted]), [Arm("", [measured()])])
    assert labels(one) == ["green", "red", "all"]
    ((two,),), _ = panel_rows(layout([wanted]), [Arm("a", [measured()]), Arm("b", [measured()])])
    assert labels(two) == ["a, green", "a, red", "a, all", "b, green", "b, red", "b, all"]
    ((lone,),), _ = panel_rows(layout([{"metric": "accuracy"}]), [Arm("", [measured()])])
    assert labels(lone) == ["overall"]


def test_a_difference_a_ratio_to_the_round_before_and_percent():
    arms = [Arm("a", [measured()])]
    (difference, relative, percent), = panel_rows(layout([
        {"metric": "fpr.*", "show": "difference"}, {"metric": "fpr.green", "show": "relative"},
        {"metric": "population.count.*", "show": "percent"},
    ]), arms)[0]  # fmt: skip
    assert labels(difference) == ["a"]
    np.testing.assert_allclose(difference.series[0].values, [[1, 1, 1]])
    np.testing.assert_allclose(relative.series[0].values, [[np.nan, 1.1, 1.2 / 1.1]])
    np.testing.assert_allclose(sum(series.values for series in percent.series), [[100] * 3])
    np.testing.assert_allclose(percent.series[0].values[0, 0], 100 * 3 / (3 + 4 + 5 + 6))


def test_a_stacked_panel_is_drawn_for_each_arm():
    wanted = layout([{"metric": "population.count.*", "stacked": True, "title": "Strata"}])
    ((first,), (second,)), _ = panel_rows(wanted, [Arm("a", [measured()]), Arm("b", [measured()])])
    assert (first.title, second.title) == ("Strata: a", "Strata: b")
    assert labels(first) == labels(second) == ["0/green", "0/red", "1/green", "1/red"]
    assert first.stacked


def test_what_no_run_has_is_left_out_and_told_and_the_gap_is_closed():
    rows, left_out = panel_rows(
        layout([{"metric": "accuracy"}, {"metric": "star.classifier.resampled", "y_label": "Resampled"}],
               [{"metric": "fpr.green"}]), [Arm("a", [measured()])],
    )  # fmt: skip
    assert [len(row) for row in rows] == [2]
    assert left_out == ["Resampled"]
    with pytest.raises(InvalidInput, match=r"runs/x has nothing that the figure shows: nope"):
        panel_rows(layout([{"metric": "nope"}]), [Arm("a", [measured()])])


# --- layouts

GOOD = """
presets = ["ffl-cmnist-mc", "ffl-cmnist-mc-clastar"]
labels = ["No STAR", "Cla-STAR"]
panels = [[{ metric = "accuracy", y_label = "Accuracy" }]]
looks = { "Cla-STAR" = "green dashed" }
shade_from = 10
source = "Somebody 2024"
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("labels =", "label =", "label"),
        ('"Cla-STAR"]', '"Cla-STAR", "x"]', "one label for each"),
        ("green dashed", "greenish dashed", "no look 'greenish dashed'"),
        ("green dashed", "green wavy", "solid, dashed, dotted"),
        ("green dashed", "#12345 solid", "#rrggbb"),
        ('metric = "accuracy", ', "", "`metric` or `metrics`"),
        ('metric = "accuracy"', 'metric = "a", metrics = { b = "c" }', "not both"),
        ('y_label = "Accuracy"', "stacked = true", "without `presets`"),
        ("source", 'rows = [["a"]]\nsource', "not both"),
        ("panels =", "titles =", "titles"),
        ('"Accuracy" }]]', '"Accuracy", show = "ratio" }]]', "relative"),
        ("shade_from = 10", "shade_from = -1", "shade_from"),
    ],
)
def test_a_bad_layout_is_named_with_its_file(tmp_path, old, new, words):
    path = tmp_path / "f.toml"
    path.write_text(GOOD)
    assert layouts.read(path).shade_from == 10
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InvalidInput) as caught:
        layouts.read(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_figure_of_presets_names_the_runs_that_are_missing(tmp_path):
    path = tmp_path / "f.toml"
    path.write_text(GOOD)
    figure = of_runs.published("f", path, tmp_path)
    assert figure.rows == []
    assert figure.missing == [
        "biasloop loop --preset ffl-cmnist-mc --seeds 0-24", "biasloop loop --preset ffl-cmnist-mc-clastar --seeds 0-24"
    ]  # fmt: skip
    mini = of_runs.published("f-mini", path, tmp_path)
    assert mini.layout.presets == ["ffl-cmnist-mc-mini", "ffl-cmnist-mc-clastar-mini"]
    assert mini.layout.source == "after Somebody 2024, with small data and networks"
    assert mini.layout.shade_from is None
    with pytest.raises(InvalidInput, match="without runs"):
        of_runs.single(path, [Path("runs")])


def test_a_figure_of_runs_says_that_it_needs_some(tmp_path):
    path = presets.packaged() / "figures" / "ffl-single.toml"
    assert of_runs.published("ffl-single", path, tmp_path).missing == ["biasloop plot ffl-single RUN..."]
    with pytest.raises(InvalidInput, match="there is no run"):
        of_runs.single(path, [tmp_path])


def test_shipped_figures_of_metrics_show_what_the_publication_shows():
    found = {path.stem: layouts.read(path) for path in (presets.packaged() / "figures").glob("ffl-*.toml")}
    compared = {f"ffl-{data}-{name}" for data in ("cmnist", "svhn", "celeba") for name in ("seqclass", "seqgen")}
    assert found.keys() == compared | {
        "ffl-single",
        "ffl-cmnist-sequential", "ffl-svhn-sequential", "ffl-cmnist-synthetic", "ffl-cmnist-half",
        "ffl-cmnist-seqclass-half",
    }  # fmt: skip
    zones = {name: (one.shade_from, one.x_limit) for name, one in found.items() if name.endswith("-seqgen")}
    assert zones == {"ffl-cmnist-seqgen": (10, 40), "ffl-svhn-seqgen": (5, 40), "ffl-celeba-seqgen": (1, 8)}
    assert [preset.removeprefix("ffl-cmnist-syn") for preset in found["ffl-cmnist-synthetic"].presets] == [
        "0", "20", "40", "60", "80", "90",
    ]  # fmt: skip
    for name, one in found.items():
        assert one.x_label == "Generation"
        assert set(one.labels) == set(one.looks) or name == "ffl-single"
        looks = list(one.looks.values())
        assert len({look.split()[1] for look in looks}) == min(3, len(looks)) or name == "ffl-single"
