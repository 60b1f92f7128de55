"""Metrics that follow from the roles of stored columns, against scikit-learn, fairlearn and golden samples."""

import json
from dataclasses import replace
from pathlib import Path

import fairlearn.metrics as oracle
import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from support.loops import OPTIONS, toy_experiment, toy_prepared

from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.contract.names import MAIN
from biasloop.metrics.amplification import joint_counts, total
from biasloop.metrics.calibration import expected_calibration_error
from biasloop.records.record import Record
from biasloop.report.output import measurement
from biasloop.running import engine
from biasloop.running.remeasure import metrics_of, recomputed
from biasloop.running.reopen import replay
from biasloop.store.reader import Run

SAMPLES = json.loads((Path(__file__).parents[1] / "plugins" / "images_biased_golden.json").read_text())
GOLDEN = SAMPLES["bias_amp_from_samples"]


def table(seed=0, classes=2, groups=2, n=400):
    draws = np.random.default_rng(seed)
    return Frame({
        "truth": Column(draws.integers(0, classes, n), role="target"),
        "guess": Column(draws.integers(0, classes, n), role="prediction"),
        "sure": Column(draws.uniform(0, 1, n).astype(np.float32), role="confidence"),
        "who": Column(draws.integers(0, groups, n), role="group"),
        "ids": Column(np.arange(n), role="ids"),
    })  # fmt: skip


def without(frame, *names):
    return Frame({name: column for name, column in frame.columns.items() if name not in names})


def test_golden_samples():
    columns = {
        "a": Column(np.array(GOLDEN["class"]), role="target"),
        "b": Column(np.array(GOLDEN["pred_class"]), role="prediction"),
        "c": Column(np.array(GOLDEN["inverted"]), role="group"),
    }
    expected = GOLDEN["standard_attr_inverted_task_class"]["bias_amp"]
    assert metrics_of(Frame(columns))["bias_amp"].value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_everything_against_other_libraries(seed):
    test = table(seed)
    target, prediction, group, sure = (test[name] for name in ("truth", "guess", "who", "sure"))
    found = metrics_of(test)
    given = {"y_true": target, "y_pred": prediction, "sensitive_features": group}
    assert found["accuracy"].value == pytest.approx(accuracy_score(target, prediction), abs=1e-12)
    for name in ("demographic_parity_difference", "equalized_odds_difference"):
        assert found[name].value == pytest.approx(getattr(oracle, name)(**given), abs=1e-12)
    right = prediction == target
    assert found["ece"].value == expected_calibration_error(sure, right).value
    assert found["mce"].value >= found["ece"].value
    assert found["calibration_gap"].value == pytest.approx(right.mean() - sure.astype(np.float64).mean(), abs=1e-9)


def test_what_columns_do_not_allow_is_left_out():
    assert set(metrics_of(table(classes=3))) == {"accuracy", "ece", "mce", "calibration_gap", "bias_amp"}
    assert set(metrics_of(without(table(), "who", "sure"))) == {"accuracy"}
    assert metrics_of(without(table(), "guess")) == {}
    assert metrics_of(Frame()) == {}
    unknown = table().plus(Frame({"sure": Column(np.full(400, np.nan), role="confidence")}))
    assert "ece" not in metrics_of(unknown)
    assert "bias_amp" not in metrics_of(table(groups=1))


def test_several_groups_have_names_of_their_own():
    both = table().plus(Frame({"age": Column(np.arange(400) % 3, role="group")}))
    assert {"bias_amp.who", "bias_amp.age"} <= set(metrics_of(both))


def test_a_domain_that_has_no_classes_keeps_its_own_metrics(tmp_path):
    prepared = toy_prepared(toy_experiment(loop={"rounds": 2}))
    engine.run(prepared, tmp_path / "run", OPTIONS)
    fresh = toy_prepared(toy_experiment(loop={"rounds": 2}))
    fresh.rule.prepare()
    for number, record in replay(Run.open(tmp_path / "run"), fresh.rule):
        found = set(recomputed(fresh.rule, number, record))
        assert found == {"share_target", "share_train", "share_predicted"} | ({"label_error"} if number else set())


def test_equalised_odds_are_null_where_a_rate_is_0_over_0():
    """The second group has no positives: what `evaluate fairness` says of the same rows is null, too."""
    columns = {
        "truth": Column(np.array([0, 1, 1, 0, 0, 0]), role="target"),
        "guess": Column(np.array([0, 1, 0, 1, 0, 0]), role="prediction"),
        "who": Column(np.array([0, 0, 0, 0, 1, 1]), role="group"),
    }
    found = metrics_of(Frame(columns))
    assert measurement(found["equalized_odds_difference"]) == {
        "value": None, "n": 0, "se": None, "reason": "0/0: there are no rows that it could rest on"
    }  # fmt: skip
    assert found["demographic_parity_difference"].value == 0.5


def test_the_gaps_standard_error_is_that_of_the_mean_difference():
    draws = np.random.default_rng(0)
    target, guess, sure = draws.integers(0, 2, 400), draws.integers(0, 2, 400), draws.uniform(0, 1, 400)
    roles = {"target": target, "prediction": guess, "confidence": sure}
    gap = metrics_of(Frame({name: Column(values, role=name) for name, values in roles.items()}))["calibration_gap"]
    assert (gap.n, gap.error) == (400, pytest.approx(np.std((guess == target) - sure) / 20))


