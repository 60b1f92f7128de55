"""Released results: read, averaged over seeds, matched with metrics, drawn over runs."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.contract.data import Metric
from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm, Measured
from biasloop.report.figures.overlay import Overlay, caption, draw, field_of, overlays
from biasloop.report.figures.panels import Panel, Series
from biasloop.report.figures.released import Curve, over_seeds, read_curves, read_directory

SHIPPED = presets.packaged() / "published" / "wyllie2024.json"
METRICS = (
    "accuracy", "tpr", "equalized_odds_difference", "valid.selection_rate", "population.share_label.0",
    "population.share_label.1", "population.share_group.green", "population.share_group.red",
)  # fmt: skip


def arm(label="", published=None, rounds=3, evaluate_on="both"):
    """An arm of one run that knows its published curves."""
    about = {"name": "mine", "plot": {"published": published} if published else {}}
    run = SimpleNamespace(
        directory=f"runs/{label or 'mine'}",
        identity={"domain": {"evaluate_on": evaluate_on}},
        manifest=SimpleNamespace(about=about),
    )
    metrics = [{name: Metric(0.5, 10) for name in METRICS}] * rounds
    return Arm(label, [Measured(run, metrics, [], [])])


# --- the shipped curves


@pytest.mark.parametrize(
    ("experiment", "at", "values"),  # accuracy, selection rate, DP, EOdds, label 1, group 1, as they are quoted
    [
        ("ColoredMNIST|MC", 10, (0.732, 0.549, 0.370, 0.259, 0.764, 0.521)),
        ("ColoredMNIST|ARGEN", 39, (0.491, 0.177, 0.101, 0.110, 0.769, 0.495)),
        ("SVHN|ARNOMC25", 0, (0.671, 0.567, 0.525, 0.547, 0.575, 0.464)),
        ("celeba|ARCLA", 4, (0.512, 0.935, 0.011, 0.027, 0.033, 0.035)),
    ],
)
def test_the_shipped_curves_are_those_released(experiment, at, values):
    curves = read_curves(SHIPPED)
    names = ("acc", "sel", "dp", "eodds", "label_bal", "color_bal")
    found = [curves.curve(experiment, "test", name).mean[at] for name in names]
    assert found == pytest.approx(values, abs=0.00051)


def test_every_preset_that_names_published_curves_finds_them():
    curves = read_curves(SHIPPED)
    named = {name: presets.read(name).values.get("plot", {}).get("published") for name in presets.files()}
    for name, experiment in named.items():
        if experiment is not None:
            assert experiment in curves.experiments, name
            assert len(curves.curve(experiment, "valid", "acc").mean) >= 8
    assert curves.notes.keys() == {"ColoredMNIST|syn50"}
    assert not [experiment for experiment in curves.experiments if "grp" in experiment or "lab" in experiment]


# --- directories of results

MEASURES = ("Accuracy", "Selection rate", "Count", "tpr", "tnr", "fpr", "fnr")
OLD = [f"{kind}_{name}" for kind in ("difference", "ratio", "group_min", "group_max") for name in MEASURES]


def written(place, rows, columns):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")


def seed_of(place, values, *, groups=("group_0", "group_1"), split="test"):
    """Files of one seed: of each (generation, number), all measures are that number, but the difference of fpr."""
    columns = [*OLD, *(f"{group}_{name}" for group in groups for name in MEASURES)]
    written(place / f"cla_{split}_overall.csv", [[value] * 7 + [g] for g, value in values], [*MEASURES, "generation"])
    between = []
    for generation, value in values:
        row = dict.fromkeys(columns, value) | {"difference_fpr": value + 0.125, "difference_tpr": value}
        between.append([*row.values(), generation])
    written(place / f"cla_{split}_aggregated.csv", between, [*columns, "generation"])
    rows = [[g, value, 1 - value] for g, value in values]
    written(place / "gen_pop_stats.csv", rows, ["generation", "label_bal", "color_bal"])


@pytest.mark.parametrize("groups", [("group_0", "group_1"), ()], ids=["42 columns", "28 columns"])
def test_seeds_are_averaged_and_the_last_row_of_a_generation_counts(tmp_path, groups):
    seed_of(tmp_path / "SVHN_MC_0", [(0, 0.5), (1, 0.25), (1, 0.75)], groups=groups)
    seed_of(tmp_path / "SVHN_MC_1", [(0, 0.25), (1, 0.25)], groups=groups)
    seed_of(tmp_path / "SVHN_MC_2", [(0, 0.0)], groups=groups)
    found = read_directory(tmp_path)
    assert list(found) == ["SVHN_MC"]
    for name, shift in (("acc", 0), ("sel", 0), ("acc_diff", 0), ("dp", 0), ("eodds", 0.125), ("label_bal", 0)):
        curve = over_seeds(found["SVHN_MC"], "test", name)
        assert curve.mean == pytest.approx([0.25 + shift, 0.5 + shift])
        assert curve.std == pytest.approx([np.std([0.5, 0.25, 0.0]), 0.25])
        assert curve.seeds.tolist() == [3, 2]
    assert over_seeds(found["SVHN_MC"], "test", "color_bal").mean == pytest.approx([0.75, 0.5])


def test_one_experiment_or_one_seed_or_all_can_be_given(tmp_path):
    for name in ("SVHN_MC_0", "SVHN_MC_1", "SVHN_NOSEQ_MC_0", "SVHN_AR"):
        seed_of(tmp_path / "SVHN" / name, [(0, 0.5)])
    assert [len(places) for places in read_directory(tmp_path).values()] == [1, 2, 1]
    assert list(read_directory(tmp_path / "SVHN")) == ["SVHN_AR", "SVHN_MC", "SVHN_NOSEQ_MC"]
    labels = [one.label for one in overlays([str(tmp_path / "SVHN" / "SVHN_MC_1")], [arm()], "accuracy")]
    assert labels == ["SVHN_MC (1 seed)"]


def test_files_that_are_not_as_released_are_named(tmp_path):
    with pytest.raises(InvalidInput, match="holds no released results; expected files such as cla_test_overall.csv"):
        read_directory(tmp_path)
    place = tmp_path / "x_0"
    seed_of(place, [(0, 0.5)])
    with pytest.raises(InvalidInput, match=r"cla_valid_overall.csv cannot be read"):
        over_seeds([place], "valid", "acc")
    (place / "gen_pop_stats.csv").write_text("generation,label_bal\n0,0.5\n")
    with pytest.raises(InvalidInput, match=r"gen_pop_stats.csv, line 2: KeyError\('color_bal'\)"):
        over_seeds([place], "test", "color_bal")
    (place / "gen_pop_stats.csv").write_text("generation,label_bal\nNone,0.5\n")
    with pytest.raises(InvalidInput, match=r"gen_pop_stats.csv, line 2: .*NaN"):
        over_seeds([place], "test", "label_bal")


# --- which released number a metric is


@pytest.mark.parametrize(
    ("metric", "split", "name"),
    [
        ("accuracy", "test", "acc"),
        ("valid.selection_rate", "valid", "sel"),
        ("accuracy_difference", "test", "acc_diff"),
        ("valid.demographic_parity_difference", "valid", "dp"),
        ("equalized_odds_difference", "test", "eodds"),
        ("population.share_label.1", "test", "label_bal"),
        ("population.share_group.red", "test", "color_bal"),
    ],
)
def test_metrics_have_released_names(metric, split, name):
    assert field_of(metric, arm()) == (split, name)


def test_where_valid_alone_is_evaluated_it_is_compared_with_valid():
    assert field_of("accuracy", arm(evaluate_on="valid")) == ("valid", "acc")


@pytest.mark.parametrize("metric", ["tpr", "population.share_label.0", "valid.population.share_label.1", "nope"])
def test_what_was_not_released_is_refused_with_what_was(metric):
    with pytest.raises(InvalidInput, match=rf"over '{metric}'; they are of accuracy, .*population.share_group.red"):
        field_of(metric, arm())


# --- choosing


def test_published_curves_belong_to_arms():
    found = overlays(["published"], [arm("a", "ColoredMNIST|MC"), arm("b", "ColoredMNIST|AR")], "accuracy")
    assert [(one.label, one.belongs) for one in found] == [
        ("published ColoredMNIST MC (25 seeds)", ("a",)), ("published ColoredMNIST AR (25 seeds)", ("b",)),
    ]  # fmt: skip
    found = overlays(["published"], [arm("a", "ColoredMNIST|MC"), arm("b", "ColoredMNIST|MC")], "accuracy")
    assert [(one.label, one.belongs) for one in found] == [("published (25 seeds)", ("a", "b"))]


def test_the_number_of_seeds_is_that_of_the_generations_drawn():
    (few,) = overlays(["published"], [arm(published="SVHN|NOSEQ_MC", rounds=20)], "accuracy")
    (many,) = overlays(["published"], [arm(published="SVHN|NOSEQ_MC", rounds=40)], "accuracy")
    assert (few.label, many.label) == ("published (10 seeds)", "published (9–10 seeds)")


def test_a_suspect_curve_is_marked_and_the_caption_says_why():
    drawn = overlays(["published"], [arm(published="ColoredMNIST|syn50")], "accuracy")
    assert drawn[0].label == "published (5 seeds)*"
    text = caption("Wyllie et al. 2024", drawn)
    assert text.startswith("Wyllie et al. 2024. Dashed: released results, mean and one standard deviation")
    assert "*Behaves like 100 % synthetic" in text


def test_runs_without_published_curves_say_how_to_name_some():
    with pytest.raises(InvalidInput, match=r"no published curves go with runs/mine,.* name one: --overlay 'published"):
        overlays(["published"], [arm()], "accuracy")


def test_a_file_of_curves_is_drawn_whatever_the_runs_if_it_holds_one_experiment(tmp_path):
    values = {"n_seeds": [3, 3], "acc_mean": [0.5, None], "acc_std": [0.1, None]}
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"X|a|test": values}))
    (one,) = overlays([str(file)], [arm()], "accuracy")
    assert one.label == "own (3 seeds)"
    np.testing.assert_array_equal(one.curve.mean, [0.5, np.nan])
    file.write_text(json.dumps({"X|a|test": values, "X|b|test": values}))
    with pytest.raises(InvalidInput, match=r"curves of X\|a, X\|b, and none goes with runs/mine; name one"):
        overlays([str(file)], [arm()], "accuracy")
    assert [one.label for one in overlays([f"{file}:X|b"], [arm()], "accuracy")] == ["own X b (3 seeds)"]
    assert [one.label for one in overlays([str(file)], [arm(published="X|a")], "accuracy")] == ["own (3 seeds)"]
    for metric, words in (("valid.accuracy", "no curves of 'X\\|a' on the valid split"), ("tpr", "'tpr'")):
        with pytest.raises(InvalidInput, match=words):
            overlays([f"{file}:X|a"], [arm()], metric)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("9" * 5_000, "is not JSON"),
        ("[1]", "holds no published curves"),
        ("{}", "holds no published curves"),
        ('{"a|b|test": 3}', "holds no published curves"),
        ('{"a|b": {}}', "holds no published curves"),
        ('{"a|b|test": {}}', "a.b.test: KeyError"),
        ('{"a|b|test": {"n_seeds": [1], "acc_mean": ["x"], "acc_std": [0]}}', "a.b.test: ValueError"),
        ('{"a|b|test": {"n_seeds": [1, 1], "acc_mean": [1], "acc_std": [0]}}', "lists of different lengths"),
        ('{"a|b|test": {"n_seeds": [0], "acc_mean": [null], "acc_std": [null]}}', "have no value of 'accuracy'"),
    ],
)
def test_a_file_that_holds_no_curves_is_refused(tmp_path, text, words):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=words):
        overlays([str(file)], [arm()], "accuracy")


def test_what_is_not_there_is_refused(tmp_path):
    for source in (str(tmp_path / "none.json"), "publishd", "none:X|a", ":x"):
        with pytest.raises(InvalidInput, match=r'no such file or directory; give "published"'):
            overlays([source], [arm()], "accuracy")


# --- drawing


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_legend_tells_runs_and_overlays_apart(tmp_path, rounds):
    values = np.linspace(0.4, 0.6, 2 * rounds).reshape(2, rounds)
    panel = Panel("", [Series("a", values), Series("b", values + 0.1)])
    curve = Curve(np.linspace(0.3, 0.9, 40), np.full(40, 0.05), np.full(40, 25.0))
    drawn = [
        Overlay("published of a", curve, ("a",)),
        Overlay("published of b", curve, ("b",)),
        Overlay("theirs", curve),
    ]
    path = draw(panel, drawn, tmp_path / "x.svg", y_label="Accuracy", caption=caption("Somebody", drawn))
    text = path.read_text()
    for label in ("published of a", "published of b", "theirs", "2 seeds", "Somebody. Dashed: released results"):
        assert label in text.replace("\n", " "), label
    again = draw(panel, drawn, tmp_path / "y.svg", y_label="Accuracy", caption=caption("Somebody", drawn))
    assert again.read_bytes() == path.read_bytes()
    dashes = {part.split(";")[0] for part in text.split("stroke-dasharray: ")[1:]}
    assert len(dashes) == 3
    with pytest.raises(InvalidInput, match=r"\.bmp"):
        draw(panel, drawn, tmp_path / "x.bmp", y_label="", caption="")
