"""`biasloop evaluate amplification / calibration / fairness`: numbers for scripts, tables, gates and refusals."""

import json
import re
from pathlib import Path

import fairlearn.metrics as oracle
import numpy as np
import pytest

from biasloop.errors import InvalidInput

AMPLIFICATION = ("--task", "y", "--attribute", "a", "--predicted", "p")
CALIBRATION = ("--task", "y", "--predicted", "p", "--confidence", "c")
FAIRNESS = AMPLIFICATION


def written(rows, header="a,y,p", name="p.csv"):
    """A file of rows, each a tuple of cells."""
    lines = [header.split(","), *rows]
    if name.endswith(".jsonl"):
        text = "".join(json.dumps(dict(zip(lines[0], row, strict=True))) + "\n" for row in rows)
    else:
        text = "".join(("\t" if name.endswith(".tsv") else ",").join(map(str, line)) + "\n" for line in lines)
    Path(name).write_text(text)
    return name


def answer(result, code=0):
    assert result.exit_code == code, result.exception
    return json.loads(result.stdout)


def refused(result, words):
    assert isinstance(result.exception, InvalidInput), result.exception
    assert words in str(result.exception)
    assert not result.stdout


# attribute f, m; task cook, drive; 10 rows each, "drive" of m and "cook" of f exaggerated by one row
EXAGGERATED = (
    [("f", "cook", "cook")] * 7 + [("f", "drive", "cook")] + [("f", "drive", "drive")] * 2
    + [("m", "drive", "drive")] * 6 + [("m", "cook", "drive")] * 2 + [("m", "cook", "cook")] * 2
)  # fmt: skip


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.jsonl"])
def test_amplification_for_scripts(cli, name):
    found = answer(cli("evaluate", "amplification", written(EXAGGERATED[::-1], name=name), *AMPLIFICATION, "--json"))
    assert (found["n"], found["attributes"], found["tasks"]) == (20, ["f", "m"], ["cook", "drive"])
    np.testing.assert_allclose(found["cells"], [[0.1, 0.1], [0.2, 0.2]], atol=1e-12)
    assert found["bias_amp"] == pytest.approx(0.15, abs=1e-12)
    assert found["counts"] == {"true": [[7, 3], [4, 6]], "predicted": [[8, 2], [2, 8]]}
    assert found["associated"] == [[True, False], [False, True]]
    low, high = found["interval"]
    assert low < 0.15 < high
    assert "reason" not in found


def test_amplification_as_a_table(cli):
    text = cli("evaluate", "amplification", written(EXAGGERATED), *AMPLIFICATION).stdout
    assert "20 rows of p.csv" in text
    assert "bias_amp +0.1500, 95 % interval [" in text
    row = next(line for line in text.splitlines() if line.split()[:2] == ["m", "drive"])
    assert row.split() == ["m", "drive", "6", "60.0", "%", "80.0", "%", "+0.2000", "100.0", "%"]


def test_a_task_value_that_is_only_predicted_counts(cli):
    rows = [("f", "x", "x"), ("f", "x", "z"), ("m", "y", "y"), ("m", "y", "y")]
    found = answer(cli("evaluate", "amplification", written(rows), *AMPLIFICATION, "--json"))
    assert found["tasks"] == ["x", "y", "z"]
    # f: x 1 -> 1/2 (associated), y 0, z 0 -> 1/2 (not): (-1/2 - 0 - 1/2) / 6.
    assert found["bias_amp"] == pytest.approx(-1 / 6, abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "why", "note"),
    [
        ([("f", "x", "x"), ("f", "y", "x"), ("f", "x", "x"), ("m", "y", "y")], "one row", "a 'm' has one row"),
        ([("f", "x", "x"), ("f", "y", "y"), ("m", "y", "y"), ("m", "y", "y")], "same number", ""),
    ],
)
def test_no_interval_of_width_0(cli, rows, why, note):
    found = answer(cli("evaluate", "amplification", written(rows), *AMPLIFICATION, "--json"))
    assert found["interval"] is None
    assert why in found["reason"]["interval"]
    assert found.get("notes", [""]) == [note]
    text = cli("evaluate", "amplification", "p.csv", *AMPLIFICATION).stdout
    assert "interval –" in text
    assert why in text


def test_exact_independence_is_said(cli):
    rows = [("f", "x", "x"), ("f", "y", "x"), ("m", "x", "y"), ("m", "y", "y")]
    found = answer(cli("evaluate", "amplification", written(rows), *AMPLIFICATION, "--json"))
    assert found["bias_amp"] == 0
    assert any("exactly independent" in note for note in found["notes"])


