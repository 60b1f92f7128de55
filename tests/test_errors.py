"""The name that somebody probably meant."""

import pytest

from biasloop.errors import near


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("acuracy", "; did you mean 'accuracy'?"), ("ecee", "; did you mean 'ece'?"), ("share", ""), ("x" * 9000, "")],
)
def test_a_name_that_comes_near_is_suggested(typed, hint):
    assert near(typed, (name for name in ("accuracy", "ece"))) == hint
