"""`biasloop compare`: the tables of a study, how many seeds it needs, files, and what is refused; and a study's end."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from biasloop.store.reader import Run


@pytest.fixture
def out(toy_study):
    """The directory of a study of two arms, three seeds each."""
    return str(toy_study)


def shown(result):
    assert result.exit_code == 0, result.exception
    return result.stdout


def bias_of(study: Path, human: int) -> np.ndarray:
    """Of the last round, by seed."""
    runs = [Run.open(study / f"loop.human={human}" / f"seed-{seed}") for seed in range(3)]
    last = [list(run.summaries())[-1][1] for run in runs]
    return np.array([row["share_predicted"].value - row["share_target"].value for row in last])


@pytest.fixture
def apart(toy_study):
    """Bias with 25 humans minus that with 5, by seed."""
    return bias_of(toy_study, 25) - bias_of(toy_study, 5)


def test_a_study_is_compared_in_bias_quality_and_label_error(cli, out, apart):
    text = shown(cli("compare", out))
    heads = next(line.split() for line in text.splitlines() if line.split()[:2] == ["arm", "seeds"])
    assert heads == ["arm", "seeds", "bias", "label", "error"]
    assert "bias, against 20 % human, in round 3" in text
    assert "label error, against 20 % human, in round 3" in text
    assert "fewer than four seeds" in text
    rows = json.loads(shown(cli("compare", out, "--json")))
    (row,) = [row for row in rows if row["metric"] == "bias" and row["arm"] != "20 % human"]
    low, high = stats.t.interval(0.95, 2, apart.mean(), stats.sem(apart))
    assert row["difference"] == {
        "mean": pytest.approx(apart.mean()), "std": pytest.approx(apart.std(ddof=1)), "low": pytest.approx(low),
        "high": pytest.approx(high), "n": 3,
    }  # fmt: skip
    assert row["every_seed"]["mean"] == pytest.approx(bias_of(Path(out), 25).mean())
    assert json.loads(shown(cli("runs", "compare", out, "--json"))) == rows


def test_a_study_says_how_many_seeds_its_difference_needs(cli, out, apart):
    (row,) = json.loads(shown(cli("compare", out, "--plan", "--metric", "bias", "--json")))
    assert row["effect"] == pytest.approx(apart.mean() / apart.std(ddof=1))
    assert row["seeds"] == 3
    text = shown(cli("compare", out, "--plan", "--metric", "bias"))
    assert "seeds that a difference in bias needs, against 20 % human" in text
    assert "3 seeds: differences from 3.26 s.d. on are found in 80 % of studies, paired" in text


def test_an_effect_is_planned_without_any_study(cli):
    text = shown(cli("compare", "--plan", "--effect", "1.5"))
    assert ["1.5", "6", "/", "7", "9", "/", "11", "7,", "11"] in [line.split() for line in text.splitlines()]
    every = json.loads(shown(cli("compare", "--plan", "--json")))
    assert [row["effect"] for row in every] == [0.5, 1.0, 1.5, 2.0, 3.0]
    assert every[0]["paired"] == {"0.8": 34, "0.9": 44}
    (row,) = json.loads(shown(cli("compare", "--plan", "--effect=-1", "--json")))
    assert row["unpaired"] == {"0.8": 17, "0.9": 23}


def test_a_file_is_written_and_never_replaced_unless_told(cli, out, apart, workplace):
    shown(cli("compare", out, "-o", "table.csv"))
    rows = list(csv.DictReader((workplace / "table.csv").read_text().splitlines()))
    assert {row["metric"] for row in rows} == {"bias", "label_error"}
    assert float(rows[1]["difference"]) == pytest.approx(apart.mean())
    assert rows[0]["difference"] == ""
    refused = cli("compare", out, "-o", "table.csv")
    assert str(refused.exception).startswith("--output table.csv: this file is there already; --force replaces it")
    assert cli("compare", out, "-o", "table.csv", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ((), "which study? type: biasloop compare DIR"),
        (("--effect", "1"), "add --plan"),
        (("out", "--plan", "--effect", "1"), "leave directories, --to, --metric and --round out"),
        (("--plan", "--effect", "0"), "an effect of 0 standard deviations"),
        (("out", "--plan", "-o", "x.csv"), "--plan makes none"),
        (("nowhere",), "there is no run at nowhere"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(cli, typed, said):
    result = cli("compare", *typed)
    assert said in str(result.exception)
    assert result.output == ""


def test_one_arm_has_nothing_to_be_compared_with_and_nothing_to_plan_for(cli):
    cli("loop", "-p", "toy", "--out", "out")
    assert "there is one arm, which nothing can be compared with" in shown(cli("compare", "out"))
    assert "there is no difference to plan for" in str(cli("compare", "out", "--plan").exception)


def test_a_study_of_several_arms_and_seeds_ends_with_its_comparison(cli):
    bits = ("--set", "domain.labels=bits")  # sampled, so that seeds differ
    said = shown(cli("loop", "-p", "toy", *bits, "--grid", "loop.human=5,25", "--seeds", "0-1", "--out", "out"))
    assert "bias, against 20 % human, in round 3" in said
    (evidence,) = [
        row["e_value"]
        for row in json.loads(shown(cli("compare", "out", "--metric", "bias", "--json")))
        if row["arm"] != "20 % human"
    ]
    (row,) = [line for line in said.splitlines() if line.split()[-1:] == [f"{evidence:.3g}"]]
    assert row.split()[:4] == ["55.56", "%", "human", "2"]
    (command,) = [line.strip() for line in said.splitlines() if line.startswith("  biasloop compare")]
    assert command == "biasloop compare out"


@pytest.mark.parametrize("typed", [("--grid", "loop.human=5,25"), ("--seeds", "0-1")])
def test_a_study_of_one_seed_or_one_arm_ends_without(cli, typed):
    said = shown(cli("loop", "-p", "toy", *typed))
    assert "biasloop plot runs/toy" in said
    assert "against" not in said
    assert "biasloop compare" not in said
