"""Gates: limits of what an evaluation measured, by value or by interval."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.evaluations.gates import CALIBRATION, FAIRNESS, SHARES, SHARES_OF_TRUTH, Gate, Gates, gates
from biasloop.evaluations.result import EvaluationResult

NAN = math.nan
ANSWER = EvaluationResult(
    20,
    {"ece": 0.1, "mce": NAN, "gap": -0.2},
    {
        "accuracy": 0.7,
        "overall": {"tpr": {"value": 0.5, "interval": [0.3, 0.7]}, "fpr": {"value": None, "interval": None}},
        "by_group": {
            "a.b": {"tpr": {"value": 0.25, "interval": [0.1, 0.4]}, "ece": 0.3, "intervals": {"ece": None}},
        },
        "shares": [
            {"value": "x", "predicted": 0.75, "interval": [0.5, 0.9], "bias": 0.05, "bias_interval": [-0.1, 0.2]},
            {"value": "y", "predicted": 0.25, "interval": [0.1, 0.5]},
        ],
        "intervals": {"ece": [0.05, 0.15]},
    },
    spans={"accuracy": (0.6, 0.8)},
    reason={"mce": "no rows"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "ends"),
    [
        ("ece", 0.1, (0.05, 0.15)),
        ("accuracy", 0.7, (0.6, 0.8)),
        ("tpr", 0.5, (0.3, 0.7)),
        ("tpr.a.b", 0.25, (0.1, 0.4)),
        ("ece.a.b", 0.3, (NAN, NAN)),
        ("share.x", 0.75, (0.5, 0.9)),
        ("bias.x", 0.05, (-0.1, 0.2)),
        ("gap", -0.2, (NAN, NAN)),
        ("fpr", NAN, (NAN, NAN)),
        ("share.z", NAN, (NAN, NAN)),
        ("bias.y", NAN, (NAN, NAN)),
        ("tpr.nobody", NAN, (NAN, NAN)),
    ],
)
def test_a_number_of_an_answer_is_told_by_its_name_with_its_interval(name, value, ends):
    np.testing.assert_equal(ANSWER.number(name), (value, ends))


def test_a_metric_that_is_only_resampled_has_the_basic_interval():
    errors = np.linspace(-0.1, 0.1, 1001)
    value, ends = EvaluationResult(9, {"mce": 0.5}, {}, errors={"mce": errors}).number("mce")
    assert value == 0.5
    np.testing.assert_allclose(ends, (0.5 - 0.095, 0.5 + 0.095), atol=1e-9)


def test_a_gate_is_crossed_beyond_it_and_by_what_is_missing():
    assert Gates((Gate("ece", 0.1), Gate("ece", 0.1, above=False))).crossed(ANSWER) == []
    limits = (Gate("ece", 0.0999), Gate("ece", 0.2, above=False), Gate("mce", 1), Gate("fpr", 0, above=False))
    assert Gates(limits).crossed(ANSWER) == [
        "ece = 0.1 is above 0.0999 (--fail-above)",
        "ece = 0.1 is below 0.2 (--fail-below)",
        "mce has no value (no rows), so it cannot pass 1 (--fail-above)",
        "fpr has no value (0/0), so it cannot pass 0 (--fail-below)",
    ]


def test_on_intervals_the_whole_interval_has_to_lie_beyond_the_limit():
    above = Gates((Gate("ece", 0.04), Gate("ece", 0.05), Gate("ece", 0.08)), "interval")
    assert above.crossed(ANSWER) == ["ece = 0.1, 95 % interval [0.05, 0.15], is above 0.04 (--fail-above)"]
    below = Gates((Gate("ece", 0.16, above=False), Gate("ece", 0.15, above=False)), "interval")
    assert below.crossed(ANSWER) == ["ece = 0.1, 95 % interval [0.05, 0.15], is below 0.16 (--fail-below)"]
    assert Gates((Gate("gap", 9),), "interval").crossed(ANSWER) == [
        "gap = -0.2 has no interval, so it cannot pass 9 with --gate-on interval (--fail-above)"
    ]


@given(limit=st.floats(-1, 1), above=st.booleans())
def test_what_an_interval_crosses_its_value_crosses(limit, above):
    gate = Gate("ece", limit, above)
    assert not gate.crossed(ANSWER, "interval") or gate.crossed(ANSWER)


def test_of_several_gates_for_one_metric_the_strictest_counts():
    parsed = gates(["ece=0.2", "mce=1e-1", "ece=0.1"], CALIBRATION, below=["ece=0.01", "ece=0.05"], on="interval")
    assert parsed == Gates((Gate("ece", 0.1), Gate("mce", 0.1), Gate("ece", 0.05, above=False)), "interval")
    assert gates([], CALIBRATION) == Gates()


def test_values_and_groups_may_be_called_anything():
    (gate,) = gates(["share.a=b=0.5"], SHARES_OF_TRUTH).limits
    assert gate == Gate("share.a=b", 0.5)
    assert gates([], FAIRNESS, below=["tpr.f=0.5"]).limits == (Gate("tpr.f", 0.5, above=False),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ece", "--fail-above ece: '' is not a number; write ece=0.05"),
        ("ece=low", "--fail-above ece=low: 'low' is not a number"),
        ("ece=nan", "--fail-above ece=nan: 'nan' is not a number"),
        ("eec=1", r"expected METRIC=VALUE with a metric of ece, mce, .*; did you mean 'ece'\?"),
        ("=1", "expected METRIC=VALUE"),
        ("ece.*=1", "expected METRIC=VALUE"),
    ],
)
def test_bad_gates_are_refused(text, message):
    with pytest.raises(InvalidInput, match=message):
        gates([text], CALIBRATION)
    with pytest.raises(InvalidInput, match=message.replace("above", "below")):
        gates([], CALIBRATION, below=[text])


@pytest.mark.parametrize(
    ("text", "known", "name"),
    [("demographic_parity_rato=", FAIRNESS, "demographic_parity_ratio"), ("largest_bais=1", SHARES, "largest_bias")],
)
def test_the_nearest_metric_is_told(text, known, name):
    with pytest.raises(InvalidInput, match=rf"; did you mean '{name}'\?$"):
        gates([], known, below=[text])


def test_what_gates_look_at_is_one_of_two_words():
    with pytest.raises(InvalidInput, match='--gate-on ends: expected "value" or "interval"'):
        gates([], CALIBRATION, on="ends")
