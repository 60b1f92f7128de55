"""Two files beside each other: differences of the same things, or a refusal that names both."""

import json
from pathlib import Path

import pytest

from biasloop.errors import InvalidInput
from biasloop.evaluations.comparable import comparable
from biasloop.evaluations.result import EvaluationResult

COLUMNS = ("--task", "y", "--predicted", "p")


def written(name, positive="good", negative="bad", groups=("m", "f"), classes=1):
    words = {1: positive, 0: negative}
    cells = [(1, 1, 0), (0, 0, 0), (1, 1, 1), (0, 1, 1), (1, 0, 0), (0, 0, 1)]
    rows = [(words[y] if classes else positive, words[p], groups[g]) for y, p, g in cells]
    Path(name).write_text("y,p,a\n" + "".join(f"{','.join(row)}\n" for row in rows))
    return name


def beside(cli, command, *more, attribute=True):
    options = ("--attribute", "a") if attribute else ()
    return cli("evaluate", command, "A.csv", *COLUMNS, *options, *more, "--against", "B.csv", "--json")


def refused(result, *words):
    assert isinstance(result.exception, InvalidInput), result.exception
    for word in words:
        assert word in str(result.exception)


@pytest.mark.parametrize("other", ["Good", "GOOD", "good "])
def test_a_positive_value_written_otherwise_is_refused(cli, other):
    written("A.csv")
    written("B.csv", positive=other)
    refused(beside(cli, "fairness"), "'good'", repr(other), "A.csv", "B.csv")
    refused(beside(cli, "shares", attribute=False), "'good'", repr(other))
    refused(beside(cli, "amplification"), "'good'", repr(other))


@pytest.mark.parametrize("names", [("1", "0"), ("yes", "no")])
def test_other_values_are_refused(cli, names):
    written("A.csv")
    written("B.csv", *names)
    for command in ("fairness", "amplification"):
        refused(beside(cli, command), "A.csv (bad, good)", f"B.csv ({names[1]}, {names[0]})")
    refused(beside(cli, "shares", attribute=False), "A.csv (bad, good)")


def test_another_positive_value_is_refused(cli):
    """Of two values the later one is positive: good there, ok here, and bad in both."""
    written("A.csv")
    written("B.csv", positive="awful")
    refused(beside(cli, "fairness"), "'good' in A.csv", "'bad' in B.csv")
    found = beside(cli, "fairness", "--positive", "bad")
    assert found.exit_code == 0, found.exception


def test_other_groups_are_refused_and_some_more_are_said(cli):
    written("A.csv")
    written("B.csv", groups=("M", "F"))
    refused(beside(cli, "fairness"), "'f'", "'F'")
    written("B.csv", groups=("old", "young"))
    refused(beside(cli, "fairness"), "A.csv (f, m)", "B.csv (old, young)", "groups")
    written("B.csv", groups=("m", "x"))
    found = json.loads(beside(cli, "fairness").stdout)
    assert {"groups of A.csv alone: f", "groups of B.csv alone: x"} <= set(found["notes"])


def test_a_file_without_positive_rows_is_measured_by_the_same_value(cli):
    written("A.csv", positive="1", negative="0")
    written("B.csv", positive="0", negative="0")
    found = json.loads(beside(cli, "fairness").stdout)
    assert found["against"]["positive"] == "1"
    assert found["against"]["overall"]["selection_rate"]["value"] == 0


@pytest.mark.parametrize("positive", [(), ("--positive", "1")])
def test_selection_rates_need_one_true_class_alone(cli, positive):
    written("A.csv", positive="1", negative="0", classes=0)
    result = cli("evaluate", "fairness", "A.csv", *COLUMNS, "--attribute", "a", *positive, "--json")
    found = json.loads(result.stdout)
    assert found["demographic_parity_difference"] == pytest.approx(1 / 3)
    assert found["by_group"]["f"]["selection_rate"]["value"] == pytest.approx(2 / 3)
    assert found["by_group"]["f"]["tpr"]["value"] == pytest.approx(2 / 3)
    assert found["by_group"]["f"]["fpr"] == {"value": None, "n": 0, "interval": None, "reason": "no negative rows"}
    assert found["equalized_odds_difference"] is None
    assert "fewer than two groups have a fpr" in found["reason"]["equalized_odds_difference"]
    assert "NaN" not in result.stdout


FILES = (Path("A.csv"), Path("B.csv"))


def compared(ours, theirs):
    return comparable(EvaluationResult(1, {}, ours), EvaluationResult(1, {}, theirs), FILES)


def shares(*values):
    return {"shares": [{"value": value} for value in values]}


def test_answers_of_the_same_things_have_no_note():
    groups = {"attributes": ["f", "m"], "values": ["0", "1"], "positive": "1"}
    assert compared(groups, groups) == []
    assert compared(groups, {"positive": "1"}) == []  # of the whole file there are no groups
    assert compared({}, {}) == []


@pytest.mark.parametrize(("key", "what"), [("attributes", "groups"), ("tasks", "classes"), ("values", "classes")])
def test_what_one_file_alone_has_is_said(key, what):
    notes = compared({key: ["a", "b", *"uvwxyz"]}, {key: ["a", "c"]})
    assert notes == [f"{what} of A.csv alone: b, u, v, w, x, ...", f"{what} of B.csv alone: c"]
    assert compared(shares("a", "b"), shares("a")) == ["values of A.csv alone: b"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("Yes", "yes "), ("1", "1.0"), ("e\u0301", "\u00e9"), ("1e2", "100")],
)
def test_one_value_written_in_two_ways_is_refused(ours, theirs):
    for first, second in ((ours, theirs), (theirs, ours)):
        with pytest.raises(
            InvalidInput, match=r"A\.csv has .* where B\.csv has .*; write the values of both files alike"
        ):
            compared({"attributes": ["x", first]}, {"attributes": ["x", second]})
    # A file that tells the two apart means two.
    both = {"attributes": [ours, theirs]}
    for value, other in ((ours, theirs), (theirs, ours)):
        assert compared(both, {"attributes": [value]}) == [f"groups of A.csv alone: {other}"]


def test_nothing_in_common_and_another_positive_value_are_refused():
    with pytest.raises(InvalidInput, match=r"A\.csv \(a, b\) and B\.csv \(c\) have none of their values in common"):
        compared(shares("b", "a"), shares("c"))
    with pytest.raises(InvalidInput, match=r"the positive value is '1' in A\.csv and '0' in B\.csv"):
        compared({"positive": "1"}, {"positive": "0"})
