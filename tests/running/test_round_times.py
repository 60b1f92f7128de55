"""A line through measured rounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.running.round_times import RoundTime, fitted

WORK = st.lists(st.integers(1, 10_000), min_size=2, max_size=8, unique=True)


@given(WORK, st.floats(0, 100), st.floats(1e-3, 1))
def test_rounds_on_a_line_give_that_line(work, fixed, rate):
    line = fitted([(units, fixed + rate * units) for units in work])
    assert [line.of(units) for units in work] == pytest.approx([fixed + rate * units for units in work])
    assert line.rate == pytest.approx(rate, rel=1e-6)


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 1e6)), min_size=1, max_size=8))
def test_no_part_of_a_round_takes_less_than_nothing(rounds):
    line = fitted(rounds)
    assert line.fixed >= 0
    assert line.rate >= 0


def test_rounds_that_get_faster_are_taken_to_cost_the_same():
    assert fitted([(100, 5.0), (200, 4.0), (300, 3.0)]) == RoundTime(4.0, 0.0)


def test_without_two_amounts_of_work_everything_grows_with_it():
    assert fitted([(100, 5.0), (100, 7.0), (100, 6.0)]) == RoundTime(0.0, 0.06)


def test_a_line_that_would_begin_below_nothing_begins_there():
    assert fitted([(100, 1.0), (200, 4.0)]) == RoundTime(0.0, 0.015)