def calibrated(low=0.5, high=1.0):
    rng = np.random.default_rng(3)
    confidence = np.clip(np.round(rng.uniform(0.5, 1, 300), 2), low, high)
    right = rng.random(300) < confidence - 0.1
    rows = [(f"{c}", "cat", "cat" if hit else "dog") for c, hit in zip(confidence, right, strict=True)]
    return confidence, right, rows


def test_calibration_equals_torchmetrics(cli):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.classification")
    torch.set_num_threads(1)
    # Without ties of the two classes, and without 1, which torchmetrics counts in a bin of its own.
    confidence, right, rows = calibrated(0.51, 0.99)
    found = answer(cli("evaluate", "calibration", written(rows, "c,y,p"), *CALIBRATION, "--bins", "7", "--json"))
    # Of two classes the first is predicted; it is the true one where the prediction was right.
    scores = torch.from_numpy(np.stack([confidence, 1 - confidence], axis=1))
    target = torch.from_numpy((~right).astype(int))
    for norm, name in (("l1", "ece"), ("max", "mce")):
        expected = functional.multiclass_calibration_error(scores, target, num_classes=2, n_bins=7, norm=norm)
        assert found[name] == pytest.approx(float(expected), abs=1e-6)
    assert found["gap"] == pytest.approx(right.mean() - confidence.mean())
    assert found["overconfidence"] == -found["gap"]
    assert found["accuracy"] == pytest.approx(right.mean())


def test_calibration_bins_add_up_and_empty_ones_say_so(cli):
    confidence, right, rows = calibrated()
    found = answer(cli("evaluate", "calibration", written(rows, "c,y,p"), *CALIBRATION, "--json"))
    assert len(found["bins"]) == 15
    assert found["bins"][0] == {
        "edges": [0.0, 1 / 15], "n": 0, "accuracy": None, "confidence": None, "gap": None, "reason": "no rows"
    }  # fmt: skip
    for one in found["bins"]:
        inside = (confidence > one["edges"][0]) & (confidence <= one["edges"][1])
        assert one["n"] == inside.sum()
        if one["n"]:
            assert one["accuracy"] == pytest.approx(right[inside].mean())
            assert one["confidence"] == pytest.approx(confidence[inside].mean())
            assert "reason" not in one
    gaps = [(one["n"], abs(one["accuracy"] - one["confidence"])) for one in found["bins"] if one["n"]]
    assert found["ece"] == pytest.approx(sum(n * gap for n, gap in gaps) / 300)
    assert found["mce"] == pytest.approx(max(gap for _, gap in gaps))
    text = cli("evaluate", "calibration", "p.csv", *CALIBRATION).stdout
    assert f"ece {found['ece']:.4f}, mce {found['mce']:.4f}, gap {found['gap']:+.4f}" in text
    assert "–" in text


def test_calibration_values_at_the_ends(cli):
    rows = [("0", "x", "y"), ("1", "x", "x"), ("1.0", "x", "x")]
    found = answer(cli("evaluate", "calibration", written(rows, "c,y,p"), *CALIBRATION, "--bins", "2", "--json"))
    assert [one["n"] for one in found["bins"]] == [1, 2]
    assert (found["ece"], found["mce"], found["gap"]) == (0, 0, 0)


def grouped(seed=1, n=400):
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], n)
    target = rng.random(n) < 0.4
    prediction = np.where(rng.random(n) < 0.2 + 0.1 * (group == "b"), ~target, target)
    return group, target.astype(int), prediction.astype(int)


@pytest.mark.parametrize("values", [("0", "1"), ("no", "yes"), ("False", "True")])
def test_fairness_equals_fairlearn(cli, values):
    group, target, prediction = grouped()
    rows = [(g, values[t], values[p]) for g, t, p in zip(group, target, prediction, strict=True)]
    found = answer(cli("evaluate", "fairness", written(rows), *FAIRNESS, "--json"))
    assert found["positive"] == values[1]
    for name in ("demographic_parity_difference", "equalized_odds_difference"):
        expected = getattr(oracle, name)(target, prediction, sensitive_features=group)
        assert found[name] == pytest.approx(expected, abs=1e-12)
    rates = {"selection_rate": oracle.selection_rate, "tpr": oracle.true_positive_rate,
             "fpr": oracle.false_positive_rate, "fnr": oracle.false_negative_rate}  # fmt: skip
    frame = oracle.MetricFrame(metrics=rates, y_true=target, y_pred=prediction, sensitive_features=group)
    assert sorted(found["by_group"]) == ["a", "b", "c"]
    for name, one in found["by_group"].items():
        assert one["n"] == (group == name).sum()
        for rate in rates:
            assert one[rate]["value"] == pytest.approx(frame.by_group.loc[name, rate], abs=1e-12)
            low, high = one[rate]["interval"]
            assert low < one[rate]["value"] < high
    assert found["overall"]["accuracy"]["value"] == pytest.approx((target == prediction).mean())
    text = cli("evaluate", "fairness", "p.csv", *FAIRNESS).stdout
    assert f"equalized odds difference {found['equalized_odds_difference']:.4f}" in text
    assert f"positive: {values[1]}" in text


