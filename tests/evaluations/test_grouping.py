"""Groups of one attribute and of several: names, order, and a word where they are small or too many."""

from pathlib import Path

import numpy as np
import pytest

from biasloop.errors import InvalidInput
from biasloop.evaluations import grouping
from biasloop.evaluations.result import EvaluationResult
from biasloop.predictions import Counts

COUNTED = Counts(
    Path("p.csv"),
    {"a": ["m", "f", "m", "f"], "b": ["old", "old", "young", "old"], "y": ["1", "1", "1", "0"]},
    np.array([4, 3, 2, 1]),
)


def test_one_attribute_or_several_each_once():
    assert grouping.listed("ab") == ["ab"]
    assert grouping.listed(("a", "b")) == ["a", "b"]
    with pytest.raises(InvalidInput, match="--attribute a is given twice; expected each column once"):
        grouping.listed(["b", "a", "a"])
    assert grouping.joined(["a", "b"]) == "a+b"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a", "10", "9"], ["10", "9", "a", "b"]),
        (
            ["[10, 20)", "[9, 10)", "[-1.5, 9)", "[1e+05, 2e+05]"],
            ["[-1.5, 9)", "[9, 10)", "[10, 20)", "[1e+05, 2e+05]"],
        ),
        (["[10, 20)", "[9, 10)", "other"], ["[10, 20)", "[9, 10)", "other"]),
    ],
)
def test_values_are_in_the_order_of_text_and_bins_of_numbers(values, expected):
    assert grouping.ordered(values) == expected


def test_combinations_are_in_the_order_of_the_first_attribute_then_of_the_next():
    keys = [("f", "[9, 10)"), ("m", "[10, 20]"), ("f", "[10, 20]"), ("f", "[9, 10)")]
    assert grouping.keys_of(keys) == [("f", "[9, 10)"), ("f", "[10, 20]"), ("m", "[10, 20]")]


def test_names_tell_groups_apart():
    assert grouping.names_of([("f", "old"), ("m", "old")]) == ["f+old", "m+old"]
    assert grouping.names_of([("f+x", "y"), ("f", "x+y"), ("ä", "y")]) == ['["f+x", "y"]', '["f", "x+y"]', '["ä", "y"]']
    assert grouping.parts_of(["a"], ("f",)) == {}
    assert grouping.parts_of(["a", "b"], ("f", "old")) == {"values": {"a": "f", "b": "old"}}


def test_counted_combinations_have_places_among_the_groups():
    keys, places = grouping.grouped(COUNTED, ["a"])
    assert (keys, places.tolist()) == ([("f",), ("m",)], [1, 0, 1, 0])
    keys, places = grouping.grouped(COUNTED, ["a", "b"])
    assert (keys, places.tolist()) == ([("f", "old"), ("m", "old"), ("m", "young")], [1, 0, 2, 0])


def test_an_axis_of_groups_counts_their_rows():
    keys = [("x", "old"), ("f", "old"), ("m", "old"), ("m", "young")]  # the first has no rows
    axis, placed = grouping.placed(COUNTED, ["a", "b"], keys)
    assert placed.table(axis, ("y", ["0", "1"])).tolist() == [[0, 0], [1, 3], [0, 4], [0, 2]]
    assert COUNTED.columns.keys() == {"a", "b", "y"}


@pytest.mark.parametrize(("n", "flag"), [(1, {"flag": "one row"}), (29, {"flag": "under 30 rows"}), (30, {})])
def test_small_groups_are_marked(n, flag):
    assert grouping.flag(n) == flag


def test_remarks_of_small_groups():
    sizes = {"f": 1, "m": 29, "x": 30, "z": 2}
    assert grouping.remarks(["a"], sizes) == [
        "a 'f' has one row", "under 30 rows of a, so that rates say little: 'm' 29, 'z' 2"
    ]  # fmt: skip
    assert grouping.remarks(["a"], {"f": 30}) == []
    many = {str(n): 2 for n in range(6)}
    assert grouping.remarks(["a", "b"], many) == [
        "under 30 rows of a+b, so that rates say little: '0' 2, '1' 2, '2' 2, '3' 2, '4' 2, ..."
    ]
    assert len(grouping.single("a", list("abcde"))) == 5
    assert grouping.single("a", list("fedcba")) == ["6 groups of a have one row (a, b, c, d, e, ...)"]


@pytest.mark.parametrize(
    ("values", "rows", "words"),
    [
        (range(20), 10**6, "a has 20 values in 1,000,000 rows, as many as a measured quantity has; --bins 5"),
        (range(19), 10**6, None),
        (range(10), 19, "--bins 5 makes five groups of them"),
        (range(10), 20, None),
        (range(9), 9, None),
        ([f"v{n}" for n in range(20)], 590, "29.5 rows each; merge those that belong together"),
        ([f"v{n}" for n in range(20)], 600, None),
        (["nan", *map(str, range(19))], 10**6, None),  # no number
    ],
)
def test_an_attribute_that_looks_measured_has_a_sentence(values, rows, words):
    notes = grouping.crowded(Path("p.csv"), "a", list(map(str, values)), rows)
    assert len(notes) == (words is not None)
    assert all(words in note for note in notes)


def answer(names, **row):
    return EvaluationResult(1, {"ece": float(len(names))}, {}, rows=[{**row, "n": 1}], notes=["same", "+".join(names)])


def test_one_attributes_answer_stands_alone():
    result = grouping.each(["a"], lambda names: answer(names, group="f"))
    assert (result.parts, list(result.rows), list(result.notes)) == ({}, [{"group": "f", "n": 1}], ["same", "a"])


@pytest.mark.parametrize(("row", "column"), [({"group": "f"}, "attribute"), ({"attribute": "f"}, "of")])
def test_several_attributes_answers_stand_beside_each_other(row, column):
    result = grouping.each(["a", "b"], lambda names: answer(names, **row))
    assert result.metrics == {"ece": 2.0}
    assert {name: part.metrics["ece"] for name, part in result.parts.items()} == {"a": 1.0, "b": 1.0}
    assert [line[column] for line in result.rows] == ["a", "b", "a+b"]
    assert list(result.notes) == ["same", "a", "b", "a+b"]


def test_all_rows_together_stand_there_once():
    result = grouping.each(["a", "b"], lambda names: answer(names, group=""))
    assert list(result.rows) == [{"attribute": "a+b", "group": "", "n": 1}]
