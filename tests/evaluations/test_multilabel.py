"""Bias amplification of several labels a row, by hand, and its normal interval."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from support.predicted import source

from biasloop.errors import InvalidInput
from biasloop.evaluations.amplification import Options, amplification
from biasloop.evaluations.binning import NO_BINS, Bins
from biasloop.evaluations.multilabel import Labels, several

# x depends on the group, y does not.
ROWS = {"a": "ffffmmmm", "x": "11100001", "px": "11110000", "y": "00110011", "py": "00100011"}
SIGNED = ([0, 0, 0, 2], [0, 0, 0, 1])  # signed errors of the rows of f and of m
ERROR = math.sqrt(sum((sum(v**2 for v in row) / 4 - (sum(row) / 4) ** 2) / 3 for row in SIGNED)) / 4


def labels(tie="minus", draws=1000):
    return Labels(["x", "y"], ["px", "py"], tie, draws, 0)


@pytest.mark.parametrize(("tie", "total"), [("minus", 3 / 16), ("zero", 1 / 8)])
def test_cells_by_hand(tmp_path, tie, total):
    result = several(source(tmp_path, **ROWS), ["a"], None, NO_BINS, labels(tie))
    assert (result.n, result.metrics["bias_amp"]) == (8, pytest.approx(total))
    details = result.details
    assert (details["attributes"], details["tasks"]) == (["f", "m"], ["x", "y"])
    assert details["associated"] == [[True, False], [False, False]]
    assert details["deltas"] == [[0.25, -0.25], [-0.25, 0]]
    assert details["cells"] == [[0.25, 0.25 if tie == "minus" else 0], [0.25, 0]]
    assert details["counts"] == {"rows": [4, 4], "true": [[3, 2], [1, 2]], "predicted": [[4, 1], [0, 2]]}
    assert result.rows[0] == {
        "attribute": "f", "task": "x", "n": 4, "true": 0.75, "predicted": 1.0, "associated": True, "amplification": 0.25
    }  # fmt: skip
    assert len(result.rows) == 4


def test_interval_and_errors_are_those_of_the_rows_of_each_group(tmp_path):
    result = several(source(tmp_path, **ROWS), ["a"], None, NO_BINS, labels(draws=4000))
    half = norm.ppf(0.975) * ERROR
    assert result.details["interval"] == [pytest.approx(3 / 16 - half), pytest.approx(3 / 16 + half)]
    errors = result.errors["bias_amp"]
    assert (errors.shape, errors.std()) == ((4000,), pytest.approx(ERROR, rel=0.05))


def test_training_rows_decide_what_is_associated(tmp_path):
    learned = source(tmp_path, "train.csv", a="ffmmzz", x="001101", y="110000")
    result = several(source(tmp_path, **ROWS), ["a"], learned, NO_BINS, labels())
    assert result.details["attributes"] == ["f", "m", "z"]
    assert result.details["associated"][:2] == [[False, True], [True, False]]
    assert result.metrics["bias_amp"] == pytest.approx(-3 / 16)
    assert result.details["cells"][2] == [None, None]
    assert math.isnan(result.rows[4]["true"])
    assert result.details["counts"]["rows"] == [4, 4, 0]
    before = source(tmp_path, "before.csv", a="ddffmm", x="010011", y="011100")
    result = several(source(tmp_path, **ROWS), ["a"], before, NO_BINS, labels())
    assert (result.details["attributes"], result.details["counts"]["rows"]) == (["d", "f", "m"], [0, 4, 4])
    assert result.details["deltas"] == [[None, None], [0.25, -0.25], [-0.25, 0]]
    lacking = source(tmp_path, "less.csv", a="ff", x="01", y="01")
    with pytest.raises(InvalidInput, match=r"less\.csv: no rows with a m, so what it is associated with is not known"):
        several(source(tmp_path, **ROWS), ["a"], lacking, NO_BINS, labels())


def test_rows_that_are_all_right_have_no_interval(tmp_path):
    right = ROWS | {"px": ROWS["x"], "py": ROWS["y"]}
    result = several(source(tmp_path, **right), ["a"], None, NO_BINS, labels())
    assert (result.metrics["bias_amp"], result.details["interval"], result.errors) == (0, None, {})
    assert result.reason == {"interval": "no row differs from another"}


def test_a_group_of_one_row_leaves_no_interval(tmp_path):
    result = several(
        source(tmp_path, **{name: values[:5] for name, values in ROWS.items()}), ["a"], None, NO_BINS, labels()
    )
    assert result.details["interval"] is None
    assert result.reason == {"interval": "an attribute value has one row"}
    assert result.notes == ["a 'm' has one row"]


def test_measured_attributes_are_binned(tmp_path):
    ages = {**ROWS, "a": [20, 21, 25, 30, 40, 50, 55, 60]}
    result = several(source(tmp_path, **ages), ["a"], None, Bins({"a": np.array([20.0, 35.0, 60.0])}), labels())
    assert result.details["attributes"] == ["[20, 35)", "[35, 60]"]
    assert result.metrics["bias_amp"] == pytest.approx(3 / 16)


def test_labels_reach_it_through_amplification(tmp_path):
    rows = source(tmp_path, **ROWS)
    result = amplification(rows, task=["x", "y"], predicted=["px,py"], attribute="a", options=Options(tie="zero"))
    assert result.metrics["bias_amp"] == pytest.approx(1 / 8)
    both = amplification(
        source(tmp_path, **ROWS, b="ssttsstt"), task=["x,y"], predicted=["px,py"], attribute=["a", "b"]
    )
    assert both.details["attributes"] == ["f+s", "f+t", "m+s", "m+t"]
    assert both.parts["a"].metrics["bias_amp"] == pytest.approx(3 / 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": "f" * 8}, "column 'a' has one value only"),
        ({"px": "11110002"}, "row 8: px is '2'; expected 0 or 1"),
        ({"y": ["0"] * 7 + [""]}, "line 9: no value in column 'y'"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, changes, message):
    with pytest.raises(InvalidInput, match=message):
        several(source(tmp_path, **ROWS | changes), ["a"], None, NO_BINS, labels())
