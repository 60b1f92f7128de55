"""Bins of attributes that are numbers, by hand."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.predicted import source

from biasloop.errors import InvalidInput
from biasloop.evaluations.binning import NO_BINS, Bins, bins_of
from biasloop.predictions import counted


def edges(directory, values, count, *others):
    sources = [source(directory, f"{n}.csv", a=column) for n, column in enumerate((values, *others))]
    by_attribute = bins_of(sources, ["a"], count).edges
    return by_attribute["a"].tolist() if by_attribute else None


def test_values_are_in_the_bin_that_begins_with_them_and_the_last_edge_in_the_last():
    bins = Bins({"a": np.array([18.0, 25.0, 60.5, 95.0])})
    assert bins.of("a", ["18", "24.9", "25", "60.5", "95"]) == [
        "[18, 25)", "[18, 25)", "[25, 60.5)", "[60.5, 95]", "[60.5, 95]"
    ]  # fmt: skip
    assert bins.of("a", ["1", "99"]) == ["[18, 25)", "[60.5, 95]"]  # of a file that was not looked at
    assert bins.of("b", ["18", "x"]) == NO_BINS.of("a", ["18", "x"]) == ["18", "x"]


def test_counts_with_bins_are_the_same_rows(tmp_path):
    counts = counted(source(tmp_path, a=[1, 2, 3, 3], y="0101"), ["a", "y"])
    binned = Bins({"a": np.array([1.0, 3.0, 3.0])}).binned(counts)
    assert binned.columns["y"] == counts.columns["y"]
    assert binned.table(("a", sorted(set(binned.columns["a"])))).sum() == binned.n == 4


def test_inner_edges_are_quantiles_and_outer_ones_the_least_and_largest(tmp_path):
    assert edges(tmp_path, range(1, 101), 4) == [1, 26, 51, 76, 100]
    assert edges(tmp_path, range(1, 101), 2, [0, 5], [200, 7]) == [0, 51, 200]


def test_a_value_with_many_rows_makes_fewer_bins(tmp_path):
    assert edges(tmp_path, [*[0] * 90, *range(1, 11)], 4) == [0, 1, 10]
    assert edges(tmp_path, [*range(1, 11), *[50] * 90], 4) == [1, 50, 50]


def test_edges_have_three_digits_where_that_tells_them_apart(tmp_path):
    assert edges(tmp_path, [1.23456, 2.34567, 3.45678, 4.56789], 2) == [1.23456, 3.46, 4.56789]
    assert edges(tmp_path, [1000.1, 1000.2, 1000.3, 1000.4], 2) == [1000.1, 1000.3, 1000.4]


def test_as_few_values_as_bins_are_left_as_they_are(tmp_path):
    assert edges(tmp_path, [1, 2, 3, 3, 3], 3) is None
    assert edges(tmp_path, [1, 2, 3, 3, 3], 2) == [1, 3, 3]


NUMBERS = st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(NUMBERS, min_size=1, max_size=40), count=st.integers(2, 6))
def test_every_value_has_a_bin_around_it(tmp_path, values, count):
    rows = source(tmp_path, a=values)
    bins = bins_of([rows], ["a"], count)
    if len(set(values)) <= count:
        assert bins.edges == {}
        return
    made = bins.edges["a"]
    assert len(made) <= count + 1
    assert (made[0], made[-1]) == (min(values), max(values))
    for value, name in zip(values, bins.of("a", list(map(repr, values))), strict=True):
        low, high = map(float, name[1:-1].split(", "))
        assert low <= value <= high
        assert value < high or name.endswith("]")


@pytest.mark.parametrize(
    ("values", "count", "message"),
    [
        ("abc", 2, r"0\.csv: 'a' is no numbers, of which --bins makes groups; leave it out"),
        (["1", "2", "x"], 2, r"0\.csv: a is 'x' in some row, no number; --bins makes groups of a column of numbers"),
        (["1", "inf", "2"], 2, "a is 'inf' in some row, no number"),
        ("123", 1, "--bins 1: expected at least 2"),
    ],
)
def test_what_has_no_bins_is_refused(tmp_path, values, count, message):
    with pytest.raises(InvalidInput, match=message):
        edges(tmp_path, values, count)


def test_of_several_attributes_one_has_to_be_a_number(tmp_path):
    rows = source(tmp_path, a="xyxy", b="1234", c="zzyy")
    assert bins_of([rows], ["a", "b"], 2).edges.keys() == {"b"}
    with pytest.raises(InvalidInput, match="'a' and 'c' are no numbers"):
        bins_of([rows], ["a", "c"], 2)
