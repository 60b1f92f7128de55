"""Formatted numbers, at the places where rounding changes the unit or the number of digits."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.report.tables.formatting import column, counted, duration, interval, measured, number, percent, size
from biasloop.report.tables.formatting import count as with_thousands

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0752028, "0.0752"),
        (0.5, "0.500"),
        (0, "0"),
        (-0.25, "-0.250"),
        (0.99996, "1.00"),
        (12345.6, "12,346"),
        (1e-7, "1.00e-07"),
        (1e20, "1.00e+20"),
        (NAN, "–"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_number(value, text):
    assert number(value, 3) == text


@settings(deadline=None)
@given(value=st.floats(1e-4, 1e9), negative=st.booleans(), digits=st.integers(1, 8))
def test_number_is_off_by_half_a_last_digit_at_most(value, negative, digits):
    value = -value if negative else value
    shown = float(number(value, digits).replace(",", ""))
    assert abs(shown - value) <= 0.5000001 * 10 ** (math.floor(math.log10(abs(value))) + 1 - digits) * (
        10 if abs(shown) > abs(value) else 1
    )


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.18234, 0.01714, "0.182 ± 0.017"),
        (0.18234, 0.0996, "0.18 ± 0.10"),
        (0.1, 0.00999, "0.100 ± 0.010"),
        (12345.0, 678.0, "12,345 ± 678"),
        (-0.0001, 0.01, "0.000 ± 0.010"),
        (0.25, NAN, "0.2500"),
        (0.25, 0.0, "0.2500"),
        (NAN, 0.1, "–"),
        (0.5, 1e-15, "0.5000 ± 1.0e-15"),
    ],
)
def test_measured(value, error, text):
    assert measured(value, error) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.1484, 0.2161, "[0.148, 0.216]"),
        (-0.05, 1.23456, "[-0.05, 1.23]"),
        (0.0, 0.0, "[0, 0]"),
        (NAN, 0.1, "–"),
        (1e-20, 2e-20, "[1.00e-20, 2.00e-20]"),
    ],
)
def test_interval(low, high, text):
    assert interval(low, high) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.182, "18.2 %"), (1, "100.0 %"), (-0.0001, "0.0 %"), (-0.05, "-5.0 %"), (NAN, "–")],
)
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (0.9996, "1.0 s"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (80, "1 min 20 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (86_399, "1 d"),
        (273_600, "3 d 4 h"),
        (-80, "-1 min 20 s"),
        (NAN, "–"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@settings(deadline=None)
@given(seconds=st.floats(1, 1e7))
def test_duration_says_how_long_it_was(seconds):
    units = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    parts = re.findall(r"([\d.]+) (\w+)", duration(seconds))
    assert sum(float(part) * units[unit] for part, unit in parts) == pytest.approx(seconds, rel=0.05)
    assert all(float(part) < 60 for part, unit in parts if unit in {"s", "min"})


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (56_123_456, "56.1 MB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (3_070_000_000, "3.1 GB"),
        (5 * 10**18, "5,000.0 PB"),
    ],
)
def test_size(n, text):
    assert size(n) == text


def test_counts():
    assert with_thousands(50_000) == "50,000"
    assert counted(1, "round") == "1 round"
    assert counted(0, "round") == "0 rounds"
    assert counted(2_000, "class", "classes") == "2,000 classes"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.46, 0.0125, 1.0], ["0.460", "0.013", "1.000"]),
        ([12.5, 0.25, math.nan], ["12.50", "0.25", "–"]),
        ([3.0, 40.0, 500.0], ["3", "40", "500"]),
        ([0.0, 0.0], ["0", "0"]),
        ([1e9, 1e-9], ["1,000,000,000", "1.000e-09"]),
        ([math.inf, 0.5], ["∞", "0.5000"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_have_the_same_decimals(values, texts):
    assert column(values) == texts


@given(st.lists(st.floats(-1000, 1000).filter(lambda x: x == 0 or abs(x) > 1e-3), min_size=1, max_size=9))
def test_a_column_is_in_one_format_and_loses_no_more_than_its_decimals(values):
    texts = column(values)
    decimals = {len(text.partition(".")[2]) for text in texts}
    assert len(decimals) == 1
    (after,) = decimals
    for value, text in zip(values, texts, strict=True):
        assert abs(float(text.replace(",", "")) - value) <= 0.51 * 10**-after
