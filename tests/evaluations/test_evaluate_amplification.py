"""Bias amplification of one class a row, by hand: the association, its signs, and what training rows change."""

import math

import numpy as np
import pytest
from support.predicted import source

from biasloop.errors import InvalidInput
from biasloop.evaluations.amplification import Options, amplification
from biasloop.metrics import amplification as measuring
from biasloop.predictions.source import Reading

# Of f three in four are truly 1, of m one in four. All of f are predicted 1; of m as many as are.
ROWS = {"a": "ffffmmmm", "y": "11100001", "p": "11110010"}
COLUMNS = {"task": ["y"], "predicted": ["p"], "attribute": "a"}


def test_cells_by_hand(tmp_path):
    result = amplification(source(tmp_path, **ROWS), **COLUMNS)
    assert (result.n, result.metrics) == (8, {"bias_amp": 0.125})
    details = result.details
    assert (details["attributes"], details["tasks"]) == (["f", "m"], ["0", "1"])
    assert details["associated"] == [[False, True], [True, False]]
    assert details["deltas"] == [[-0.25, 0.25], [0, 0]]
    assert details["cells"] == [[0.25, 0.25], [0, 0]]
    assert details["counts"] == {"true": [[1, 3], [3, 1]], "predicted": [[0, 4], [3, 1]]}
    assert details["accuracy"] == 5 / 8
    assert details["accuracy_by_cell"] == [[0, 1], [pytest.approx(2 / 3), 0]]
    assert result.rows[1] == {
        "attribute": "f", "task": "1", "n": 3, "true": 0.75, "predicted": 1.0, "associated": True,
        "amplification": 0.25, "accuracy": 1.0,
    }  # fmt: skip
    assert len(result.rows) == 4


def test_the_interval_is_that_of_resampled_rows(tmp_path):
    rng = np.random.default_rng(0)
    a, y, p = rng.integers(0, 2, 300), rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    y = np.where((a == 1) & (rng.random(300) < 0.5), 2, y)
    result = amplification(source(tmp_path, a=a, y=y, p=p), **COLUMNS, options=Options(draws=400), seed=7)
    joint = measuring.joint_counts(a, y, p, (2, 3))
    assert result.details["interval"] == list(measuring.interval(joint, draws=400, seed=7))
    totals = []
    for _ in range(400):
        rows = rng.integers(0, 300, 300)
        again = measuring.joint_counts(a[rows], y[rows], p[rows], (2, 3))
        totals.append(measuring.amplification(*measuring.tables(again)).total)
    assert result.errors["bias_amp"].shape == (400,)
    assert result.errors["bias_amp"].std() == pytest.approx(np.std(totals), rel=0.15)


@pytest.mark.parametrize(("tie", "cells"), [("minus", [0.25, -0.25]), ("zero", [0, 0])])
def test_a_tie_counts_as_asked(tmp_path, tie, cells):
    """Half of x are truly 1, as half of all are."""
    rows = source(tmp_path, a="ffffmmmmxxxx", y="111010001100", p="111010001110")
    result = amplification(rows, **COLUMNS, options=Options(tie=tie))
    assert result.details["associated"] == [[False, True], [True, False], [False, False]]
    assert result.details["cells"][2] == cells
    assert result.metrics["bias_amp"] == 0


def test_an_independent_truth_is_said(tmp_path):
    result = amplification(source(tmp_path, a="ffffmmmm", y="11001100", p="11101100"), **COLUMNS)
    assert result.notes == ["a and y are exactly independent, so bias_amp is 0 whatever is predicted"]
    assert result.metrics["bias_amp"] == 0


def test_training_rows_decide_what_is_associated(tmp_path):
    learned = source(tmp_path, "train.csv", a="ffffmmmm", y="00011110")
    result = amplification(source(tmp_path, **ROWS), **COLUMNS, train=learned)
    assert result.details["associated"] == [[True, False], [False, True]]
    assert result.metrics["bias_amp"] == -0.125


@pytest.mark.parametrize("empty", ["skip", "nan"])
def test_a_group_of_the_training_rows_alone(tmp_path, empty):
    learned = source(tmp_path, "train.csv", a="ffffmmmmxx", y="1110000110")
    result = amplification(source(tmp_path, **ROWS), **COLUMNS, train=learned, options=Options(empty=empty))
    assert result.details["attributes"] == ["f", "m", "x"]
    assert result.details["cells"][2] == [None, None]
    assert result.details["counts"]["true"][2] == [0, 0]
    assert math.isnan(result.rows[4]["true"])
    assert result.reason["accuracy_by_cell"] == "no rows in a cell"
    if empty == "skip":
        assert result.metrics["bias_amp"] == 0.125
    else:
        assert math.isnan(result.metrics["bias_amp"])
        assert result.details["interval"] is None
        assert result.reason["bias_amp"] == result.reason["interval"] == "an a of the training rows has no rows here"
        assert result.errors == {}


