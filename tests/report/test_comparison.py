"""The comparison that command line, end of a study and notebook show: which metrics, which round, what is left out."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from biasloop.config.experiment import BoundSection
from biasloop.contract.data import Metric
from biasloop.metrics import power
from biasloop.report import comparison, planning
from biasloop.report.arms import Arm
from biasloop.report.tables import comparing

SECTION = BoundSection(metric="share", baseline="truth")
SEEDS = (0, 1, 2, 3)
PLAIN, OTHER = (0.70, 0.74, 0.71, 0.78), (0.64, 0.70, 0.60, 0.72)


def metrics(share, accuracy=0.9, error=None):
    p = accuracy
    row = {
        "share": Metric(share, 50, math.sqrt(share * (1 - share) / 50)),
        "truth": Metric(0.5, 50, 0.0),
        "accuracy": Metric(p, 50, math.sqrt(p * (1 - p) / 50)),
    }
    return row if error is None else {**row, "label_error": Metric(error, 10)}


def arm(label, shares, *, rounds=2, section=SECTION, **values):
    """Runs whose last round measured a share, by seed."""
    runs = [
        SimpleNamespace(
            seed=seed,
            finished=True,
            metrics=[metrics(0.55)] * (rounds - 1) + [metrics(share, **values)],
            bound_section=section,
            run=SimpleNamespace(
                directory=Path("runs", label, f"seed-{seed}"), rounds=range(rounds),
                manifest=SimpleNamespace(about={"plot": {}}),
            ),
        )
        for seed, share in zip(SEEDS, shares, strict=False)
    ]  # fmt: skip
    return Arm(label, runs)


def compared(*arms, **options):
    return comparison.compare_arms(arms, [run.run for each in arms for run in each.runs], **options)


def test_bias_is_the_bounds_metric_less_its_baseline_paired_by_seed():
    answer = compared(arm("plain", PLAIN, error=0.2), arm("other", OTHER, error=0.3))
    assert answer.metrics == ("bias", "accuracy", "label_error")
    assert (answer.reference, answer.round, answer.seeds, answer.notes) == ("plain", 1, 4, ())
    base, other = answer.of("bias")
    assert base.value.mean == pytest.approx(np.mean(PLAIN) - 0.5)
    apart = np.subtract(OTHER, PLAIN)
    low, high = stats.t.interval(0.95, 3, apart.mean(), stats.sem(apart))
    assert (other.difference.low, other.difference.mean, other.difference.high) == pytest.approx(
        (low, apart.mean(), high)
    )
    assert answer.arms[1].values["label_error"].mean == pytest.approx(0.3)


def test_an_interval_that_there_is_none_of_is_a_dash_beside_its_mean():
    headers, rows = comparing.arms_table(compared(arm("plain", [0.7] * 3), arm("other", [0.6])))
    assert headers[2] == "bias"
    assert [row[2] for row in rows] == ["+0.200 ± –", "+0.100"]


def test_of_a_preset_that_names_nothing_bias_is_compared_as_runs_measured_it():
    arms = [arm("plain", PLAIN, section=None), arm("other", OTHER, section=None)]
    assert compared(*arms).metrics == ("accuracy",)
    for each in arms:
        for seed, run in enumerate(each.runs):
            run.metrics[1] |= {"bias": Metric(0.1 * seed, 50), "demographic_parity_difference.sex": Metric(0.2, 50)}
    answer = compared(*arms)
    assert answer.metrics == ("bias", "demographic_parity_difference.sex", "accuracy")
    assert answer.of("bias")[0].value.mean == pytest.approx(0.15)


@pytest.mark.parametrize(("own", "metric", "called"), [(0.2, "bias", "bias"), (0.05, "bound_bias", "bias of share")])
def test_a_bias_of_a_runs_own_is_not_taken_for_its_bounds(own, metric, called):
    arms = [arm("plain", [0.7] * 4), arm("other", [0.6] * 4)]
    for run in arms[0].runs:
        run.metrics[1]["bias"] = Metric(own, 50)
    answer = compared(*arms)
    assert answer.metrics == (metric, "accuracy")
    assert answer.of(metric)[1].difference.mean == pytest.approx(-0.1)
    assert comparing.title(answer.of(metric), answer.labels) == f"{called}, against plain, in round 1"
    (asked,) = compared(arms[0], metrics=["bias"]).of("bias")
    assert asked.value.mean == own


def test_an_arm_without_labels_of_models_has_no_label_error_and_that_is_told():
    humans, mixed = arm("humans", PLAIN), arm("mixed", OTHER, error=0.3)
    answer = compared(mixed, humans)
    assert [row.arm for row in answer.of("label_error")] == ["mixed"]
    assert any(note.startswith("humans is left out of label_error") for note in answer.notes)
    turned = compared(mixed, humans, to="humans")
    assert turned.metrics == ("bias", "accuracy")
    assert [each.arm for each in turned.arms] == ["humans", "mixed"]
    assert turned.arms[1].values["label_error"].n == 4
    assert any(note.startswith("label_error is not compared: no run of 'humans'") for note in turned.notes)
    headers, rows = comparing.arms_table(turned)
    assert headers == ["arm", "seeds", "bias", "accuracy", "label error"]
    assert rows[0][-1] == "–"


def test_a_metric_that_no_run_has_is_passed_over_unless_somebody_names_it():
    without = [replace(each, runs=each.runs) for each in (arm("plain", PLAIN), arm("other", OTHER))]
    for each in without:
        for run in each.runs:
            run.metrics = [{name: row[name] for name in ("share", "truth")} for row in run.metrics]
    answer = compared(*without)
    assert (answer.metrics, answer.notes) == (("bias",), ())


def test_the_interval_of_a_share_stays_between_0_and_1():
    near = arm("plain", PLAIN)
    for run, accuracy in zip(near.runs, (1.0, 0.98, 1.0, 0.6), strict=True):
        run.metrics[-1] = metrics(0.7, accuracy)
    spread = compared(near).arms[0].values["accuracy"]
    assert spread.high == 1.0
    assert 0 < spread.low < spread.mean < 1


def test_differences_of_shares_stay_between_minus_1_and_1_and_other_numbers_do_not():
    def with_loss(each, losses):
        for run, loss in zip(each.runs, losses, strict=True):
            run.metrics[-1]["loss"] = Metric(loss, 50, 0.1)
        return each

    first = with_loss(arm("plain", (0.1, 0.9)), (1.0, 9.0))
    second = with_loss(arm("other", (0.9, 0.2)), (9.0, 2.0))
    answer = compared(first, second, metrics=["share", "bias", "loss"])
    ends = {row.metric: (row.difference.low, row.difference.high) for row in answer.differences if row.arm == "other"}
    assert ends["share"] == ends["bias"] == (-1.0, 1.0)
    assert ends["loss"][0] < -1
    assert ends["loss"][1] > 1
    assert (answer.arms[0].values["share"].low, answer.arms[0].values["bias"].low) == (0.0, -1.0)


def test_biases_of_labels_have_baselines_of_their_own_and_may_differ_by_more_than_1():
    """Each arm's models label other samples, so that the truths do not cancel out."""

    def of_labels(label, given, truth):
        each = arm(label, given, section=BoundSection(metric="given.share", baseline="given_truth.share"))
        for run, said, right in zip(each.runs, given, truth, strict=True):
            for name, value in (("given.share", said), ("given_truth.share", right)):
                run.metrics[-1][name] = Metric(value, 50, math.sqrt(value * (1 - value) / 50))
        return each

    answer = compared(of_labels("plain", (0.9, 0.8), (0.1, 0.3)), of_labels("other", (0.1, 0.3), (0.9, 0.8)))
    other = answer.of("bias")[1].difference
    low, high = stats.t.interval(0.95, 1, -1.3, stats.sem((-1.6, -1.0)))
    assert (other.low, other.mean, other.high) == pytest.approx((low, -1.3, high))


