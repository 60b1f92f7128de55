"""Calibration of predictions, by hand: bins, errors, groups, and the probability of one class."""

import math

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from support.predicted import source
from torchmetrics.functional.classification import binary_calibration_error

from biasloop.errors import InvalidInput
from biasloop.evaluations.calibration import calibration
from biasloop.predictions.source import Reading

# Two bins: of three rows at or below one half one is right, of five above it four are.
ROWS = {
    "y": "11111111", "p": "10011110", "c": [0.4, 0.4, 0.5, 0.8, 0.8, 0.8, 1.0, 0.8], "a": "ffmmffmm", "b": "ststssst",
}  # fmt: skip
COLUMNS = {"task": "y", "predicted": "p", "confidence": "c", "bins": 2}


def test_bins_by_hand(tmp_path):
    result = calibration(source(tmp_path, **ROWS), **COLUMNS)
    assert result.n == 8
    assert result.metrics == pytest.approx({"ece": 0.0625, "mce": 0.1, "gap": -0.0625, "overconfidence": 0.0625})
    assert (result.details["accuracy"], result.details["confidence"]) == (5 / 8, pytest.approx(5.5 / 8))
    low, high = result.details["bins"]
    assert low == {
        "edges": [0, 0.5], "n": 3, "accuracy": pytest.approx(1 / 3), "confidence": pytest.approx(1.3 / 3),
        "gap": pytest.approx(-0.1),
    }  # fmt: skip
    assert high == {
        "edges": [0.5, 1],
        "n": 5,
        "accuracy": 0.8,
        "confidence": pytest.approx(0.84),
        "gap": pytest.approx(-0.04),
    }
    assert result.rows[1] == {
        "group": "", "bin": 1, "low": 0.5, "high": 1, "n": 5, "confidence": pytest.approx(0.84), "accuracy": 0.8,
        "gap": pytest.approx(-0.04),
    }  # fmt: skip
    right = math.sqrt(2 / math.pi) * (math.sqrt(0.24 + 0.24 + 0.25) + math.sqrt(4 * 0.16)) / 8
    assert result.details["ece_if_calibrated"] == pytest.approx(right)
    assert result.notes == []


def drawn(n=600):
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.3, 1, n).round(4)
    right = rng.random(n) < sure**1.5
    return sure, right, rng.choice(list("fm"), n)


def test_errors_are_torchmetrics_and_bins_scikit_learns(tmp_path):
    import torch

    sure, right, _ = drawn()
    result = calibration(source(tmp_path, y=[1] * 600, p=right.astype(int), c=sure), **COLUMNS | {"bins": 10})
    # A prediction is right as often as its confidence says: the task "is it right", with that probability.
    given = torch.tensor(sure), torch.tensor(right.astype(int))
    for name, norm in (("ece", "l1"), ("mce", "max")):
        assert result.metrics[name] == pytest.approx(binary_calibration_error(*given, 10, norm).item(), abs=1e-6)
    accuracy, confidence = calibration_curve(right, sure, n_bins=10)
    bins = [part for part in result.details["bins"] if part["n"]]
    assert [part["accuracy"] for part in bins] == pytest.approx(accuracy.tolist())
    assert [part["confidence"] for part in bins] == pytest.approx(confidence.tolist())
    assert result.details["bins"][0] == {
        "edges": [0, 0.1], "n": 0, "accuracy": None, "confidence": None, "gap": None, "reason": "no rows"
    }  # fmt: skip


def test_errors_are_those_of_resampled_rows(tmp_path):
    sure, right, _ = drawn()
    result = calibration(source(tmp_path, y=[1] * 600, p=right.astype(int), c=sure), **COLUMNS | {"bins": 5}, seed=3)
    rng, drawn_again = np.random.default_rng(0), []
    for _ in range(400):
        rows = rng.integers(0, 600, 600)
        gaps = np.bincount((sure[rows] * 5).clip(0, 4.999).astype(int), right[rows] - sure[rows], 5) / 600
        drawn_again.append([np.abs(gaps).sum(), gaps.sum()])
    spread = np.std(drawn_again, axis=0)
    for name, expected in zip(("ece", "gap"), spread, strict=True):
        assert result.errors[name].std() == pytest.approx(expected, rel=0.15)
    assert (result.errors["overconfidence"] == -result.errors["gap"]).all()
    low, high = result.details["intervals"]["gap"]
    assert result.details["intervals"]["overconfidence"] == [-high, -low]
    assert high - low == pytest.approx(2 * 1.96 * spread[1], rel=0.1)


def test_each_group_is_measured_by_itself(tmp_path):
    result = calibration(source(tmp_path, **ROWS), **COLUMNS, attribute="a")
    alone = {
        name: calibration(
            source(tmp_path, f"{name}.csv", **{key: [v for v, a in zip(values, ROWS["a"], strict=True) if a == name]
                                               for key, values in ROWS.items()}),
            **COLUMNS,
        )
        for name in "fm"
    }  # fmt: skip
    assert list(result.details["by_group"]) == ["f", "m"]
    for name, group in result.details["by_group"].items():
        assert group["flag"] == "under 30 rows"
        for metric, value in alone[name].metrics.items():
            assert group[metric] == pytest.approx(value)
        assert group["bins"][1]["n"] == alone[name].details["bins"][1]["n"]
    assert result.metrics == calibration(source(tmp_path, **ROWS), **COLUMNS).metrics
    assert [row["group"] for row in result.rows] == ["", "", "f", "f", "m", "m"]
    assert result.notes == ["under 30 rows of a, so that rates say little: 'f' 4, 'm' 4"]


