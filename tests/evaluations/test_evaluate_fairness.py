"""Rates by group and what lies between groups, by hand and as fairlearn has it."""

import math

import fairlearn.metrics as oracle
import numpy as np
import pytest
from support.predicted import source

from biasloop.errors import InvalidInput
from biasloop.evaluations.binning import Bins
from biasloop.evaluations.fairness import fairness
from biasloop.metrics.intervals import wilson
from biasloop.predictions.source import Reading

ROWS = {"a": "ffffmmmm", "y": "11001100", "p": "10001110"}
COLUMNS = {"task": "y", "predicted": "p", "attribute": "a"}


def test_rates_and_differences_by_hand(tmp_path):
    result = fairness(source(tmp_path, **ROWS), **COLUMNS)
    assert result.metrics == pytest.approx(
        {
            "demographic_parity_difference": 0.5, "equalized_odds_difference": 0.5, "accuracy_difference": 0,
            "demographic_parity_ratio": 1 / 3, "equalized_odds_ratio": 0,
        }
    )  # fmt: skip
    expected = {
        "f": {"accuracy": 0.75, "selection_rate": 0.25, "tpr": 0.5, "tnr": 1, "fpr": 0, "fnr": 0.5},
        "m": {"accuracy": 0.75, "selection_rate": 0.75, "tpr": 1, "tnr": 0.5, "fpr": 0.5, "fnr": 0},
    }
    groups = result.details["by_group"]
    assert {name: {rate: groups[name][rate]["value"] for rate in rates} for name, rates in expected.items()} == expected
    assert groups["f"]["tpr"] == {"value": 0.5, "n": 2, "interval": list(wilson(1, 2))}
    assert (groups["f"]["n"], groups["f"]["flag"]) == (4, "under 30 rows")
    assert result.details["overall"]["selection_rate"] == {"value": 0.5, "n": 8, "interval": list(wilson(4, 8))}
    assert (result.details["positive"], result.details["values"], result.n) == ("1", ["0", "1"], 8)
    assert result.rows[1] == {
        "group": "f", "rate": "selection_rate", "n": 4, "value": 0.25, "low": wilson(1, 4)[0], "high": wilson(1, 4)[1]
    }  # fmt: skip
    assert len(result.rows) == 3 * 6
    assert result.details["attributes"] == ["f", "m"]


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_as_fairlearn_has_them(tmp_path, groups):
    rng = np.random.default_rng(groups)
    a, y = rng.integers(0, groups, 500), rng.integers(0, 2, 500)
    p = np.where(rng.random(500) < 0.2 + 0.1 * a, 1 - y, y)
    result = fairness(source(tmp_path, a=a, y=y, p=p), **COLUMNS)
    given = {"y_true": y, "y_pred": p, "sensitive_features": a}
    for name in result.metrics.keys() - {"accuracy_difference"}:
        assert result.metrics[name] == pytest.approx(getattr(oracle, name)(**given), abs=1e-12)
    frame = oracle.MetricFrame(metrics=oracle.true_positive_rate, **given)
    assert [group["tpr"]["value"] for group in result.details["by_group"].values()] == pytest.approx(
        list(frame.by_group)
    )
    right = [np.mean((p == y)[a == group]) for group in range(groups)]
    assert result.metrics["accuracy_difference"] == pytest.approx(max(right) - min(right))
    for name, (low, high) in result.details["intervals"].items():
        assert low <= result.metrics[name] <= high


def test_the_interval_of_a_rate_is_that_of_its_rows(tmp_path):
    """A rate times its rows is not exactly the rows that count: 0.29 * 100 is a trace below 29."""
    rows = source(tmp_path, a=["f"] * 100 + ["m"], y=[1] * 29 + [0] * 72, p=[1] * 29 + [0] * 72)
    rate = fairness(rows, **COLUMNS).details["by_group"]["f"]["selection_rate"]
    assert rate == {"value": 0.29, "n": 100, "interval": list(wilson(29, 100))}


@pytest.mark.parametrize(("positive", "rate"), [(None, 3 / 4), ("no", 1 / 4), ("yes", 3 / 4)])
def test_the_positive_value(tmp_path, positive, rate):
    result = fairness(
        source(tmp_path, a="fffm", y=["no", "no", "yes", "no"], p=["yes", "no", "yes", "yes"]), **COLUMNS,
        positive=positive,
    )  # fmt: skip
    assert result.details["positive"] == (positive or "yes")
    assert result.details["overall"]["selection_rate"]["value"] == rate


def test_one_of_three_classes_is_named(tmp_path):
    rows = source(tmp_path, a="ffmm", y="0120", p="0110")
    with pytest.raises(InvalidInput, match=r"3 values of 'y' \(0, 1, 2\); say which counts with --positive VALUE"):
        fairness(rows, **COLUMNS)
    result = fairness(rows, **COLUMNS, positive="0")
    assert result.details["by_group"]["m"]["selection_rate"]["value"] == 0.5
    assert result.details["by_group"]["m"]["accuracy"]["value"] == 1  # 2 taken for 1 is a negative for a negative
    with pytest.raises(InvalidInput, match=r"column 'y' has no value '3'; --positive is one of 0, 1, 2"):
        fairness(rows, **COLUMNS, positive="3")


