"""Columns that make no sense together are refused."""

from pathlib import Path

import pytest

from biasloop.errors import InvalidInput
from biasloop.evaluations.checks import some, varied


def test_the_first_few_values_are_listed_in_order():
    assert some([]) == ""
    assert some(["b", "a"]) == "a, b"
    assert some(list("fedcb")) == "b, c, d, e, f"
    assert some(list("fedcba")) == "a, b, c, d, e, ..."


@pytest.mark.parametrize(("values", "listed"), [(["x"], "x"), ([], "")])
def test_a_column_of_one_value_is_refused(values, listed):
    with pytest.raises(InvalidInput, match=rf"p\.csv: column 'a' has one value only \({listed}\); expected"):
        varied(Path("p.csv"), "a", values)
    varied(Path("p.csv"), "a", ["x", "y"])
