"""The name that somebody probably meant."""

import pytest

from biasloop.errors import near


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("acuracy", "; did you mean 'accuracy'?"), ("ecee", "; did you mean 'ece'?"), ("share", ""), ("x" * 9000, "")],
)
def test_a_name_that_comes_near_is_suggested(typed, hint):
    assert near(typed, (name for name in ("accuracy", "ece"))) == hint


NAMES = ("tpr.women", "tpr.gender.women", "tpr.gender.men", "fpr.gender.men", "Accuracy")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("tpr.women.gender", "'tpr.gender.women'"),
        ("TPR.gender.mne", "'tpr.gender.men'"),
        ("gender.men", "'tpr.gender.men' or 'fpr.gender.men'"),
        ("tpr.x", "'tpr.women' or 'tpr.gender.women' or 'tpr.gender.men'"),
        ("ACURACY", "'Accuracy'"),
    ],
)
def test_parts_in_another_order_other_cases_and_the_same_first_part_are_near(typed, hint):
    assert near(typed, NAMES, most=3) == f"; did you mean {hint}?"
