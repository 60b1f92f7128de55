"""What a selector took, against counts by hand and by brute force; what is not there has no share."""

import doctest
import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.data import Column, Frame
from biasloop.metrics import selection
from biasloop.metrics.classification import worst_class_recall
from biasloop.metrics.selection import STATES, entropy, of_fit, recall_gap
from biasloop.report.output import measurement


def table(**columns):
    """A table of a fit, `__` for the dot of a column's name."""
    values = {name.replace("__", "."): np.asarray(of, np.float64) for name, of in columns.items()}
    return Frame({"epoch": Column(np.arange(1.0, 1 + len(next(iter(values.values()))))), **{
        name: Column(of) for name, of in values.items()
    }})  # fmt: skip


def values(metrics):
    return {name: (metric.value, metric.n) for name, metric in metrics.items()}


def test_doctests():
    assert doctest.testmod(selection, extraglobs={"np": np}).failed == 0


def test_shares_by_hand():
    # Two epochs of 10 candidates, 4 selected. Category a has right labels (0) and wrong ones (1), b right ones (3)
    # and some that nobody knows (5).
    told = of_fit(
        table(
            offered__0=[5, 5], offered__1=[1, 1], offered__3=[3, 3], offered__5=[1, 1],
            taken__0=[1, 0], taken__1=[1, 1], taken__3=[2, 2], taken__5=[0, 1],
        ),
        ["a", "b"],
    )  # fmt: skip
    expected = {
        "selected_share.a": (3 / 8, 8), "selected_share.b": (5 / 8, 8),
        "offered_share.a": (12 / 20, 20), "offered_share.b": (8 / 20, 20),
        "selection_amplification.a": (3 / 8 - 12 / 20, 8), "selection_amplification.b": (5 / 8 - 8 / 20, 8),
        "wrong_offered": (2 / 18, 18), "wrong_offered.a": (2 / 12, 12), "wrong_offered.b": (0.0, 6),
        "wrong_selected": (2 / 7, 7), "wrong_selected.a": (2 / 3, 3), "wrong_selected.b": (0.0, 4),
    }  # fmt: skip
    assert values(told) == {name: (pytest.approx(value), n) for name, (value, n) in expected.items()}
    assert all(math.isnan(metric.error) for metric in told.values())


def test_weights_are_those_of_the_last_epoch_that_has_any():
    told = of_fit(table(offered__0=[4, 4, 4], taken__0=[1, 1, 1], weight__0=[0.5, 0.9, math.nan],
                        weight__1=[0.5, 0.1, math.nan]), ["a", "b"])  # fmt: skip
    assert values({n: told[n] for n in ("weight.a", "weight.b")}) == {"weight.a": (0.9, 1), "weight.b": (0.1, 1)}
    assert told["weight_entropy"].value == pytest.approx(-(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1)))
    none = of_fit(table(offered__0=[4], taken__0=[1], weight__0=[math.nan], weight__1=[math.nan]), ["a", "b"])
    assert not [name for name in none if name.startswith("weight")]


def test_an_epoch_that_says_nothing_poisons_no_mean():
    told = of_fit(table(offered__0=[4, 4], taken__0=[1, 1], repeats_1=[0.25, 0.75], repeats_20=[math.nan] * 2,
                        top_fifth=[math.nan, 0.5]), ["a"])  # fmt: skip
    assert values(told)["repeats_1"] == (0.5, 2)
    assert values(told)["top_fifth"] == (0.5, 1)
    assert "repeats_20" not in told


def test_the_best_epoch_is_the_last_that_was_better_than_all_before():
    told = of_fit(table(offered__0=[4] * 4, taken__0=[1] * 4, best=[1, 0, 1, 0]), ["a"])
    assert values(told)["best_epoch"] == (3.0, 4)
    assert "best_epoch" not in of_fit(table(offered__0=[4], taken__0=[1], best=[0]), ["a"])
    assert values(of_fit(table(offered__0=[4] * 2, taken__0=[1] * 2, best=[1, math.nan]), ["a"]))["best_epoch"][0] == 1


