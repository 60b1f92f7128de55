"""In what two runs differ, from what is known of them."""

import math

import pytest

from biasloop.contract.data import Metric
from biasloop.report import run_diff
from biasloop.report.run_diff import NOT_SET, Compared, Difference


def test_settings_that_differ_are_named_flat():
    first = {"seed": 0, "domain": {"width": 4, "name": "images"}, "loop": {"human": 1}}
    second = {"seed": 0, "domain": {"width": 8, "name": "images", "depth": 2}, "loop": {"human": True}}
    assert run_diff.settings(first, second) == [
        Difference("domain.depth", NOT_SET, 2), Difference("domain.width", 4, 8), Difference("loop.human", 1, True),
    ]  # fmt: skip
    assert run_diff.settings(first, first) == []


def test_what_runs_were_made_with_is_compared_whatever_the_machine():
    first = [{"host": "a", "torch": "2.13", "threads": "1"}, {"host": "a", "torch": "2.14", "threads": "1"}]
    second = [{"host": "b", "torch": "2.14", "threads": "1", "memory": "2000"}]
    assert run_diff.made_with(first, second) == [
        Difference("memory", NOT_SET, "2000"), Difference("torch", "2.13, then 2.14", "2.14"),
    ]  # fmt: skip


def test_errors_of_both_add_up_as_of_independent_runs():
    compared = Compared("x", Metric(0.5, 10, 0.03), Metric(0.7, 10, 0.04))
    assert (compared.difference, compared.error) == (pytest.approx(0.2), pytest.approx(0.05))
    for other in (None, Metric(0.7, 10), Metric(math.nan, 0)):
        assert math.isnan(Compared("x", Metric(0.5, 10, 0.03), other).error)
    assert math.isnan(Compared("x", Metric(0.5, 10, 0.03), None).difference)


def test_metrics_come_as_the_preset_shows_them():
    measured = {name: Metric(1.0, 1) for name in ("b.1", "a", "quality", "series")}
    about = {"plot": {"series": ["series", "none"], "quality": "quality"}, "bound": {"metric": "c"}}
    names = [each.name for each in run_diff.metrics(measured, {"c": Metric(1.0, 1)}, [about, {}])]
    assert names == ["series", "c", "quality", "a", "b.1"]