def test_a_comparison_rests_on_the_fewest_seeds_that_a_difference_has():
    assert compared(arm("plain", PLAIN), arm("other", OTHER), arm("third", OTHER[:2])).seeds == 2
    assert compared(arm("plain", PLAIN)).seeds == 0


def test_a_run_that_stopped_early_is_left_out_and_named_with_the_round_that_all_have():
    plain, other = arm("plain", PLAIN), arm("other", OTHER)
    other.runs[2].metrics.pop()
    other.runs[2].run.rounds = range(1)
    answer = compared(plain, other)
    assert (answer.round, answer.of("bias")[1].seeds) == (1, (0, 1, 3))
    assert answer.arms[1].seeds == (0, 1, 3)
    assert answer.notes == (
        "not compared, for want of round 1: runs/other/seed-2 (1 finished rounds); "
        "`--round 0` compares the last round that all have",
    )
    assert compared(plain, other, number=0).of("bias")[1].seeds == (0, 1, 2, 3)


def test_a_note_names_a_few_of_many_runs():
    plain, other = arm("plain", PLAIN), arm("other", OTHER)
    short = [SimpleNamespace(directory=Path(f"runs/x/seed-{seed}"), rounds=()) for seed in range(9)]
    every = [run.run for each in (plain, other) for run in each.runs] + short
    (note,) = comparison.compare_arms([plain, other], every).notes
    assert "seed-5 (0 finished rounds) and 3 more" in note