def test_what_nobody_knows_of_has_a_null_share():
    told = of_fit(
        table(offered__1=[2], taken__1=[1], offered__3=[2], taken__3=[0], offered__8=[3], taken__8=[3]), "abc"
    )
    assert told["wrong_selected.a"].value == 1.0
    for name in ("wrong_selected.b", "wrong_selected.c", "wrong_offered.c"):
        assert measurement(told[name]) | {"reason": ""} == {"value": None, "n": 0, "se": None, "reason": ""}
    assert values(told)["selected_share.b"] == (0.0, 4)
    assert json.dumps(measurement(told["wrong_offered.c"]))  # which a NaN would not be
    nothing = of_fit(table(offered__0=[0], taken__0=[0]), ["a", "b"])
    assert all(math.isnan(metric.value) and metric.n == 0 for metric in nothing.values())


def test_right_labels_alone_tell_nothing_of_wrong_ones():
    told = of_fit(table(offered__0=[4], taken__0=[1], offered__2=[1], taken__2=[0]), ["a"])
    assert not [name for name in told if name.startswith("wrong")]


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, STATES - 1), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=50)
@given(st.lists(rows, min_size=1, max_size=3))
def test_shares_against_brute_force(epochs):
    """Epochs of candidates, each with its category, the state of its label, and whether it was selected."""
    present = {c * STATES + s for epoch in epochs for c, s, _ in epoch}
    columns = {}
    for number in present:
        of = [[(c * STATES + s == number, took) for c, s, took in epoch] for epoch in epochs]
        columns[f"offered.{number}"] = [sum(mine for mine, _ in epoch) for epoch in of]
        columns[f"taken.{number}"] = [sum(mine and took for mine, took in epoch) for epoch in of]
    told = of_fit(table(**columns), "abcd")
    offered = [(c, s) for epoch in epochs for c, s, _ in epoch]
    taken = [(c, s) for epoch in epochs for c, s, took in epoch if took]
    for category, name in enumerate("abcd"):
        for key, of in (("offered_share", offered), ("selected_share", taken)):
            _same(told[f"{key}.{name}"], sum(c == category for c, _ in of), len(of))
        amplification = told[f"selection_amplification.{name}"].value
        difference = told[f"selected_share.{name}"].value - told[f"offered_share.{name}"].value
        assert amplification == difference or math.isnan(difference)
    if any(s == selection.WRONG for _, s in offered):
        for key, of in (("wrong_offered", offered), ("wrong_selected", taken)):
            states = Counter(s for _, s in of)
            _same(told[key], states[selection.WRONG], states[selection.RIGHT] + states[selection.WRONG])
            for category, name in enumerate("abcd"):
                states = Counter(s for c, s in of if c == category)
                _same(told[f"{key}.{name}"], states[selection.WRONG], len([*states.elements()]) - states[2])
    else:
        assert "wrong_offered" not in told


def _same(metric, count, of):
    assert metric.n == of
    assert metric.value == pytest.approx(count / of) if of else math.isnan(metric.value)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda of: sum(of) > 1e-3))
def test_entropy_is_a_share_of_that_of_equal_weights(weights):
    of = np.array(weights) / sum(weights)
    value = entropy(of).value
    assert -1e-12 <= value <= 1 + 1e-12
    if len(of) > 1:
        direct = -sum(w * math.log(w) for w in of.tolist() if w > 0) / math.log(len(of))
        assert value == pytest.approx(direct, abs=1e-12)
    assert entropy(np.full(len(of), 1 / len(of))).value == pytest.approx(1)
    assert entropy(np.eye(5)[2]).value == 0 and math.copysign(1, entropy(np.eye(5)[2]).value) == 1


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=30))
def test_the_gap_of_recalls_against_brute_force(pairs):
    prediction, target = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    gap = recall_gap(prediction, target)
    by_class = {t: [p == t for p, other in pairs if other == t] for _, t in pairs}
    shares = {t: sum(right) / len(right) for t, right in by_class.items()}
    if not shares:
        assert math.isnan(gap.value) and gap.n == 0
        return
    assert gap.value == pytest.approx(max(shares.values()) - min(shares.values()))
    assert gap.n in {len(by_class[t]) for t in shares if shares[t] == min(shares.values())}
    worst = worst_class_recall(prediction, target, 5)
    assert worst.value == pytest.approx(min(shares.values()))
    assert worst.n == gap.n  # a class without rows is none that could be the worst


def test_without_rows_the_worst_class_is_null():
    none = np.zeros(0, np.int64)
    assert (measurement(worst_class_recall(none, none, 3))["value"], recall_gap(none, none).n) == (None, 0)
