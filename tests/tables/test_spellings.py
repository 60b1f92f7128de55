"""Ways to write one value: which are taken for one, and which are not."""

import pytest

from biasloop.tables import two_ways
from biasloop.tables.spellings import meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"), ("1", "01"), ("1", "1e0"), ("0", "-0.0"), ("1", "+1"), ("Yes", "yes "), ("ß", "SS"),
        ("\u00e9", "e\u0301"),  # composed, and with a combining accent
        ("1", "１"), ("12", "１２"), ("1", "١"), ("0.5", "٠.٥"),  # full-width and Arabic digits
        ("a b", "a\u00a0b"), ("a b", "a  b"), ("a b", "a\u2009b"), ("ab", "a\u200bb"),  # spaces that look alike
        ("1", '"1"'), ("yes", ' "yes"'), ("yes", "'yes'"), ("ﬁt", "fit"),
    ],
)  # fmt: skip
def test_one_value(one, other):
    assert meaning(one) == meaning(other)
    assert two_ways([one, other]) == (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "10"), ("yes", "no"), ("a b", "ab"), ("1", "-1"), ("1e1", "1e2"), ('"', "'"), ("\u00e9", "e"),
        ("it's", "its"),
    ],
)  # fmt: skip
def test_different_values(one, other):
    assert meaning(one) != meaning(other)
    assert two_ways([one, other]) is None