def test_a_positive_value_among_many(cli):
    group, target, prediction = grouped()
    names = np.array(["cat", "dog", "fox"])
    other = np.arange(len(group)) % 2
    true, guessed = (names[np.where(column == 1, 2, other)] for column in (target, prediction))
    written(list(zip(group, true, guessed, strict=True)))
    refused(cli("evaluate", "fairness", "p.csv", *FAIRNESS), "--positive VALUE")
    refused(cli("evaluate", "fairness", "p.csv", *FAIRNESS, "--positive", "cow"), "cat, dog, fox")
    found = answer(cli("evaluate", "fairness", "p.csv", *FAIRNESS, "--positive", "fox", "--json"))
    expected = oracle.equalized_odds_difference(target, prediction, sensitive_features=group)
    assert found["equalized_odds_difference"] == pytest.approx(expected, abs=1e-12)


# b has no positive rows; c is a single row
ODD = [("a", 1, 1), ("a", 0, 1), ("a", 0, 0), ("a", 1, 0), ("b", 0, 0), ("b", 0, 1), ("c", 1, 1)]


def test_rates_of_0_over_0_have_no_value(cli):
    found = answer(cli("evaluate", "fairness", written(ODD), *FAIRNESS, "--json"))
    missing = {"value": None, "n": 0, "interval": None, "reason": "no positive rows"}
    assert found["by_group"]["b"]["tpr"] == missing
    assert found["by_group"]["b"]["fnr"] == missing
    assert found["by_group"]["c"]["fpr"]["reason"] == "no negative rows"
    # tpr: a 1/2, c 1; fpr: a 1/2, b 1/2
    assert found["equalized_odds_difference"] == 0.5
    assert found["demographic_parity_difference"] == 0.5
    assert any("tpr of 'b', fpr of 'c'" in note for note in found["notes"])
    text = cli("evaluate", "fairness", "p.csv", *FAIRNESS).stdout
    assert "–" in text


def test_a_group_of_one_row_is_flagged_and_its_intervals_are_wide(cli):
    found = answer(cli("evaluate", "fairness", written(ODD), *FAIRNESS, "--json"))
    assert found["by_group"]["c"]["flag"] == "one row"
    assert found["by_group"]["b"]["flag"] == "under 30 rows"
    low, high = found["by_group"]["c"]["tpr"]["interval"]
    assert high - low > 0.5
    assert "1 (!)" in cli("evaluate", "fairness", "p.csv", *FAIRNESS).stdout


@pytest.fixture
def halved(workplace):
    """Only one of two groups has positive rows: equalised odds have no value."""
    return written([("a", 1, 1), ("a", 0, 1), ("b", 0, 0), ("b", 0, 1)])


def test_half_of_equalised_odds_is_no_value(cli, halved):
    result = cli("evaluate", "fairness", halved, *FAIRNESS, "--json")
    found = answer(result)
    assert found["equalized_odds_difference"] is None
    assert "two groups have a tpr" in found["reason"]["equalized_odds_difference"]
    assert found["demographic_parity_difference"] == 0.5
    assert "NaN" not in result.stdout
    text = cli("evaluate", "fairness", halved, *FAIRNESS).stdout
    assert "equalized odds difference –" in text
    assert "nan" not in text.lower()


# --- gates


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_crossed_gate_exits_with_4_after_the_result(cli, form):
    command = ("evaluate", "amplification", written(EXAGGERATED), *AMPLIFICATION, *form)
    plain = cli(*command)
    crossed = cli(*command, "--fail-above", "bias_amp=0.1")
    assert (plain.exit_code, crossed.exit_code) == (0, 4)
    assert crossed.stdout == plain.stdout
    assert "bias_amp = 0.15 is above 0.1" in crossed.stderr
    assert cli(*command, "--fail-above", "bias_amp=0.2").exit_code == 0


def test_several_gates_name_all_that_were_crossed(cli):
    _, _, rows = calibrated()
    gates = [word for gate in ("ece=0.001", "mce=0.99", "mce=0.01", "gap=0") for word in ("--fail-above", gate)]
    result = cli("evaluate", "calibration", written(rows, "c,y,p"), *CALIBRATION, "--json", *gates)
    assert answer(result, 4)["gap"] < 0
    said = [line.split()[1] for line in result.stderr.splitlines()]
    assert said == ["ece", "mce"]


