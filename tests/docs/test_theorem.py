"""`docs/theorem.md`: its numbers and its commands against the program, and its two-delta form against a simulation."""

import json
import re
import shlex

import numpy as np
import pytest
from support import pages, toy

from biasloop import bound

PAGE = (toy.PROJECT / "docs" / "theorem.md").read_text()
COMMANDS = pages.commands(PAGE)
CALCULATED = [command for command in COMMANDS if command.startswith("bound --n0")]


def answer(cli, command):
    result = cli(*shlex.split(command), "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_table_of_rounds_is_what_the_command_says(cli):
    curve = answer(cli, CALCULATED[0])["bound"]
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| (0\.\d{4}) \| (\d\.\d{3}) \|$", PAGE, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [0, 1, 2, 3, 5, 8, 11]
    for text, train, value, times in rows:
        assert int(train.replace(",", "")) == 300 + 100 * int(text)
        assert f"{curve[int(text)]:.4f}" == value
        assert f"{curve[int(text)] / 0.132:.3f}" == times


def test_the_steps_in_words_are_the_recurrence():
    said = float(re.search(r"\(400 x 0\.2 \+ 80 x 1\.2\) / 500 = ([\d.]+) delta", PAGE)[1])
    assert said == pytest.approx((400 * 0.2 + 80 * 1.2) / 500)
    assert bound.factors(300, 20, 80, 2) == pytest.approx([1, 1 + 80 / 400, 1 + said])


def test_limits_and_how_slowly_they_come(cli):
    assert answer(cli, CALCULATED[1])["limit"] == pytest.approx(0.66)
    assert "0.66, is far away: half of the growth to it is reached in round 106" in PAGE
    assert bound.rounds_to_half(300, 20, 80) == 106
    for percent, times in re.findall(r"^\| (\d+) % \| (\d+) \|$", PAGE, re.MULTILINE):
        assert bound.limit(int(percent), 100 - int(percent)) == pytest.approx(int(times))
    for round_, times in ((11, 2.4), (1_000, 6.7), (100_000, 11.3)):
        assert round(bound.factors(300, 0, 100, round_)[-1], 1) == times
        assert str(times) in PAGE


def test_the_fewest_human_labels(cli):
    ever, ten = [answer(cli, command)["human"] for command in CALCULATED if "--max-amplification" in command]
    assert f"{ever:,} of 5,000 a round where the loop goes on for ever, {ten:,} where it ends with round 10" in PAGE


def test_weights_are_a_smaller_k(cli):
    weighed = answer(cli, CALCULATED[-1])
    assert f"ends at {weighed['bound'][-1]:.4f} instead of 0.2641, and its limit is {weighed['limit']:.3f}" in PAGE


def test_the_bound_of_the_texts():
    factor = bound.factors(1000, 100, 400, 7)[-1]
    assert f"may be {factor:.3f} times as far off in round 7" in PAGE
    assert ", ".join(f".{round(factor * delta):03}" for delta in (118, 111)) + " and .043" in PAGE


def test_the_intervals_of_a_sample():
    for n in (200, 1000):
        assert f"+-{1.96 * np.sqrt(0.2 / n):.3f} with {n:,}" in PAGE


@pytest.mark.parametrize(("measured", "given"), [(0.13, 0.0), (0.1, 0.05), (0.02, 0.08)])
def test_two_deltas(measured, given):
    """A loop whose models give labels a bias of `given` above the training set's, and predictions one of `measured`."""
    n, training = 300.0, 0.0
    factors = bound.factors(300, 20, 80, 11)
    for t in range(12):
        assert training + measured == pytest.approx(measured + (factors[t] - 1) * given)
        training = (n * training + 80 * (training + given)) / (n + 100)
        n += 100


def test_the_run_of_the_page(cli, workplace):
    loop, against, _ = [command for command in COMMANDS if "runs/bounded" in command]
    ran = cli(*shlex.split(loop))
    assert ran.exit_code == 0, ran.output
    found = answer(cli, against)
    rounds = found["rounds"]
    factors = bound.factors(300, 20, 80, 2)
    assert [row["bound"] for row in rounds] == pytest.approx([found["delta"]["value"] * factor for factor in factors])
    shown = cli(*shlex.split(against))
    for column in re.findall(r"`([\w -]+)`", " ".join(re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE))):
        assert column in shown.stdout
    assert "standard error" in shown.output


def test_delta_of_a_table_of_labels(cli, tmp_path):
    (command,) = [command for command in COMMANDS if command.startswith("evaluate shares")]
    (tmp_path / "labels.csv").write_text("said,human\n" + "shirt,shirt\n" * 5 + "shirt,coat\n" * 2 + "coat,coat\n" * 3)
    found = answer(cli, command.replace("labels.csv", str(tmp_path / "labels.csv")))
    (shirt,) = [row for row in found["shares"] if row["value"] == "shirt"]
    assert shirt["bias"] == pytest.approx(0.2)
    assert shirt["bias_se"] == pytest.approx(0.4 / np.sqrt(10))  # of differences 1, 1 and eight 0
    assert len(shirt["bias_interval"]) == 2
