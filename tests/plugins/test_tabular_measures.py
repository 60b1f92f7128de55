"""Metrics of groups against rates that are counted by hand, and against fairlearn."""

import math

import numpy as np
import pytest
from fairlearn import metrics as fairlearn

from biasloop.contract.data import Column, Frame
from biasloop.metrics import class_metrics
from biasloop_tabular.measures import measure

SEX, RACE = ("f", "m"), ("a", "b", "c")
GROUPS = {"group.sex": SEX, "group.race": RACE}


def table(count=400, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    sex, race = rng.integers(0, 2, count), rng.integers(0, 2, count)  # nobody is of race c
    target = rng.integers(0, classes, count)
    prediction = np.where(rng.random(count) < 0.6 + 0.2 * sex, target, rng.integers(0, classes, count))
    columns = {"target": target, "prediction": prediction, "confidence": rng.random(count).astype(np.float32)}
    return {**columns, "group.sex": sex, "group.race": race}


def frame(columns):
    return Frame({name: Column(values) for name, values in columns.items()})


def measured(columns, given=None, classes=("no", "yes"), chosen=1, groups=GROUPS, joint=True):
    return measure(frame(columns), given or {}, classes, chosen, groups, joint=joint)


def test_differences_between_groups_are_those_of_fairlearn():
    columns = table()
    metrics = measured(columns)
    target, prediction = columns["target"], columns["prediction"]
    both = np.char.add(columns["group.sex"].astype(str), columns["group.race"].astype(str))
    for suffix, group in ((".sex", columns["group.sex"]), (".race", columns["group.race"]), (".sex+race", both)):
        parity = fairlearn.demographic_parity_difference(target, prediction, sensitive_features=group)
        odds = fairlearn.equalized_odds_difference(target, prediction, sensitive_features=group)
        truth = fairlearn.demographic_parity_difference(target, target, sensitive_features=group)
        assert metrics[f"demographic_parity_difference{suffix}"].value == pytest.approx(parity)
        assert metrics[f"equalized_odds_difference{suffix}"].value == pytest.approx(odds)
        assert metrics[f"demographic_parity_difference_target{suffix}"].value == pytest.approx(truth)


@pytest.mark.parametrize("chosen", [0, 1])
def test_rates_of_a_group_are_those_of_its_rows(chosen):
    columns = table()
    metrics = measured(columns, chosen=chosen)
    rows = (columns["group.sex"] == 0) & (columns["group.race"] == 1)
    target, prediction = columns["target"][rows] == chosen, columns["prediction"][rows] == chosen
    expected = {
        "accuracy": np.mean(target == prediction), "share_target": target.mean(), "share_predicted": prediction.mean(),
        "bias": prediction.mean() - target.mean(), "tpr": prediction[target].mean(), "fpr": prediction[~target].mean(),
    }  # fmt: skip
    for name, value in expected.items():
        assert metrics[f"{name}.f+b.sex+race"].value == pytest.approx(value), name
    tpr = metrics["tpr.f+b.sex+race"]
    assert (tpr.n, tpr.error) == (target.sum(), pytest.approx(math.sqrt(tpr.value * (1 - tpr.value) / tpr.n)))
    worst = min(metrics[f"accuracy.{sex}+{race}.sex+race"].value for sex in SEX for race in "ab")
    assert metrics["worst_group_accuracy.sex+race"].value == worst
    assert not [name for name in metrics if ".c." in name or "+c." in name]  # of a group without rows nothing is said


def test_labels_that_were_trained_on_are_compared_where_their_groups_are_known():
    given = {
        "target": np.array([1, 1, 0, 0, 1]),
        "group.sex": np.array([0, 0, 0, 1, 1]),
        "group.race": np.zeros(5, int),
    }
    metrics = measured(table(), given)
    assert metrics["share_train.f.sex"].value == pytest.approx(2 / 3)
    assert metrics["demographic_parity_difference_train.sex"].value == pytest.approx(2 / 3 - 1 / 2)
    assert metrics["share_train.m+a.sex+race"].n == 2
    stored = measured(table(), {"target": given["target"]})  # groups of a training set are not stored
    assert metrics.keys() - stored.keys() == {name for name in metrics if "_train." in name}
    assert {"share_train"} == {name for name in stored if "_train" in name}


def test_before_there_is_a_prediction_shares_of_the_truth_are_known():
    columns = table()
    truth = {name: columns[name] for name in ("target", *GROUPS)}
    metrics = measured(truth)
    assert {name.partition(".")[0] for name in metrics} == {"share_target", "demographic_parity_difference_target"}


def test_one_column_of_groups_needs_no_suffix_and_more_classes_no_class_to_follow():
    columns = table(classes=3)
    one = {"group": columns.pop("group.sex"), **columns}
    metrics = measured(one, classes=("x", "y", "z"), chosen=None, groups={"group": SEX})
    assert set(metrics) - set(class_metrics.measure(frame(one), np.zeros(0), ("x", "y", "z"), None)) == {
        "accuracy.f", "accuracy.m", "worst_group_accuracy", "bias_amp",
    }  # fmt: skip
    followed = measured(one, classes=("x", "y", "z"), chosen=2, groups={"group": SEX})
    assert followed["tpr.f"].n == np.sum((one["target"] == 2) & (one["group"] == 0))


def test_without_groups_or_intersections_there_are_fewer_metrics():
    columns = table()
    assert set(measured(columns, groups={})) == set(
        class_metrics.measure(frame(columns), np.zeros(0), ("no", "yes"), 1)
    )
    assert {name for name in measured(columns) if "+" in name} == set(measured(columns)) - set(
        measured(columns, joint=False)
    )