def test_two_attributes_are_each_and_their_combinations(tmp_path):
    result = calibration(source(tmp_path, **ROWS), **COLUMNS, attribute=["a", "b"])
    assert {name: group["n"] for name, group in result.details["by_group"].items()} == {
        "f+s": 3, "f+t": 1, "m+s": 2, "m+t": 2
    }  # fmt: skip
    single = result.details["by_group"]["f+t"]
    assert (single["values"], single["flag"], single["ece"]) == ({"a": "f", "b": "t"}, "one row", pytest.approx(0.4))
    assert single["intervals"]["ece"] is None
    assert single["reason"] == {"intervals.ece": "one row"}
    assert [part.details["by_group"].keys() for part in result.parts.values()] == [{"f", "m"}, {"s", "t"}]


def test_rows_that_are_all_right_say_nothing_of_the_error(tmp_path):
    result = calibration(source(tmp_path, y="1111", p="1111", c=[0.9, 0.8, 0.9, 1]), **COLUMNS)
    assert result.metrics["ece"] == pytest.approx(0.1)
    assert (result.details["intervals"]["ece"], result.errors) == (None, {})
    assert result.reason == {
        "intervals.ece": "in every bin all rows are right or all are wrong, and so they are in every resample"
    }


@pytest.mark.parametrize("groups", [2, 501])
def test_very_many_groups_are_not_resampled_each(tmp_path, groups):
    names = [f"g{n:03}" for n in range(groups)]
    rows = source(tmp_path, y=[1] * (2 * groups), p=[0, 1] * groups, c=[0.7] * (2 * groups), a=np.repeat(names, 2))
    result = calibration(rows, **COLUMNS, attribute="a")
    group = result.details["by_group"]["g000"]
    assert (group["ece"], group["accuracy"]) == (pytest.approx(0.2), 0.5)
    assert (group["intervals"]["ece"] is None) == (groups > 500)
    assert group.get("reason") == ({"intervals.ece": "more than 500 groups"} if groups > 500 else None)
    assert result.details["intervals"]["ece"] is not None


def test_no_right_prediction_is_doubted(tmp_path):
    result = calibration(source(tmp_path, y="1122", p="2211", c=[0.9, 0.8, 0.9, 1]), **COLUMNS)
    assert result.notes == ["no prediction is right; are y and p written alike?"]


def test_the_probability_of_one_class_is_what_is_left_of_the_other(tmp_path):
    rows = {"y": ["yes", "no", "no", "yes"], "p": ["yes", "no", "yes", "no"], "q": [0.9, 0.2, 0.7, 0.4]}
    result = calibration(source(tmp_path, **rows), task="y", predicted="p", probability="q", positive="yes", bins=2)
    assert result.details["confidence"] == pytest.approx((0.9 + 0.8 + 0.7 + 0.6) / 4)
    given = calibration(source(tmp_path, **rows, c=[0.9, 0.8, 0.7, 0.6]), **COLUMNS)
    assert result.metrics == pytest.approx(given.metrics)


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        ({}, {"confidence": None}, "give --confidence COLUMN, how sure each prediction is, or --probability"),
        ({}, {"probability": "c", "positive": "1"}, "give --confidence COLUMN"),
        ({}, {"positive": "1"}, "--probability COLUMN and --positive VALUE go together"),
        ({}, {"confidence": None, "probability": "c"}, "--probability COLUMN and --positive VALUE go together"),
        (
            {},
            {"confidence": None, "probability": "c", "positive": "x"},
            r"column 'y' has no value 'x'; --positive is one of 0, 1",
        ),
        (
            {"y": "12111111"},
            {"confidence": None, "probability": "c", "positive": "1"},
            r"3 values of 'y' \(0, 1, 2\), and the probability of one of them does not say",
        ),
        ({"c": [0.5] * 7 + [1.1]}, {}, r"row 8: c is 1\.1; expected a number from 0 to 1"),
        ({"c": [0.5] * 7 + ["x"]}, {}, "row 8: c is 'x', not a number from 0 to 1"),
        ({"c": [0.5] * 7 + [""]}, {}, "line 9: no value in column 'c'"),
        ({}, {"task": "z"}, "no column 'z'"),
        ({}, {"bins": 3_000_000}, "1 groups of 3,000,000 bins are too many; give fewer --bins"),
        ({}, {"bins": 0}, "the number of bins must be at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, changes, columns, message):
    with pytest.raises(InvalidInput, match=message):
        calibration(source(tmp_path, **ROWS | changes), **COLUMNS | columns)


def test_rows_without_a_value_can_be_left_out(tmp_path):
    rows = {name: [*values, ""] for name, values in ROWS.items()}
    result = calibration(source(tmp_path, reading=Reading(missing="skip"), **rows), **COLUMNS)
    assert (result.n, result.metrics["ece"]) == (8, pytest.approx(0.0625))
