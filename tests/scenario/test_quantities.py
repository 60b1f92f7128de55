"""Counts and shares as people write them, exactly as the page says and nothing else."""

import doctest
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.bound import MOST
from biasloop.errors import InvalidInput
from biasloop.scenario import quantities
from biasloop.scenario.quantities import Amount, amount, count, number


def test_doctests():
    assert doctest.testmod(quantities).failed == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("50000", 50_000), ("50_000", 50_000), ("5e4", 50_000), ("5E+4", 50_000), ("50k", 50_000),
        ("50K", 50_000), ("1.5M", 1_500_000), ("2B", 2 * 10**9), ("2G", 2 * 10**9), ("1T", 10**12), ("1e12", 10**12),
        ("50 k", 50_000), (" 7 ", 7), ("1.0", 1), ("5.", 5), (".5k", 500), ("5000e-3", 5), ("+3", 3), ("-0", 0),
        ("123456789012345", 123456789012345), ("0.3k", 300),
    ],
)  # fmt: skip
def test_counts(text, expected):
    assert count(text, "--n0") == expected
    assert amount(text, "--human") == Amount(samples=expected)


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "1.5", "-1", "5e-1", "1__0", "_1", "1_", "1_.5", "e5", ".", "k", "5m", "5kk", "5 0", "1,000", "²",
     "0x10", "inf", "nan", "1e", "1e+", "٥", "1e9999", "9" * 200, "5k%"],
)  # fmt: skip
def test_what_is_no_count_is_refused_in_a_sentence(text):
    for read in (count, amount):
        with pytest.raises(InvalidInput, match="^--n0 .*: ") as refused:
            read(text, "--n0")
        assert "50_000" in str(refused.value)
        assert len(str(refused.value)) < 300


def test_a_comma_is_told_of_and_a_share_is_no_count():
    with pytest.raises(InvalidInput, match="write no comma"):
        count("50,000", "--n0")
    with pytest.raises(InvalidInput, match="expected a number of samples, not a share"):
        count("20%", "--n0")
    with pytest.raises(InvalidInput, match=r"at most 1,000,000,000,000,000"):
        count("1e16", "--n0")
    assert count("1e15", "--n0") == MOST


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.2", 0.2), (".2", 0.2), ("-.2", -0.2), ("20%", 0.2), ("20 %", 0.2), ("-5%", -0.05), ("2e-1", 0.2),
     ("150%", 1.5), ("1_000", 1000.0), ("0.1%", 0.001)],
)  # fmt: skip
def test_numbers(text, expected):
    assert number(text, "--delta") == expected


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e400", "5k", "5 M", "1,5", "%", "5%%", "--5"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(InvalidInput, match="^--delta .*: .*20%"):
        number(text, "--delta")


@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, places=3))
def test_any_decimal_is_read_as_what_it_is(value: Decimal):
    assert number(str(value), "x") == float(value)
    assert number(f"{value}%", "x") == pytest.approx(float(value) / 100, rel=1e-15)


@given(st.integers(0, 10**12), st.sampled_from(["", "k", "M"]))
def test_letters_multiply(value, letter):
    times = {"": 1, "k": 10**3, "M": 10**6}[letter]
    if value * times <= MOST:
        assert count(f"{value}{letter}", "x") == count(f"{value:_}{letter}", "x") == value * times


@pytest.mark.parametrize("text", ["101%", "-1%", "1e9%"])
def test_a_share_of_a_round_is_between_none_and_all(text):
    with pytest.raises(InvalidInput, match="from 0% to 100%"):
        amount(text, "--human")


@given(st.integers(0, 100), st.integers(1, 10**6))
def test_a_share_is_the_same_of_a_round_and_beside_the_others(percent, per_round):
    people = amount(f"{percent}%", "--human")
    assert people.share == Fraction(percent, 100)
    human = people.of(per_round)
    assert abs(human - per_round * percent / 100) <= 0.5
    model = 100_000 * (100 - percent)
    if percent < 100:
        assert people.beside(model) == 100_000 * percent


def test_all_of_a_round_leaves_no_room_for_others():
    assert amount("100%", "--human").beside(0) == 0
    with pytest.raises(InvalidInput, match=r"leaves no room for 4,000 model-labelled"):
        amount("100%", "--human").beside(4_000)
