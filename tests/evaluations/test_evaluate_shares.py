"""Shares of predicted values and their bias, by hand and against resampled rows."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from support.predicted import source

from biasloop.errors import InvalidInput
from biasloop.evaluations.shares import shares
from biasloop.metrics.intervals import paired
from biasloop.predictions.source import Reading

ROWS = {"y": "aabbbc", "p": "abbbbb"}


def test_shares_by_hand(tmp_path):
    result = shares(source(tmp_path, **ROWS), predicted="p", task="y")
    assert result.n == 6
    assert result.metrics == pytest.approx({"total_variation": 1 / 3, "largest_bias": 1 / 3})
    a, b, c = result.details["shares"]
    assert [row["value"] for row in (a, b, c)] == ["a", "b", "c"]
    assert [row["predicted"] for row in (a, b, c)] == pytest.approx([1 / 6, 5 / 6, 0])
    assert [row["true"] for row in (a, b, c)] == pytest.approx([2 / 6, 3 / 6, 1 / 6])
    assert [row["bias"] for row in (a, b, c)] == pytest.approx([-1 / 6, 2 / 6, -1 / 6])
    assert b["se"] == pytest.approx(math.sqrt(5 / 6 * 1 / 6 / 6))
    assert b["bias_se"] == pytest.approx(np.std([0, 1, 0, 0, 0, 1]) / math.sqrt(6))
    assert a["bias_se"] == pytest.approx(np.std([0, -1, 0, 0, 0, 0]) / math.sqrt(6))
    assert b["bias_interval"] == list(paired(3, 5, 3, 6))
    assert result.rows[1] == {
        **{name: b[name] for name in ("value", "predicted", "se", "true", "bias", "bias_se")},
        "bias_low": b["bias_interval"][0], "bias_high": b["bias_interval"][1],
        "low": b["interval"][0], "high": b["interval"][1],
    }  # fmt: skip


def test_intervals_of_shares_are_wilsons(tmp_path):
    listed = shares(source(tmp_path, **ROWS), predicted="p").details["shares"]
    for row, hits in zip(listed, (1, 5), strict=True):
        assert row["interval"] == pytest.approx(binomtest(hits, 6).proportion_ci(method="wilson"))


def test_without_true_labels_there_is_no_bias(tmp_path):
    result = shares(source(tmp_path, **ROWS), predicted="p")
    assert (result.metrics, result.errors) == ({}, {})
    assert [sorted(row) for row in result.rows] == [["high", "low", "predicted", "se", "value"]] * 2


def test_errors_are_those_of_resampled_rows(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.choice(3, 400, p=(0.5, 0.3, 0.2))
    p = np.where(rng.random(400) < 0.3, 0, y)
    result = shares(source(tmp_path, y=y, p=p), predicted="p", task="y")
    again = []
    for _ in range(500):
        rows = rng.integers(0, 400, 400)
        bias = np.abs(np.bincount(p[rows], minlength=3) - np.bincount(y[rows], minlength=3)) / 400
        again.append([bias.sum() / 2, bias.max()])
    for name, spread in zip(("total_variation", "largest_bias"), np.std(again, axis=0), strict=True):
        assert result.errors[name].std() == pytest.approx(spread, rel=0.15)
        assert abs(result.errors[name].mean()) < spread / 3


def test_rows_that_are_all_right_say_nothing_of_an_error(tmp_path):
    result = shares(source(tmp_path, y="aabb", p="aabb"), predicted="p", task="y")
    assert result.metrics == {"total_variation": 0, "largest_bias": 0}
    assert result.errors == {}
    assert all(row["bias_interval"][1] > 0.1 for row in result.details["shares"])


def test_one_value_alone(tmp_path):
    (row,) = shares(source(tmp_path, y="aaa", p="aaa"), predicted="p", task="y").details["shares"]
    assert (row["predicted"], row["se"], row["bias"], row["bias_se"]) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        ({}, {"predicted": "q"}, "no column 'q'"),
        ({"y": "xyzxyz"}, {"task": "y"}, "have no value in common"),
        ({"p": [*"abbbb", ""]}, {}, "line 7: no value in column 'p'"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, changes, columns, message):
    with pytest.raises(InvalidInput, match=message):
        shares(source(tmp_path, **ROWS | changes), **{"predicted": "p"} | columns)


def test_rows_without_a_value_can_be_left_out(tmp_path):
    rows = {name: [*values, ""] for name, values in ROWS.items()}
    assert shares(source(tmp_path, reading=Reading(missing="skip"), **rows), predicted="p").n == 6
