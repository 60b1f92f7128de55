"""Confidences: the probability of one class given as such, rounding at the ends, and what cannot be told."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from biasloop.errors import InvalidInput

COLUMNS = ("--task", "y", "--predicted", "p")
PROBABILITY = (*COLUMNS, "--probability", "c", "--positive", "1")


def answer(result, code=0):
    assert result.exit_code == code, result.exception
    return json.loads(result.stdout)


def written(rows, header="y,p,c"):
    Path("p.csv").write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return "p.csv"


def drawn(n=1000, threshold=0.5, seed=0, names=("0", "1")):
    """A calibrated probability of the second class, and predictions by a threshold on it."""
    rng = np.random.default_rng(seed)
    p = rng.random(n).round(6)
    y, guess = rng.random(n) < p, p >= threshold
    return [(names[int(t)], names[int(g)], c) for t, g, c in zip(y, guess, p.tolist(), strict=True)]


def of_prediction(rows, positive="1"):
    return [(y, p, c if p == positive else round(1 - c, 6)) for y, p, c in rows]


@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_the_probability_of_one_class_gives_what_that_of_the_prediction_gives(cli, threshold):
    rows = drawn(threshold=threshold)
    found = answer(cli("evaluate", "calibration", written(rows), *PROBABILITY, "--json"))
    expected = answer(cli("evaluate", "calibration", written(of_prediction(rows)), *COLUMNS, "--confidence", "c", "--json"))  # fmt: skip # noqa: E501
    for key in ("n", "ece", "mce", "gap", "accuracy", "confidence"):
        assert found[key] == pytest.approx(expected[key], abs=1e-9)
    assert found["bins"] == expected["bins"] or [one["n"] for one in found["bins"]] == [
        one["n"] for one in expected["bins"]
    ]
    assert not [note for note in found.get("notes", []) if "--probability" in note]


def test_bins_of_a_probability_are_scikit_learns(cli):
    rows = drawn(4000)
    found = answer(cli("evaluate", "calibration", written(rows), *PROBABILITY, "--bins", "8", "--json"))
    right = [y == p for y, p, _ in rows]
    sure = [c for _, _, c in of_prediction(rows)]
    accuracy, confidence = calibration_curve(right, sure, n_bins=8)
    bins = [one for one in found["bins"] if one["n"]]
    assert [one["accuracy"] for one in bins] == pytest.approx(accuracy.tolist())
    assert [one["confidence"] for one in bins] == pytest.approx(confidence.tolist())


@pytest.mark.parametrize("names", [("0", "1"), ("no", "yes"), ("zebra", "ant")])
@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_a_confidence_that_looks_like_the_probability_of_a_class_gets_a_note(cli, names, threshold):
    rows = drawn(300, threshold, names=names)
    found = answer(cli("evaluate", "calibration", written(rows), *COLUMNS, "--confidence", "c", "--json"))
    (note,) = [note for note in found["notes"] if "--probability" in note]
    assert f"--probability c --positive {names[1]}" in note


@pytest.mark.parametrize(
    "rows",
    [
        of_prediction(drawn(300)),
        of_prediction(drawn(300, 0.3)),
        [(y, p, max(c, 1 - c)) for y, p, c in drawn(300)],
        [(y, "1", c) for y, _, c in drawn(300)],
        drawn(4),
        [*drawn(300), ("2", "2", 0.4)],
    ],
)
def test_one_that_does_not_gets_none(cli, rows):
    found = answer(cli("evaluate", "calibration", written(rows), *COLUMNS, "--confidence", "c", "--json"))
    assert not [note for note in found.get("notes", []) if "--probability" in note]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "give --confidence COLUMN"),
        (("--confidence", "c", "--probability", "c", "--positive", "1"), "give --confidence COLUMN"),
        (("--probability", "c"), "go together"),
        (("--confidence", "c", "--positive", "1"), "go together"),
        (("--probability", "c", "--positive", "3"), "no value '3'"),
    ],
)
def test_what_a_probability_needs(cli, options, words):
    result = cli("evaluate", "calibration", written(drawn(50)), *COLUMNS, *options)
    assert isinstance(result.exception, InvalidInput)
    assert words in str(result.exception)


def test_the_probability_of_one_of_three_classes_is_refused(cli):
    result = cli("evaluate", "calibration", written([*drawn(50), ("2", "1", 0.4)]), *PROBABILITY)
    assert isinstance(result.exception, InvalidInput)
    assert "3 values of 'y' (0, 1, 2)" in str(result.exception)


@pytest.mark.parametrize("given", [("1.0000001", "-0.0000001"), ("1.000001", "-0.000001"), ("1", "0")])
def test_what_rounding_leaves_beyond_the_ends_is_the_end(cli, given):
    rows = [("1", "1", given[0]), ("0", "1", "0.8"), ("1", "1", "0.8"), ("0", "1", given[1])]
    found = answer(cli("evaluate", "calibration", written(rows), *COLUMNS, "--confidence", "c", "--json"))
    assert found["ece"] == pytest.approx((0 + 2 * 0.3 + 0) / 4)
    assert (found["bins"][0]["confidence"], found["bins"][-1]["confidence"]) == (0, 1)


@pytest.mark.parametrize("value", ["1.00001", "-0.00001", "1.1", "inf"])
def test_what_lies_further_out_is_refused(cli, value):
    rows = [("1", "1", "0.5"), ("0", "1", value)]
    result = cli("evaluate", "calibration", written(rows), *COLUMNS, "--confidence", "c")
    assert isinstance(result.exception, InvalidInput)
    assert "row 2: c is" in str(result.exception)


@pytest.mark.parametrize("confidence", ["0.9", "0.5", "0.7", "0.333333"])
@pytest.mark.parametrize("right", [True, False])
def test_rows_that_are_all_right_or_wrong_have_no_interval_of_width_0(cli, confidence, right):
    rows = [("1", "1" if right else "0", confidence)] * 6 + [("0", "0" if right else "1", confidence)]
    found = answer(cli("evaluate", "calibration", written(rows), *COLUMNS, "--confidence", "c", "--json"))
    assert found["intervals"]["ece"] is None
    assert "every resample" in found["reason"]["intervals.ece"]
    low, high = found["intervals"]["gap"]
    assert -1 <= low <= found["gap"] <= high <= 1
    assert high - low > 0.1
    text = cli("evaluate", "calibration", "p.csv", *COLUMNS, "--confidence", "c").stdout
    assert "– no interval of ece: in every bin" in text
