"""`runs compare`: which round its numbers are of, what it leaves out, and what it refuses."""

import json

import pytest
from support import toy

from biasloop.errors import InvalidInput


def answer(result):
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


@pytest.fixture
def unfinished(cli):
    """A study whose second arm has two rounds of four."""
    for human, rounds in (("5", "4"), ("25", "2")):
        cli("loop", "-p", "toy", "--out", "out", "--grid", f"loop.human={human}", "--set", f"loop.rounds={rounds}")
    return cli


def test_numbers_of_an_unfinished_study_are_of_one_round_which_is_said(unfinished):
    typed = ("runs", "compare", "out", "--to", "20 % human", "--metric", "share_predicted")
    result = unfinished(*typed, "--json")
    base, other = answer(result)
    assert base["round"] == other["round"] == 1
    assert other["value"]["mean"] - base["value"]["mean"] == pytest.approx(other["difference"]["mean"])
    said = "round 1 is compared, the last of out/loop.human=25/seed-0; `--round N` compares a later one"
    assert said in result.stderr
    assert "share predicted, against 20 % human, in round 1" in unfinished(*typed).stdout


def test_runs_and_arms_without_the_round_that_is_asked_for_are_named(unfinished):
    typed = ("runs", "compare", "out", "--to", "20 % human", "--metric", "share_predicted", "--round", "3", "--json")
    result = unfinished(*typed)
    assert [(row["arm"], row["round"]) for row in answer(result)] == [("20 % human", 3)]
    assert result.stderr.splitlines() == [
        "not compared, for want of round 3: out/loop.human=25/seed-0 (2 finished rounds)",
        "55.56 % human is left out of share_predicted: no seed of it and of 20 % human has them in round 3",
    ]
    refused = unfinished("runs", "compare", "out", "--round", "7")
    assert "has a round 7; the last is" in str(refused.exception)


def test_a_finished_study_is_compared_without_a_word_more(cli):
    cli("loop", "-p", "toy", "--out", "out", "--grid", "loop.human=5,25")
    result = cli("runs", "compare", "out", "--metric", "share_predicted", "--json")
    assert {row["round"] for row in answer(result)} == {3}
    assert "round" not in result.stderr


def test_an_arm_may_be_called_by_its_directory(unfinished):
    typed = ("runs", "compare", "out", "--metric", "share_predicted", "--json", "--to")
    assert answer(unfinished(*typed, "loop.human=25")) == answer(unfinished(*typed, "55.56 % human"))


def test_arms_of_two_presets_of_one_domain_are_called_by_their_preset(cli, workplace):
    (workplace / "presets" / "other.toml").write_text(toy.PRESET.replace("human = 5", "human = 9\nkeep = 'replace'"))
    for name in ("toy", "other"):
        cli("loop", "-p", name)
    rows = answer(cli("runs", "compare", "runs/toy", "runs/other", "--metric", "share_predicted", "--json"))
    assert [row["arm"] for row in rows] == ["toy", "other"]


def test_studies_of_two_domains_are_refused_in_a_sentence(cli, tiny_run):
    cli("loop", "-p", "toy")
    result = cli("runs", "compare", "runs/toy", str(tiny_run), "--metric", "share_predicted")
    assert isinstance(result.exception, InvalidInput)
    said = f"runs/toy/seed-0 of the domain 'toy' and {tiny_run} of the domain 'images' are of different studies"
    assert str(result.exception).startswith(said)
    assert "give directories of one study" in str(result.exception)
    assert result.output == ""


def test_a_metric_that_only_later_rounds_have_is_told_and_not_compared(cli):
    series = 'plot.series=["label_error", "share_predicted"]'
    cli("loop", "-p", "toy", "--out", "out", "--set", series, "--set", "loop.rounds=2")
    typed = ("runs", "compare", "out", "--json")
    assert {row["metric"] for row in answer(cli(*typed))} == {"bias", "label_error", "share_predicted"}
    result = cli(*typed, "--round", "0")
    assert [row["metric"] for row in answer(result)] == ["bias", "share_predicted"]
    assert "label_error is not compared: no run of" in result.stderr