def test_training_rows_of_another_class_are_left_out_and_said(tmp_path):
    learned = source(tmp_path, "train.csv", a="ffffmmmmf", y="111000012")
    result = amplification(source(tmp_path, **ROWS), **COLUMNS, train=learned)
    assert result.metrics["bias_amp"] == 0.125
    assert "1 training rows left out, whose y does not occur among the predictions" in result.notes


def test_what_training_rows_lack_is_refused(tmp_path):
    learned = source(tmp_path, "train.csv", a="ffff", y="1110")
    with pytest.raises(InvalidInput, match=r"train\.csv: no rows with a m, so what it is associated with is not known"):
        amplification(source(tmp_path, **ROWS), **COLUMNS, train=learned)


def test_a_group_of_one_row_leaves_no_interval(tmp_path):
    result = amplification(source(tmp_path, a="ffffmmmmx", y="111000011", p="111100101"), **COLUMNS)
    assert result.details["interval"] is None
    assert result.reason["interval"] == "an attribute value has one row"
    assert "a 'x' has one row" in result.notes
    assert result.errors == {}


def test_a_class_that_is_only_predicted_is_a_task(tmp_path):
    result = amplification(source(tmp_path, a="ffmm", y="1001", p="1201"), **COLUMNS)
    assert result.details["tasks"] == ["0", "1", "2"]
    assert result.details["accuracy_by_cell"] == [[0, 1, None], [1, 1, None]]
    assert [(row["true"], row["predicted"]) for row in result.rows[:3]] == [(0.5, 0), (0.5, 0.5), (0, 0.5)]


def test_two_attributes_are_each_and_their_combinations(tmp_path):
    rows = source(tmp_path, **ROWS, b="xyxyxyxy")
    result = amplification(rows, task=["y"], predicted=["p"], attribute=["a", "b"])
    assert result.details["attributes"] == ["f+x", "f+y", "m+x", "m+y"]
    assert result.parts["a"].metrics == {"bias_amp": 0.125}
    assert list(result.parts) == ["a", "b"]
    assert [row["of"] for row in result.rows] == ["a"] * 4 + ["b"] * 4 + ["a+b"] * 8


def test_names_with_commas_between_them_are_columns_of_labels(tmp_path):
    rows = source(tmp_path, **ROWS, x="11000011", q="11000011")
    result = amplification(rows, task=["y,x"], predicted=["p", "q"], attribute="a")
    assert result.details["tasks"] == ["y", "x"]
    rows = source(tmp_path, "named.csv", **{"a": ROWS["a"], "y,x": ROWS["y"], "p": ROWS["p"]})
    assert amplification(rows, task=["y,x"], predicted=["p"], attribute="a").metrics == {"bias_amp": 0.125}


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        ({"a": "f" * 8}, {}, r"column 'a' has one value only \(f\); expected at least two"),
        ({"y": "1" * 8}, {}, r"column 'y' has one value only \(1\); expected at least two"),
        ({}, {"attribute": "b"}, "no column 'b'"),
        ({}, {"attribute": ["a", "a"]}, "--attribute a is given twice; expected each column once"),
        ({}, {"predicted": ["p", "p"]}, r"1 columns of --task \(y\) and 2 of --predicted \(p, p\)"),
        ({"p": "xyxyxyxy"}, {}, "have no value in common"),
        ({"y": ["1"] * 7 + [""]}, {}, "line 9: no value in column 'y'"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, changes, columns, message):
    with pytest.raises(InvalidInput, match=message):
        amplification(source(tmp_path, **ROWS | changes), **COLUMNS | columns)


def test_rows_without_a_value_can_be_left_out(tmp_path):
    rows = {name: [*values, ""] for name, values in ROWS.items()}
    result = amplification(source(tmp_path, reading=Reading(missing="skip"), **rows), **COLUMNS)
    assert (result.n, result.metrics) == (8, {"bias_amp": 0.125})


@pytest.mark.parametrize(("options", "message"), [({"tie": "plus"}, "--tie plus"), ({"empty": "zero"}, "--empty zero")])
def test_unknown_options_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        Options(**options)
