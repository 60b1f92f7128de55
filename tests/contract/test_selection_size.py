"""How many of so many candidates are selected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.selection import Selection, Strata
from biasloop.errors import InvalidInput
from biasloop.training.selectors import Uniform

STRATA = Strata(np.zeros(1, np.int64), 3)


def selecting(share):
    return Selection(Uniform(), share, 1, STRATA)


@pytest.mark.parametrize(
    ("candidates", "share", "k"),
    [
        (320, 0.1, 32), (640, 0.05, 32), (216, 0.15, 32), (160, 0.2, 32), (128, 0.25, 32), (32, 0.1, 3), (40, 0.1, 4),
        (5, 0.1, 1), (1, 0.01, 1), (7, 1.0, 7), (1000, 0.29, 290),
    ],
)  # fmt: skip
def test_as_many_as_the_released_code_selects(candidates, share, k):
    assert selecting(share).size(candidates) == k


@given(st.integers(1, 10_000), st.floats(1e-6, 1))
def test_at_least_one_and_at_most_all_are_selected(candidates, share):
    k = selecting(share).size(candidates)
    assert 1 <= k <= candidates
    assert k <= max(1, candidates * share + 1e-6)
    assert k + 1 > candidates * share


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_a_share_of_whole_numbers_is_no_sample_short(candidates, k):
    k = min(candidates, k)
    assert selecting(k / candidates).size(candidates) == k


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan")])
def test_no_other_share_is_one(share):
    with pytest.raises(InvalidInput, match=r"selection\.share is .*; set a share of the candidates"):
        selecting(share)