def test_a_group_without_positives_takes_no_part_in_equalised_odds(tmp_path):
    result = fairness(source(tmp_path, a="ffffmmmm", y="11000000", p="10001000"), **COLUMNS)
    assert result.details["by_group"]["m"]["tpr"] == {
        "value": None, "n": 0, "interval": None, "reason": "no positive rows"
    }  # fmt: skip
    assert math.isnan(result.metrics["equalized_odds_difference"])
    assert result.reason["equalized_odds_difference"] == "fewer than two groups have a tpr"
    assert result.metrics["demographic_parity_difference"] == 0
    assert "0/0, and in no difference: tpr of 'm'" in result.notes
    assert result.details["intervals"]["equalized_odds_difference"] is None


def test_a_ratio_of_nothing_has_a_reason(tmp_path):
    result = fairness(source(tmp_path, a="ffmm", y="1010", p="0000"), **COLUMNS)
    assert math.isnan(result.metrics["demographic_parity_ratio"])
    assert result.reason["demographic_parity_ratio"] == "0/0: no group has a selection_rate above 0"


def test_small_groups_are_left_out_of_differences(tmp_path):
    rows = {name: values + more for (name, values), more in zip(ROWS.items(), ("xx", "11", "00"), strict=True)}
    result = fairness(source(tmp_path, **rows), **COLUMNS, smallest=3)
    assert result.metrics == fairness(source(tmp_path, **ROWS), **COLUMNS).metrics
    assert result.details["by_group"]["x"]["left_out"] is True
    assert "left_out" not in result.details["by_group"]["f"]
    assert "in no difference, for they have fewer than 3 rows: x" in result.notes
    assert result.details["overall"]["accuracy"]["n"] == 10
    every = fairness(source(tmp_path, **rows), **COLUMNS, smallest=2)
    assert every.metrics["accuracy_difference"] == 0.75
    none = fairness(source(tmp_path, **rows), **COLUMNS, smallest=5)
    assert set(none.reason.values()) == {"fewer than two groups have so many rows"}


def test_another_files_positive_value_is_taken(tmp_path):
    like = fairness(source(tmp_path, a="ffmm", y=["b", "c"] * 2, p=["b", "c"] * 2), **COLUMNS, positive="b")
    rows = source(tmp_path, "q.csv", a="ffmm", y=["b", "c"] * 2, p=["c", "c", "b", "b"])
    assert fairness(rows, **COLUMNS).details["positive"] == "c"
    assert fairness(rows, **COLUMNS, like=like).details["positive"] == "b"
    assert fairness(rows, **COLUMNS, like=like, positive="c").details["positive"] == "c"
    # A file without such a row is measured by it, one with other values by its own.
    fewer = source(tmp_path, "r.csv", a="ffmm", y="cccc", p="cccc")
    assert fairness(fewer, **COLUMNS, like=like).details["overall"]["selection_rate"]["value"] == 0
    others = source(tmp_path, "s.csv", a="ffmm", y="xyxy", p="xyxy")
    assert fairness(others, **COLUMNS, like=like).details["positive"] == "y"


def test_two_attributes_are_each_and_their_combinations(tmp_path):
    result = fairness(source(tmp_path, **ROWS, b="ststuuuu"), **COLUMNS | {"attribute": ["a", "b"]})
    assert list(result.details["by_group"]) == ["f+s", "f+t", "m+u"]
    assert result.details["by_group"]["f+t"]["values"] == {"a": "f", "b": "t"}
    assert result.parts["a"].metrics["demographic_parity_difference"] == 0.5
    assert result.metrics["demographic_parity_difference"] == 0.75
    assert {row["attribute"] for row in result.rows} == {"a", "b", "a+b"}
    assert sum(row["group"] == "" for row in result.rows) == 6  # all rows together stand there once


def test_measured_attributes_are_binned(tmp_path):
    ages = source(tmp_path, **ROWS | {"a": [1, 2, 3, 4, 5, 6, 7, 8]})
    result = fairness(ages, **COLUMNS, bins=Bins({"a": np.array([1.0, 4.5, 8.0])}))
    assert list(result.details["by_group"]) == ["[1, 4.5)", "[4.5, 8]"]
    assert result.metrics["demographic_parity_difference"] == 0.5


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        ({"a": "f" * 8}, {}, "column 'a' has one value only"),
        ({}, {"attribute": "b"}, "no column 'b'"),
        ({"p": "xxyyxxyy"}, {}, "have no value in common"),
        ({"a": [*"fffmmmm", ""]}, {}, "line 9: no value in column 'a'"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, changes, columns, message):
    with pytest.raises(InvalidInput, match=message):
        fairness(source(tmp_path, **ROWS | changes), **COLUMNS | columns)


def test_rows_without_a_value_can_be_left_out(tmp_path):
    rows = {name: [*values, ""] for name, values in ROWS.items()}
    result = fairness(source(tmp_path, reading=Reading(missing="skip"), **rows), **COLUMNS)
    assert (result.n, result.metrics["demographic_parity_difference"]) == (8, 0.5)