# --- how many seeds


def test_what_a_measured_difference_needs_is_what_its_effect_needs():
    answer = compared(arm("plain", PLAIN, error=0.2), arm("other", OTHER, error=0.3))
    rows = {row.metric: row for row in planning.of_comparison(answer)}
    apart = np.subtract(OTHER, PLAIN)
    bias = rows["bias"]
    assert bias.effect == pytest.approx(apart.mean() / apart.std(ddof=1))
    assert bias.needed.paired == power.needed(bias.effect).paired
    pooled = math.sqrt((np.var(PLAIN, ddof=1) + np.var(OTHER, ddof=1)) / 2)
    assert bias.unpaired == pytest.approx(apart.mean() / pooled)
    assert bias.needed.unpaired[0.8] == power.unpaired_seeds(bias.unpaired, 0.8)
    assert bias.detectable == pytest.approx(power.detectable(4) * apart.std(ddof=1))
    assert rows["label_error"].needed is None  # all differences are equal: there is no spread to plan with
    assert "–" in comparing.planned_table([rows["label_error"]])[1][0]


def test_one_seed_plans_nothing_and_says_nothing_false():
    (row,) = planning.of_comparison(compared(arm("plain", PLAIN[:1]), arm("other", OTHER[:1]), metrics=["bias"]))
    assert (row.seeds, row.needed) == (1, None)
    assert math.isnan(row.effect)
    assert comparing.planned_as_json(row)["effect"] is None


def test_a_metric_is_called_as_its_preset_does():
    plain, other = arm("plain", PLAIN), arm("other", OTHER)
    for run in plain.runs:
        run.run.manifest.about["plot"]["labels"] = {"share": "Share of cats"}
    answer = compared(plain, other, metrics=["share", "accuracy"])
    assert comparing.arms_table(answer)[0] == ["arm", "seeds", "Share of cats", "accuracy"]
    assert comparing.title(answer.of("share"), answer.labels) == "Share of cats, against plain, in round 1"


def test_files_have_a_row_a_metric_and_arm_and_nothing_where_there_is_no_number():
    answer = compared(arm("plain", PLAIN[:1]), arm("other", OTHER[:1]), metrics=["bias"])
    lines = comparing.as_csv(answer).splitlines()
    assert lines[0].split(",")[:5] == ["metric", "arm", "reference", "round", "seeds"]
    assert lines[1].split(",")[:6] == ["bias", "plain", "plain", "1", "1", repr(0.7 - 0.5)]
    assert lines[2].split(",")[8:] == [repr((0.64 - 0.5) - (0.7 - 0.5)), "", "", "", ""]