def column(values, role):
    return Column(np.asarray(values), role=role)


BASE = {"y": column([0, 1, 1, 0], "target"), "p": column([0, 1, 0, 0], "prediction")}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"z": column([1, 1, 1, 1], "target")}, set()),  # which of two is the class is not known
        ({"y": column([0.0, 1.0, 1.0, 0.0], "target")}, set()),
        ({"y": column([[0, 1]] * 4, "target")}, set()),
        ({"y": column([False, True, True, False], "target")}, {"accuracy"}),
        ({"c": column([0.5] * 4, "confidence"), "d": column([0.5] * 4, "confidence")}, {"accuracy"}),
        ({"c": column([[0.5]] * 4, "confidence")}, {"accuracy"}),
        ({"g": column([0.0, 1.0, 0.0, 1.0], "group")}, {"accuracy"}),
        ({"g": column([[0, 1]] * 4, "group")}, {"accuracy"}),
        ({"g": Column(np.arange(4), np.array([0, 1, 2, 3, 4]), "group")}, {"accuracy"}),
        ({"g": column([0, 0, 0, 0], "group")}, {"accuracy"}),
        ({"g": column([0, 0, 0, 2**26], "group")}, {"accuracy"}),  # a table too large for memory
    ],
)
def test_columns_that_do_not_say_enough(changes, names):
    assert metrics_of(Frame({**BASE, **changes})).keys() == names


def test_what_is_no_class_or_group_is_left_out_and_a_prediction_of_none_is_wrong():
    columns = {
        "y": column([0, 1, 1, 0, -1, -1], "target"),
        "p": column([0, 1, -1, 1, 0, -1], "prediction"),
        "c": column([0.5, 0.5, 0.5, 0.5, 0.9, 0.9], "confidence"),
        "g": column([0, 1, 1, -1, 0, 1], "group"),
        "more": column([[0, -1]] * 6, "target"),  # several a row: not looked at
    }
    metrics = metrics_of(Frame(columns))
    assert (metrics["accuracy"].value, metrics["accuracy"].n) == (0.5, 4)
    assert (metrics["calibration_gap"].value, metrics["calibration_gap"].n) == (0.0, 4)
    assert metrics["bias_amp"].n == 2
    assert metrics["demographic_parity_difference"].value == 1.0
    rows = {name: replace(values, values=values.values[:2]) for name, values in columns.items()}
    assert metrics_of(Frame(rows))["bias_amp"] == metrics["bias_amp"]
    for name in ("y", "p", "g"):
        nobody = {**columns, name: column([-1] * 6, columns[name].role)}
        assert "bias_amp" not in metrics_of(Frame(nobody))
    assert metrics_of(Frame({**columns, "y": column([-1] * 6, "target")})) == {}


def test_bias_amp_has_the_error_of_the_biased_images():
    test = table(3)
    joint = joint_counts(test["who"], test["truth"], test["guess"], (2, 2))
    assert metrics_of(test)["bias_amp"] == total(joint)
    assert total(joint).error > 0


def test_a_group_that_is_declared_and_has_no_rows_changes_nothing():
    two, gap = (Frame({**BASE, "g": column(groups, "group")}) for groups in ([0, 1, 0, 1], [0, 2, 0, 2]))
    assert metrics_of(two) == metrics_of(gap)
    assert metrics_of(two)["demographic_parity_difference"].value == 0.5


def test_classes_that_are_all_one_are_not_compared_between_groups():
    zero = {"y": column([0, 0], "target"), "p": column([0, 0], "prediction"), "g": column([0, 1], "group")}
    assert metrics_of(Frame(zero)).keys() == {"accuracy"}


class Measuring:
    """A rule whose domain measures one thing, and accuracy in its own way."""

    def __init__(self, references, accuracy=-1.0, n=4):
        self.references, self.accuracy = references, Metric(accuracy, n)

    def measure(self, number, record, tables):
        return {"own": Metric(number, len(tables)), "accuracy": self.accuracy}


def test_a_domains_own_metrics_go_before_those_by_role():
    predicted = Frame({"p": BASE["p"], "c": column([0.5] * 4, "confidence")})
    record = Record(evaluations={MAIN: Evaluation({}, {MAIN: predicted})})
    metrics = recomputed(Measuring({MAIN: Frame({"y": BASE["y"]})}), 7, record)
    assert metrics.keys() == {"own", "accuracy", "ece", "mce", "calibration_gap"}
    assert (metrics["own"].value, metrics["accuracy"].value, metrics["ece"].value) == (7, -1.0, 0.25)
    # One that the domain gives without its error has that of the same value.
    right = {MAIN: Frame({"y": BASE["y"]})}
    again = recomputed(Measuring(right, 0.75), 7, record)["accuracy"]
    assert (again.value, again.error) == (0.75, pytest.approx((0.75 * 0.25 / 4) ** 0.5))
    assert np.isnan(recomputed(Measuring(right, 0.5), 7, record)["accuracy"].error)
    assert np.isnan(recomputed(Measuring(right, 0.75, 3), 7, record)["accuracy"].error)  # of other rows
    # Rows that do not correspond are not put side by side.
    for references in ({}, {MAIN: Frame({"y": column([0, 1], "target")})}):
        assert recomputed(Measuring(references), 7, record).keys() == {"own", "accuracy"}