def test_a_value_at_the_gate_passes(cli):
    command = ("evaluate", "fairness", written(ODD), *FAIRNESS)
    assert cli(*command, "--fail-above", "demographic_parity_difference=0.5").exit_code == 0
    assert cli(*command, "--fail-above", "demographic_parity_difference=0.49").exit_code == 4


def test_a_missing_value_passes_no_gate(cli, halved):
    result = cli("evaluate", "fairness", halved, *FAIRNESS, "--fail-above", "equalized_odds_difference=1")
    assert result.exit_code == 4
    assert "has no value (fewer than two groups have a tpr)" in result.stderr


def test_a_ratio_fails_below_its_gate_and_on_its_interval_only_if_that_lies_below(cli):
    rows = [(group, 1, guess) for group, hits in (("f", 10), ("m", 8)) for guess in [1] * hits + [0] * (10 - hits)]
    command = ("evaluate", "fairness", written(rows), *FAIRNESS)
    gate = ("--fail-below", "demographic_parity_ratio=0.9")
    crossed = cli(*command, *gate)
    assert crossed.exit_code == 4
    assert crossed.stderr == "biasloop: demographic_parity_ratio = 0.8 is below 0.9 (--fail-below)\n"
    assert cli(*command, "--fail-below", "demographic_parity_ratio=0.8").exit_code == 0
    assert cli(*command, *gate, "--gate-on", "interval").exit_code == 0  # ten rows a group cannot tell
    sure = cli(*command, "--fail-below", "demographic_parity_ratio=1.01", "--gate-on", "interval")
    assert sure.exit_code == 4
    assert re.fullmatch(r".* = 0.8, 95 % interval \[.*, .*\], is below 1.01 \(--fail-below\)\n", sure.stderr)
    assert cli(*command, "--fail-below", "tpr.m=0.9", "--fail-above", "accuracy=0.95").exit_code == 4


@pytest.mark.parametrize(
    ("gate", "words"),
    [("nope=1", "bias_amp"), ("bias_amp", "not a number"), ("bias_amp=much", "'much'"), ("bias_amp=nan", "'nan'")],
)
def test_a_bad_gate_is_refused_before_anything(cli, gate, words):
    refused(cli("evaluate", "amplification", written(EXAGGERATED), *AMPLIFICATION, "--fail-above", gate), words)


# --- refusals


@pytest.mark.parametrize(
    ("command", "header", "rows", "words"),
    [
        ("amplification", "a,y,q", [("f", 1, 1)], "'p' (there are a, y, q)"),
        ("amplification", "a,y,p", [("f", 1, 1), ("m", 1, 0)], "'y' has one value only (1)"),
        ("amplification", "a,y,p", [("f", 1, 1), ("f", 0, 0)], "'a' has one value only (f)"),
        ("amplification", "a,y,p", [("f", 1, "1.0"), ("m", 0, "0.0")], "'y' (0, 1) and 'p' (0.0, 1.0)"),
        ("fairness", "a,y,p", [("f", 1, 1), ("m", 0, 2)], "3 values of 'y' (0, 1, 2)"),
        ("fairness", "a,y,p", [("f", 1, "1.0"), ("m", 0, "0.0")], "no value in common"),
        ("calibration", "c,y,p", [(0.5, 1, 1), (1.2, 1, 1)], "row 2: c is 1.2"),
        ("calibration", "c,y,p", [(-0.1, 1, 1)], "row 1: c is -0.1"),
        ("calibration", "c,y,p", [(0.5, 1, 1), ("nan", 1, 1)], "line 3: no value in column 'c'"),
        ("calibration", "c,y,p", [(0.5, 1, 1), ("sure", 1, 1)], "row 2: c is 'sure', not a number"),
        ("calibration", "y,p", [(1, 1)], "'c' (there are y, p)"),
    ],
)
def test_bad_files_are_refused_with_the_place(cli, command, header, rows, words):
    options = {"amplification": AMPLIFICATION, "calibration": CALIBRATION, "fairness": FAIRNESS}[command]
    refused(cli("evaluate", command, written(rows, header), *options), words)


def test_calibration_without_any_right_prediction_is_doubted(cli):
    rows = [("0.9", "1", "0"), ("0.8", "0", "1")]
    found = answer(cli("evaluate", "calibration", written(rows, "c,y,p"), *CALIBRATION, "--json"))
    assert "written alike" in found["notes"][0]
    assert found["gap"] == pytest.approx(-0.85)
