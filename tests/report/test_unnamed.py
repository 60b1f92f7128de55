"""What stands in for the metrics that a preset does not name."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from biasloop.config.experiment import BoundSection
from biasloop.contract.data import Metric
from biasloop.report import unnamed
from biasloop.report.arms import Arm

ROW = {
    name: Metric(0.25, 50)
    for name in (
        "accuracy", "share_target", "share_train", "share_predicted", "demographic_parity_difference_target.sex",
        "demographic_parity_difference.sex", "demographic_parity_difference.age",
        "demographic_parity_difference.sex+age", "bias", "bias.f.sex",
    )
}  # fmt: skip
STAND_INS = ["bias", "demographic_parity_difference.sex", "demographic_parity_difference.age"]


def arm(*rows: dict[str, Metric], section: BoundSection | None = None, series: tuple[str, ...] = ()) -> Arm:
    manifest = SimpleNamespace(about={"plot": {"series": list(series)}})
    run = SimpleNamespace(directory=Path("run"), manifest=manifest)
    return Arm("", [SimpleNamespace(metrics=list(rows), bound_section=section, run=run)])


def test_bias_and_the_parity_of_each_sensitive_column_stand_in():
    assert unnamed.stand_ins([arm(ROW)]) == STAND_INS
    assert unnamed.stand_ins([arm({}), arm({}, ROW)]) == STAND_INS


def test_nothing_stands_in_where_the_preset_names_metrics_or_no_round_has_a_number():
    assert unnamed.stand_ins([arm(ROW, series=("accuracy",))]) == []
    assert unnamed.stand_ins([arm(ROW, section=BoundSection(metric="a", baseline="b"))]) == []
    assert unnamed.stand_ins([arm({"bias": Metric(math.nan, 0), "accuracy": Metric(0.5, 9)})]) == []


def test_of_metrics_that_can_be_drawn_those_that_stand_in_come_first():
    (only,) = arm(ROW).runs
    assert unnamed.drawable([only]) == [*STAND_INS, "accuracy", "share_target", "share_train", "share_predicted",
                                        "demographic_parity_difference_target.sex"]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (("share_predicted", "share_target"), '[bound]\nmetric = "share_predicted"\nbaseline = "share_target"'),
        (
            ("share_train", "share_target", "share_predicted"),
            '[bound]\nmetric = "share_predicted"\nbaseline = "share_target"\ntrain = "share_train"',
        ),
        (("share_predicted", "share_train"), ""),
        ((), ""),
    ],
)
def test_a_bound_can_be_told_of_runs_that_measure_shares(names, lines):
    assert unnamed.bound_lines([{name: Metric(0.5, 10) for name in names}]) == lines
