"""Strata, their divergence from an ideal and population statistics: the study's values, SciPy, loops over rows."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics.fairness import kl_to, margins, population, strata_counts

GOLDEN = json.loads((Path(__file__).parent / "fairness_golden.json").read_text())
EXACT = {"rel": 0, "abs": 1e-12, "nan_ok": True}


# --- the study's values


@pytest.mark.parametrize("case", GOLDEN["kl_to_uniform"])
def test_golden_divergences(case):
    assert kl_to(np.array(case["counts"])) == pytest.approx(case["kl_nats"], **EXACT)


@pytest.mark.parametrize("name", GOLDEN["population_stats"])
def test_golden_population(name):
    case = GOLDEN["population_stats"][name]
    label, group = (np.argmax(case[f"{what}_logits"], axis=1) for what in ("label", "group"))
    found = population(label, group, margin=margins(np.array(case["group_logits"])))
    _, *shares = case["gen_pop_stats"][1]
    assert [found["share_label.1"].value, found["share_group.1"].value] == pytest.approx([*map(float, shares)], **EXACT)
    # The study's softmax is in float32, and so are these two.
    sure = [float(text) for text in case["confidence_sens"][1][:2]]
    assert [found[f"confidence.{one}"].value for one in (0, 1)] == pytest.approx(sure, rel=2e-7, nan_ok=True)


# --- strata


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 13)), max_size=60))
def test_strata_equal_a_loop(rows):
    expected = np.zeros((2, 14), int)
    for label, group in rows:
        expected[label, group] += 1
    label, group = np.array(rows, int).reshape(-1, 2).T
    assert np.array_equal(strata_counts(label, group, (2, 14)), expected)


# --- divergence


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 9)), min_size=1, max_size=28).filter(
        lambda rows: any(row[0] for row in rows)
    )
)
def test_divergence_equals_scipy(rows):
    held, ideal = np.array(rows).T
    assert kl_to(held, ideal) == pytest.approx(scipy.stats.entropy(held, ideal), **EXACT)
    assert kl_to(held) == pytest.approx(scipy.stats.entropy(held, np.ones(len(held))), **EXACT)
    assert 0 <= kl_to(ideal, 3 * ideal) < 1e-15


def test_divergence_of_tables_and_at_the_ends():
    table = np.array([[1540, 3568], [3437, 1455]])
    assert kl_to(table) == kl_to(table.ravel())
    assert kl_to(np.array([0, 5, 0]), np.array([1, 2, 0])) == pytest.approx(math.log(1.5))
    assert kl_to(np.array([1, 1]), np.array([1, 0])) == math.inf
    assert math.isnan(kl_to(np.zeros(4, int)))


# --- population


@settings(deadline=None, max_examples=40)
@given(
    logits=st.integers(2, 5).flatmap(
        lambda size: st.lists(st.lists(st.floats(-900, 900), min_size=size, max_size=size), min_size=1, max_size=9)
    )
)
def test_margins_equal_scipys_softmax(logits):
    ordered = np.sort(scipy.special.softmax(np.array(logits), axis=1), axis=1)
    assert margins(np.array(logits)) == pytest.approx(ordered[:, -1] - ordered[:, -2], **EXACT)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 2), st.just(0.4) | st.floats(0, 1)), min_size=1, max_size=20
    )
)
def test_population_equals_a_loop(rows):
    label, group, margin = (np.array(column) for column in zip(*rows, strict=True))
    found = population(label, group, groups=["x", "y", "z"], margin=margin, sure=0.4)
    for name, column, value in [("share_label.1", 0, 1), ("share_label.0", 0, 0), ("share_group.z", 1, 2)]:
        hits = [row[column] == value for row in rows]
        assert found[name].value == pytest.approx(np.mean(hits))
        assert found[name].error == pytest.approx(np.std(hits) / math.sqrt(len(rows)))
        assert found[name].n == len(rows)
    for value, name in enumerate("xyz"):
        sure = [row[2] for row in rows if row[1] == value and row[2] >= 0.4]
        metric = found[f"confidence.{name}"]
        assert metric.n == len(sure)
        assert metric.value == pytest.approx(np.mean(sure) if sure else math.nan, nan_ok=True)
        assert metric.error == pytest.approx(
            np.std(sure) / math.sqrt(len(sure)) if len(sure) > 1 else math.nan, nan_ok=True, abs=1e-12
        )


def test_population_without_margins_or_rows():
    nothing = np.zeros(0, int)
    assert list(population(nothing, nothing)) == ["share_label.0", "share_label.1", "share_group.0", "share_group.1"]
    for metric in population(nothing, nothing, margin=np.zeros(0)).values():
        assert math.isnan(metric.value)
        assert metric.n == 0


# --- bad input

ONES = np.ones(3, int)
MISTAKES = {
    "label undeclared": (lambda: strata_counts(ONES * 2, ONES, (2, 2)), "the label of row 0 is 2"),
    "ideal of another shape": (lambda: kl_to(ONES, np.ones(4)), r"shape \(3,\), not \(4,\)"),
    "ideal negative": (lambda: kl_to(ONES, -np.ones(3)), "weights of the ideal must be finite and not negative"),
    "ideal of nothing": (lambda: kl_to(ONES, np.zeros(3)), "not 0 everywhere"),
    "counts not finite": (lambda: kl_to(ONES * math.nan), "counts of strata must be finite"),
    "one logit": (lambda: margins(np.zeros((3, 1))), r"two classes or more, not an array of shape \(3, 1\)"),
    "logits not finite": (lambda: margins(np.full((3, 2), math.inf)), "finite logits"),
    "margin above 1": (lambda: population(ONES, ONES, margin=ONES * 1.5), "the margin of row 0 is 1.5"),
    "margin NaN": (lambda: population(ONES, ONES, margin=ONES * math.nan), "the margin of row 0 is nan"),
    "margins too few": (lambda: population(ONES, ONES, margin=np.ones(2)), r"group \(3,\), margin \(2,\)"),
    "group without a name": (lambda: population(ONES, ONES * 2), "the group of row 0 is 2"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_bad_input_is_named(name):
    call, message = MISTAKES[name]
    with pytest.raises(InvalidInput, match=message):
        call()
