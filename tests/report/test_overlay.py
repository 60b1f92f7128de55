"""Published curves: read, matched with runs, drawn over them; a study's own files by way of its domain."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from biasloop.config import presets
from biasloop.contract.data import Metric
from biasloop.contract.published import Curve
from biasloop.errors import InvalidInput
from biasloop.report.arms import Arm, Measured
from biasloop.report.figures.overlay import Overlay, caption, draw, name_of, overlays
from biasloop.report.figures.panels import Panel, Series
from biasloop.report.figures.published_curves import joined, read_curves

SHIPPED = presets.packaged() / "published" / "wyllie2024.json"
METRICS = (
    "accuracy", "tpr", "equalized_odds_difference", "valid.selection_rate", "population.share_label.0",
    "population.share_label.1", "population.share_group.green", "population.share_group.red",
)  # fmt: skip


def arm(label="", published=None, rounds=3, **domain):
    """An arm of one run that knows its published curves."""
    about = {"name": "mine", "plot": {"published": published} if published else {}}
    run = SimpleNamespace(
        directory=f"runs/{label or 'mine'}",
        identity={"seed": 0, "domain": {"name": "generators", **domain}},
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


# --- what the domain knows


def test_a_domain_says_what_a_study_calls_a_metric_and_other_metrics_are_called_as_they_are(workplace):
    assert name_of("valid.selection_rate", arm()) == ("valid", "sel")
    assert name_of("accuracy", arm(evaluate_on="valid")) == ("valid", "acc")
    assert name_of("accuracy", arm(name="toy")) == ("test", "accuracy")


def test_over_runs_of_another_domain_curves_are_drawn_and_files_of_a_study_are_refused(workplace):
    values = {"n_seeds": [3, 3], "accuracy_mean": [0.5, 0.6], "accuracy_std": [0.1, 0.1]}
    (workplace / "theirs.json").write_text(json.dumps({"X|a|test": values}))
    (drawn,) = overlays(["theirs.json"], [arm(name="toy")], "accuracy")
    assert drawn.curve.mean.tolist() == [0.5, 0.6]
    with pytest.raises(InvalidInput, match="the domain 'toy' knows no files that a study's code has published"):
        overlays(["presets"], [arm(name="toy")], "accuracy")


def test_curves_that_a_person_puts_beside_the_shipped_ones_are_published_too(workplace):
    values = {"n_seeds": [3], "acc_mean": [0.5], "acc_std": [0.1]}
    (workplace / "presets" / "published").mkdir()
    (workplace / "presets" / "published" / "other.json").write_text(json.dumps({"X|a|test": values}))
    (drawn,) = overlays(["published:X|a"], [arm()], "accuracy")
    assert drawn.label == "published X a (3 seeds)"
    assert overlays(["published"], [arm(published="SVHN|MC")], "accuracy")


def test_of_two_files_with_curves_of_one_name_the_first_counts(tmp_path):
    files = []
    for name, value in (("a", 0.1), ("b", 0.2)):
        values = {"n_seeds": [3], "acc_mean": [value], "acc_std": [0.1]}
        (tmp_path / f"{name}.json").write_text(json.dumps({"X|both|test": values, f"X|{name}|test": values}))
        files.append(read_curves(tmp_path / f"{name}.json"))
    together = joined(files)
    assert sorted(together.experiments) == ["X|a", "X|b", "X|both"]
    assert together.curve("X|both", "test", "acc").mean.tolist() == [0.1]


# --- choosing


def test_published_curves_belong_to_arms():
    found = overlays(["published"], [arm("a", "ColoredMNIST|MC"), arm("b", "ColoredMNIST|AR")], "accuracy")
    assert [(one.label, one.belongs) for one in found] == [
        ("published ColoredMNIST MC (25 seeds)", ("a",)), ("published ColoredMNIST AR (25 seeds)", ("b",)),
    ]  # fmt: skip
    found = overlays(["published"], [arm("a", "ColoredMNIST|MC"), arm("b", "ColoredMNIST|MC")], "accuracy")
    assert [(one.label, one.belongs) for one in found] == [("published (25 seeds)", ("a", "b"))]


def test_curves_that_are_named_belong_to_no_arm():
    arms = [arm("a", "ColoredMNIST|MC"), arm("b", "ColoredMNIST|AR")]
    (drawn,) = overlays(["published:ColoredMNIST|MC"], arms, "accuracy")
    assert (drawn.label, drawn.belongs) == ("published ColoredMNIST MC (25 seeds)", ())


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
