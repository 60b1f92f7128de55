"""Groups of several attributes, binned, small and many: numbers for scripts against fairlearn and loops over rows."""

import csv
import json
import math
import time
import tracemalloc
from pathlib import Path

import fairlearn.metrics as oracle
import numpy as np
import polars as pl
import pytest

from biasloop import evaluations
from biasloop.errors import InvalidInput
from biasloop.evaluations import grouping
from biasloop.predictions import open_source

COLUMNS = ("--task", "y", "--predicted", "p")
BOTH = ("--attribute", "a", "--attribute", "b")
DIFFERENCES = ("demographic_parity_difference", "equalized_odds_difference")


def answer(result, code=0):
    assert result.exit_code == code, result.exception
    return json.loads(result.stdout)


def refused(result, *words):
    assert isinstance(result.exception, InvalidInput), result.exception
    for word in words:
        assert word in str(result.exception)


def drawn(name="p.csv", n=900, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.choice(["f", "m"], n), rng.choice(["old", "young"], n)
    y = (rng.random(n) < 0.4).astype(int)
    wrong = rng.random(n) < 0.1 + 0.2 * ((a == "f") & (b == "old"))
    age, sure = rng.uniform(18, 90, n).round(6), rng.uniform(0.5, 1, n).round(3)
    frame = pl.DataFrame({"a": a, "b": b, "y": y, "p": np.where(wrong, 1 - y, y), "age": age, "c": sure})
    frame.write_csv(name)
    return frame


def test_two_attributes_give_each_and_their_combinations_as_fairlearn_has_them(cli):
    frame = drawn()
    found = answer(cli("evaluate", "fairness", "p.csv", *COLUMNS, *BOTH, "--json"))
    both = np.stack([frame["a"].to_numpy(), frame["b"].to_numpy()], axis=1)
    for features, part in ((both, found), *((frame[name].to_numpy(), found["by_attribute"][name]) for name in "ab")):
        given = {"y_true": frame["y"], "y_pred": frame["p"], "sensitive_features": features}
        for name in DIFFERENCES:
            assert part[name] == pytest.approx(getattr(oracle, name)(**given), abs=1e-12)
            low, high = part["intervals"][name]
            assert low <= part[name] <= high
    rates = oracle.MetricFrame(
        metrics=oracle.selection_rate, y_true=frame["y"], y_pred=frame["p"], sensitive_features=both
    )
    assert set(found["by_group"]) == {"f+old", "f+young", "m+old", "m+young"}
    for group in found["by_group"].values():
        expected = rates.by_group[group["values"]["a"], group["values"]["b"]]
        assert group["selection_rate"]["value"] == pytest.approx(expected, abs=1e-12)
    assert set(found["by_attribute"]["b"]["by_group"]) == {"old", "young"}


def test_two_attributes_as_tables_files_and_figures(cli):
    drawn()
    result = cli("evaluate", "fairness", "p.csv", *COLUMNS, *BOTH, "--csv", "t.csv", "--plot", "t.png")
    assert result.exit_code == 0, result.exception
    assert all(f" {word} " in result.stdout for word in ("a", "b", "a+b", "f+old", "young"))
    rows = list(csv.DictReader(Path("t.csv").read_text().splitlines()))
    assert {row["attribute"] for row in rows} == {"a", "b", "a+b"}
    assert len(rows) == 6 * (2 + 2 + 4 + 1)  # the last is of all rows
    assert Path("t.png").stat().st_size > 1000


@pytest.mark.parametrize("given", [("a", "a"), ("a", "b", "a")])
def test_an_attribute_given_twice_is_refused(cli, given):
    drawn()
    options = [word for name in given for word in ("--attribute", name)]
    refused(cli("evaluate", "fairness", "p.csv", *COLUMNS, *options), "--attribute a", "twice")


def test_names_that_would_be_the_same_are_told_apart(cli):
    rows = [("x+y", "z", 1, 1), ("x", "y+z", 0, 1), ("x", "z", 1, 0), ("x+y", "y+z", 0, 0)] * 2
    pl.DataFrame(rows, schema=["a", "b", "y", "p"], orient="row").write_csv("p.csv")
    found = answer(cli("evaluate", "fairness", "p.csv", *COLUMNS, *BOTH, "--json"))["by_group"]
    assert len(found) == 4
    assert found['["x+y", "z"]']["values"] == {"a": "x+y", "b": "z"}


def test_amplification_of_two_attributes_is_that_of_their_combinations(cli):
    drawn().with_columns(ab=pl.concat_str("a", "b", separator="+")).write_csv("q.csv")
    found = answer(cli("evaluate", "amplification", "q.csv", *COLUMNS, *BOTH, "--json"))
    joined = answer(cli("evaluate", "amplification", "q.csv", *COLUMNS, "--attribute", "ab", "--json"))
    for key in ("bias_amp", "cells", "attributes", "counts", "interval"):
        assert found[key] == joined[key]
    alone = answer(cli("evaluate", "amplification", "q.csv", *COLUMNS, "--attribute", "b", "--json"))
    assert found["by_attribute"]["b"] == alone
    text = cli("evaluate", "amplification", "q.csv", *COLUMNS, *BOTH, "--csv", "t.csv").stdout
    assert text.count("bias_amp") == 3
    assert {row["of"] for row in csv.DictReader(Path("t.csv").read_text().splitlines())} == {"a", "b", "a+b"}


def test_calibration_of_two_attributes_is_that_of_their_combinations(cli):
    drawn().with_columns(ab=pl.concat_str("a", "b", separator="+")).write_csv("q.csv")
    command = ("evaluate", "calibration", "q.csv", *COLUMNS, "--confidence", "c", "--json")
    found = answer(cli(*command, *BOTH))
    for name, part in (("ab", found), ("a", found["by_attribute"]["a"]), ("b", found["by_attribute"]["b"])):
        alone = answer(cli(*command, "--attribute", name))
        assert list(part["by_group"]) == list(alone["by_group"])
        for group, expected in alone["by_group"].items():
            assert {key: part["by_group"][group][key] for key in ("n", "ece", "mce", "gap")} == pytest.approx(
                {key: expected[key] for key in ("n", "ece", "mce", "gap")}
            )


def test_labels_of_two_attributes(cli):
    frame = drawn().with_columns(ab=pl.concat_str("a", "b", separator="+"), t=1 - pl.col("y"), q=1 - pl.col("p"))
    frame.write_csv("q.csv")
    options = ("--task", "y,t", "--predicted", "p,q", "--json")
    found = answer(cli("evaluate", "amplification", "q.csv", *options, *BOTH))
    joined = answer(cli("evaluate", "amplification", "q.csv", *options, "--attribute", "ab"))
    assert found["bias_amp"] == joined["bias_amp"]
    assert found["cells"] == joined["cells"]
    assert set(found["by_attribute"]) == {"a", "b"}


# --- bins


def test_bins_of_a_measured_attribute(cli):
    frame = drawn()
    found = answer(cli("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "age", "--bins", "4", "--json"))
    names = list(found["by_group"])
    edges = [[float(edge) for edge in name.strip("[)]").split(",")] for name in names]
    assert len(names) == 4
    assert [edge[0] for edge in edges[1:]] == [edge[1] for edge in edges[:-1]]
    assert (edges[0][0], edges[-1][1]) == (frame["age"].min(), frame["age"].max())
    assert all(name.endswith(")") for name in names[:-1])
    assert names[-1].endswith("]")
    ages = frame["age"].to_numpy()
    for name, (low, high) in zip(names, edges, strict=True):
        inside = (ages >= low) & ((ages < high) | (name == names[-1]))
        group = found["by_group"][name]
        assert group["n"] == inside.sum()
        assert 200 < group["n"] < 250
        assert group["selection_rate"]["value"] == pytest.approx(frame["p"].to_numpy()[inside].mean())


def test_bins_are_in_the_order_of_their_numbers_and_skewed_values_make_fewer():
    edges = evaluations.bins_of([_table([0] * 90 + [1, 2, 3, 4, 5, 100, 200, 300, 400, 1000])], ["age"], 5).edges["age"]
    assert edges.tolist() == [0, 1, 1000]
    found = evaluations.fairness(
        _table([5] * 10 + list(range(8, 108))), task="y", predicted="p", attribute="age",
        bins=evaluations.bins_of([_table(range(5, 108))], ["age"], 3),
    )  # fmt: skip
    assert list(found.details["by_group"]) == ["[5, 40)", "[40, 74)", "[74, 107]"]


def _table(ages, name="t.csv"):
    ages = list(ages)
    pl.DataFrame(
        {
            "age": ages,
            "y": [0, 1] * (len(ages) // 2) + [0] * (len(ages) % 2),
            "p": [0, 1, 1, 0, *([1] * len(ages))][: len(ages)],
        }
    ).write_csv(name)
    return open_source(Path(name))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_two_files_have_the_same_bins(cli):
    drawn("p.csv", seed=0)
    other = drawn("q.csv", seed=1)
    options = (*COLUMNS, "--attribute", "age", "--bins", "3", "--json")
    found = answer(cli("evaluate", "fairness", "p.csv", *options, "--against", "q.csv"))
    assert list(found["by_group"]) == list(found["against"]["by_group"])
    assert sum(group["n"] for group in found["against"]["by_group"].values()) == len(other)
    of_train = answer(cli("evaluate", "amplification", "p.csv", *options, "--train", "q.csv"))
    assert of_train["attributes"] == list(found["by_group"])


def test_calibration_has_bins_of_its_own_for_attributes(cli):
    drawn()
    options = (*COLUMNS, "--confidence", "c", "--attribute", "age", "--attribute-bins", "2", "--bins", "10", "--json")
    found = answer(cli("evaluate", "calibration", "p.csv", *options))
    assert len(found["by_group"]) == 2
    assert len(found["bins"]) == 10
    assert sum(group["n"] for group in found["by_group"].values()) == 900


@pytest.mark.parametrize(
    ("rows", "words"), [(["x", "y"] * 20, "no numbers"), (["18", "unknown", *map(str, range(30))], "'unknown'")]
)
def test_bins_of_what_is_no_number_are_refused(cli, rows, words):
    pl.DataFrame({"age": rows, "y": [0, 1] * (len(rows) // 2), "p": [1, 0] * (len(rows) // 2)}).write_csv("p.csv")
    refused(cli("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "age", "--bins", "5"), words, "--bins")


def test_of_two_attributes_only_the_measured_one_is_binned(cli):
    drawn()
    found = answer(cli("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "a", "--attribute", "age", "--bins", "2", "--json"))  # fmt: skip # noqa: E501
    assert len(found["by_group"]) == 4
    assert set(found["by_attribute"]["a"]["by_group"]) == {"f", "m"}


# --- many groups, small groups


@pytest.mark.parametrize(
    ("values", "rows", "said"),
    [
        (300, 300, "--bins 5"), (25, 1000, "--bins 5"), (12, 15, "--bins 5"), (19, 1000, None), (4, 4, None),
    ],
)  # fmt: skip
def test_a_sentence_where_an_attribute_looks_measured(cli, values, rows, said):
    rng = np.random.default_rng(0)
    age = np.concatenate([np.arange(values), rng.integers(0, values, rows - values)])
    target = np.arange(rows) % 2
    pl.DataFrame({"a": age, "y": target, "p": rng.permutation(target)}).write_csv("p.csv")
    for command, option in (("fairness", "--bins"), ("amplification", "--bins"), ("calibration", "--attribute-bins")):
        pl.DataFrame({"a": age, "y": target, "p": rng.permutation(target), "c": 0.75}).write_csv("p.csv")
        sure = ("--confidence", "c") if command == "calibration" else ()
        found = answer(cli("evaluate", command, "p.csv", *COLUMNS, *sure, "--attribute", "a", "--json"))
        notes = [note for note in found.get("notes", []) if "--" in note]
        assert bool(notes) == bool(said)
        assert not said or f"{values:,} values" in notes[0]
        assert not said or f"{option} 5" in notes[0]


def test_names_without_numbers_are_to_be_merged(cli):
    names = [f"city{i % 40}" for i in range(400)]
    pl.DataFrame({"a": names, "y": [0, 1] * 200, "p": [0, 1, 1, 0] * 100}).write_csv("p.csv")
    found = answer(cli("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "a", "--json"))
    assert any("10.0 rows each; merge" in note for note in found["notes"])


def many(groups):
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 3 * groups)
    frame = pl.DataFrame(
        {"a": rng.integers(0, groups, 3 * groups), "y": target, "p": rng.permutation(target), "c": 0.75}
    )
    frame.write_csv("p.csv")


@pytest.mark.parametrize("command", ["fairness", "amplification"])
def test_a_thousand_groups_need_no_memory_for_their_pairs(cli, command):
    many(1100)
    tracemalloc.start()
    found = answer(cli("evaluate", command, "p.csv", *COLUMNS, "--attribute", "a", "--json"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["n"] == 3300
    assert peak < 60e6


@pytest.mark.slow
@pytest.mark.parametrize("command", ["fairness", "amplification", "calibration"])
def test_twenty_thousand_groups_take_seconds(cli, command):
    many(20_000)
    options = ("--confidence", "c") if command == "calibration" else ()
    began = time.process_time()
    found = answer(cli("evaluate", command, "p.csv", *COLUMNS, *options, "--attribute", "a", "--json"))
    assert found["n"] == 60_000
    assert time.process_time() - began < 60


def test_very_many_groups_are_not_compared_in_pairs_and_not_all_shown(cli):
    many(600)
    found = answer(cli("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "a", "--json"))
    assert "too many to compare in pairs" in found["reason"]["intervals.accuracy_difference"]
    assert found["intervals"]["accuracy_difference"] is None
    assert found["accuracy_difference"] == 1
    for command in ("fairness", "amplification"):
        text = cli("evaluate", command, "p.csv", *COLUMNS, "--attribute", "a", "--plot", f"{command}.png").stdout
        assert "more " in text
        assert "--csv FILE and --json have all" in text
        assert len(text.splitlines()) < 200
        assert len(text) < 60_000
        assert Path(f"{command}.png").stat().st_size < 2e6


def sized():
    """Groups of 40, 35, 20 and 1 rows, the last two far from the others."""
    rows = [("a", i % 2, i % 2) for i in range(40)] + [("b", i % 2, i % 2) for i in range(34)] + [("b", 1, 0)]
    rows += [("c", i % 2, 1) for i in range(20)] + [("d", 0, 1)]
    pl.DataFrame(rows, schema=["a", "y", "p"], orient="row").write_csv("p.csv")


def test_groups_of_few_rows_are_marked(cli):
    sized()
    found = answer(cli("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "a", "--json"))
    flags = {name: group.get("flag") for name, group in found["by_group"].items()}
    assert flags == {"a": None, "b": None, "c": "under 30 rows", "d": "one row"}
    assert found["accuracy_difference"] == 1
    assert any("'c' 20" in note for note in found["notes"])
    text = cli("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "a").stdout
    assert "20 (!)" in text
    assert "(!) few rows" in text


def test_groups_of_few_rows_can_be_left_out_of_differences(cli):
    sized()
    command = ("evaluate", "fairness", "p.csv", *COLUMNS, "--attribute", "a", "--json", "--min-group")
    found = answer(cli(*command, "30"))
    assert found["accuracy_difference"] == pytest.approx(1 / 35)
    assert {name for name, group in found["by_group"].items() if group.get("left_out")} == {"c", "d"}
    assert any("fewer than 30 rows: c, d" in note for note in found["notes"])
    assert found["overall"]["accuracy"]["n"] == 96
    none = answer(cli(*command, "39"))
    assert none["accuracy_difference"] is None
    assert "fewer than two groups" in none["reason"]["accuracy_difference"]


@pytest.mark.parametrize("smallest", [20, 30, 10**6])
def test_where_every_group_is_too_small_there_is_no_difference_and_a_reason(tmp_path, smallest):
    path = tmp_path / "p.csv"
    path.write_text("y,p,a\n" + "".join(f"{i % 2},{i // 2 % 2},{'fm'[i // 2 % 2]}\n" for i in range(36)))
    answer = evaluations.fairness(
        open_source(path), task="y", predicted="p", attribute=["a"], positive="1", smallest=smallest
    )
    assert all(math.isnan(value) for value in answer.metrics.values())
    assert set(answer.reason.values()) == {"fewer than two groups have so many rows"}


def test_thirty_rows_are_not_few():
    assert grouping.flag(30) == {}
    assert grouping.flag(29) == {"flag": "under 30 rows"}
    assert grouping.remarks(["a"], {"x": 30, "y": 31}) == []
    assert "'y' 29" in grouping.remarks(["a"], {"x": 30, "y": 29})[0]
