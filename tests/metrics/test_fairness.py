"""Fairness metrics by group against the published study's values, fairlearn, scikit-learn and loops over rows."""

import itertools
import json
import math
import warnings
from pathlib import Path

import fairlearn.metrics as oracle
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import example, given, settings
from hypothesis import strategies as st

from biasloop.errors import InvalidInput
from biasloop.metrics.fairness import (
    AGGREGATES,
    MEASURES,
    RATES,
    aggregates,
    by_group,
    counts,
    fairness,
    intersections,
)
from biasloop.metrics.fairness_intervals import measured

GOLDEN = json.loads((Path(__file__).parent / "fairness_golden.json").read_text())
SPELLED = ("Accuracy", "Selection rate", "Count", "tpr", "tnr", "fpr", "fnr")
BETWEEN = (
    "demographic_parity_difference", "equalized_odds_difference", "accuracy_difference",
    "demographic_parity_ratio", "equalized_odds_ratio",
)  # fmt: skip
EXACT = {"rel": 0, "abs": 1e-12, "nan_ok": True}

binary = st.integers(0, 1)
# Few rows: a group without positives, without negatives or without rows is then common.
some_rows = st.lists(st.tuples(st.integers(0, 2), binary, binary), min_size=1, max_size=25)
enough_rows = some_rows.filter(lambda rows: len(rows) > 1)  # fairlearn refuses a single row


def columns(rows):
    group, target, prediction = np.array(rows).T
    return target, prediction, group


def numbers(values):
    return [math.nan if value is None else value for value in values]


def frame(target, prediction, group):
    """fairlearn's own table of the seven measures."""
    metrics = {
        "accuracy": sklearn.metrics.accuracy_score,
        "selection_rate": oracle.selection_rate,
        "count": oracle.count,
        "tpr": oracle.true_positive_rate,
        "tnr": oracle.true_negative_rate,
        "fpr": oracle.false_positive_rate,
        "fnr": oracle.false_negative_rate,
    }
    return oracle.MetricFrame(metrics=metrics, y_true=target, y_pred=prediction, sensitive_features=group)


# --- the study's values


def released(table):
    """The rows of the released tables: 42 values between and of two groups, 7 overall."""
    measures = by_group(table)
    return [*aggregates(measures).ravel(), *measures.ravel()], by_group(table.sum(axis=0, keepdims=True))[0]


def test_the_measures_are_in_the_order_of_the_released_tables():
    golden = GOLDEN["eval_classifier"]
    assert golden["overall_names"] == list(SPELLED)
    prefixes = [*AGGREGATES, "group_0", "group_1"]
    assert golden["agg_names"] == [f"{prefix}_{name}" for prefix in prefixes for name in SPELLED]
    assert [name.lower().replace(" ", "_") for name in SPELLED] == list(MEASURES)
    assert set(RATES) == set(MEASURES) - {"count"}


@pytest.mark.parametrize("name", GOLDEN["eval_classifier"]["cases"])
def test_golden_cases(name):
    case = GOLDEN["eval_classifier"]["cases"][name]
    table = counts(np.array(case["labels"]), np.array(case["preds"]), np.array(case["groups"]), 2)
    between, overall = released(table)
    assert between == pytest.approx(numbers(case["agg"]), **EXACT)
    assert overall == pytest.approx(numbers(case["overall"]), **EXACT)
    found = fairness(table)
    spelled = {
        "demographic_parity_difference": "dp_difference",
        "demographic_parity_ratio": "dp_ratio",
        "equalized_odds_difference": "eodds_difference",
        "equalized_odds_ratio": "eodds_ratio_nanmin",
    }
    for ours, theirs in spelled.items():
        if ours.startswith("equalized_odds") and not table.sum(axis=2).all():
            assert math.isnan(found[ours].value)  # a rate of 0/0 is 0 in the released tables alone
        else:
            assert found[ours].value == pytest.approx(numbers([case[theirs]])[0], **EXACT)
    if name == "generic40":
        for metric, value in GOLDEN["eval_classifier"]["fairlearn_builtin_generic40"].items():
            assert found[metric].value == pytest.approx(value, **EXACT)


@pytest.mark.parametrize("name", GOLDEN["eval_classifier"]["authors_rows"])
def test_rows_of_the_authors_tables(name):
    row = GOLDEN["eval_classifier"]["authors_rows"][name]
    groups = [row[f"conf_g{group}_tp_fn_fp_tn"] for group in (0, 1)]
    between, overall = released(np.array([[[tn, fp], [fn, tp]] for tp, fn, fp, tn in groups]))
    assert between == pytest.approx(row["agg"], **EXACT)
    assert overall == pytest.approx(row["overall"], **EXACT)


# --- fairlearn


@settings(deadline=None, max_examples=15)
@given(rows=enough_rows)
def test_equals_metric_frame(rows):
    target, prediction, group = columns(rows)
    table = counts(target, prediction, group, 3)
    theirs, measures = frame(target, prediction, group), by_group(table)
    for one in range(3):
        if one in group:
            assert measures[one] == pytest.approx(theirs.by_group.loc[one].to_numpy(float), **EXACT)
        else:
            assert measures[one] == pytest.approx([math.nan if name != "count" else 0 for name in MEASURES], **EXACT)
    assert by_group(table.sum(axis=0, keepdims=True))[0] == pytest.approx(theirs.overall.to_numpy(float), **EXACT)
    occurring = measures[np.unique(group)]
    expected = [theirs.difference(), theirs.ratio(), theirs.group_min(), theirs.group_max()]
    for ours, series in zip(aggregates(occurring), expected, strict=True):
        assert ours == pytest.approx(series.to_numpy(float), **EXACT)


@settings(deadline=None, max_examples=8)
@example(rows=[(0, 0, 0), (0, 0, 1), (1, 0, 1)])  # no positives
@example(rows=[(0, 1, 0), (0, 1, 1), (1, 1, 1)])  # no negatives
@given(rows=enough_rows)
def test_equals_fairlearns_scalars(rows):
    target, prediction, group = columns(rows)
    found = fairness(counts(target, prediction, group, 3))
    given_to = {"y_true": target, "y_pred": prediction, "sensitive_features": group}
    if len(set(group)) < 2:  # fairlearn calls one group equal to itself
        assert all(math.isnan(found[name].value) and not found[name].n for name in BETWEEN)
        return
    for name in ("demographic_parity_difference", "demographic_parity_ratio"):
        assert found[name].value == pytest.approx(getattr(oracle, name)(**given_to), **EXACT)
    accuracy = oracle.MetricFrame(metrics=sklearn.metrics.accuracy_score, **given_to)
    assert found["accuracy_difference"].value == pytest.approx(accuracy.difference(), **EXACT)
    if any(not len({*target[group == one]} & {0}) or not len({*target[group == one]} & {1}) for one in group):
        return  # a rate of 0/0, which fairlearn counts as 0
    assert found["equalized_odds_difference"].value == pytest.approx(
        oracle.equalized_odds_difference(**given_to), **EXACT
    )
    # fairlearn's answer is NaN where the ratio of tpr is 0/0, though not where that of fpr is.
    theirs = oracle.equalized_odds_ratio(**given_to)
    fpr = oracle.MetricFrame(metrics=oracle.false_positive_rate, **given_to).ratio()
    assert found["equalized_odds_ratio"].value == pytest.approx(fpr if math.isnan(theirs) else theirs, **EXACT)


def test_equals_metric_frame_over_two_attributes_of_which_some_combinations_are_missing():
    rng = np.random.default_rng(1)
    target, prediction, race, age = (rng.integers(0, size, 60) for size in (2, 2, 7, 2))
    age[race == 3] = 0
    table = counts(target, prediction, intersections({"race": (race, 7), "age": (age, 2)}), 14)
    both = np.stack([race, age], axis=1)
    theirs = frame(target, prediction, both)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wide = theirs.by_group.to_numpy(float)
    ours = by_group(table)
    ours[ours[:, 2] == 0] = math.nan
    assert ours == pytest.approx(wide, **EXACT)
    assert math.isnan(ours[3 * 2 + 1, 0])
    assert aggregates(ours)[:2] == pytest.approx(np.array([theirs.difference(), theirs.ratio()], dtype=float), **EXACT)


# --- loops over rows


@settings(deadline=None, max_examples=40)
@given(rows=some_rows)
def test_counts_equal_a_loop(rows):
    expected = np.zeros((3, 2, 2), int)
    for group, target, prediction in rows:
        expected[group, target, prediction] += 1
    found = counts(*columns(rows), 3)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)
    half = len(rows) // 2
    if half:
        assert np.array_equal(counts(*columns(rows[:half]), 3) + counts(*columns(rows[half:]), 3), found)


@settings(deadline=None, max_examples=40)
@given(rows=some_rows)
def test_each_rate_equals_counting_with_its_binomial_error(rows):
    found = fairness(counts(*columns(rows), 3), ["red", "green", "blue"])
    cases = {
        "accuracy": lambda target, prediction: target == prediction,
        "selection_rate": lambda target, prediction: prediction == 1,
        "tpr": lambda target, prediction: prediction == 1 if target == 1 else None,
        "tnr": lambda target, prediction: prediction == 0 if target == 0 else None,
        "fpr": lambda target, prediction: prediction == 1 if target == 0 else None,
        "fnr": lambda target, prediction: prediction == 0 if target == 1 else None,
    }
    for (rate, hit), (suffix, wanted) in itertools.product(
        cases.items(), [("", (0, 1, 2)), (".red", (0,)), (".green", (1,)), (".blue", (2,))]
    ):
        mine = [(target, prediction) for group, target, prediction in rows if group in wanted]
        if not mine:
            assert rate + suffix not in found
            continue
        hits = [value for pair in mine if (value := hit(*pair)) is not None]
        metric = found[rate + suffix]
        assert metric.n == len(hits)
        assert metric.value == pytest.approx(np.mean(hits) if hits else math.nan, nan_ok=True)
        assert metric.error == pytest.approx(np.std(hits) / math.sqrt(len(hits)) if hits else math.nan, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(rows=some_rows, shuffled=st.permutations(range(3)))
def test_what_lies_between_groups_does_not_depend_on_their_order(rows, shuffled):
    target, prediction, group = columns(rows)
    ours = fairness(counts(target, prediction, group, 3))
    others = fairness(counts(target, prediction, np.array(shuffled)[group], 3))
    for name in (one for one in ours if one.endswith(("_difference", "_ratio"))):
        assert others[name].value == pytest.approx(ours[name].value, **EXACT)
        assert others[name].n == ours[name].n or name.startswith("equalized_odds")  # two may be equally far apart


# --- errors, degenerate groups


def test_the_error_of_a_difference_is_its_spread_over_test_sets():
    rng = np.random.default_rng(0)
    rates, n = (0.35, 0.6), (400, 150)
    draws = [np.stack([n[group] - hits, hits], axis=1) for group in (0, 1)
             for hits in [rng.binomial(n[group], rates[group], 4000)]]  # fmt: skip
    tables = np.zeros((4000, 2, 2, 2), int)
    tables[:, 0, 0], tables[:, 1, 0] = draws
    found = [fairness(table)["demographic_parity_difference"] for table in tables]
    assert np.std([metric.value for metric in found]) == pytest.approx(np.mean([m.error for m in found]), rel=0.04)
    assert {metric.n for metric in found} == {550}


def test_the_error_of_equalised_odds_is_that_of_the_difference_that_counts():
    table = np.array([[[90, 10], [50, 50]], [[80, 20], [10, 30]]])
    found = fairness(table)
    metric = found["equalized_odds_difference"]
    assert metric.value == pytest.approx(0.25)
    assert metric.n == 140
    assert metric.error == pytest.approx(math.hypot(math.sqrt(0.5 * 0.5 / 100), math.sqrt(0.75 * 0.25 / 40)))
    assert found["equalized_odds_ratio"].value == pytest.approx(0.5)
    assert found["equalized_odds_ratio"].n == 200


def test_where_neither_ratio_of_equalised_odds_exists():
    found = fairness(np.array([[[9, 0], [3, 0]], [[8, 0], [2, 0]]]))["equalized_odds_ratio"]
    assert math.isnan(found.value)
    assert found.n == 0


def test_a_difference_has_an_error_only_between_two_groups():
    table = np.zeros((4, 2, 2), int)
    table[:3] = [[8, 2], [3, 7]]
    found = fairness(table)
    for name in ("demographic_parity_difference", "equalized_odds_difference", "accuracy_difference"):
        assert found[name].value == 0
        assert math.isnan(found[name].error)
    assert found["demographic_parity_ratio"].value == 1


def test_one_group_is_not_apart_from_any():
    table = np.zeros((4, 2, 2), int)
    table[1] = [[8, 2], [3, 7]]
    found = fairness(table)
    assert all(math.isnan(found[name].value) and not found[name].n for name in BETWEEN)


def test_a_group_without_rows_takes_no_part():
    two = np.array([[[8, 2], [3, 7]], [[5, 5], [1, 9]]])
    four = np.zeros((4, 2, 2), int)
    four[[0, 2]] = two
    ours, others = fairness(four, ["a", "b", "c", "d"]), fairness(two, ["a", "c"])
    assert list(ours) == list(others)
    assert ours["demographic_parity_difference"].error > 0
    assert repr(ours) == repr(others)


def test_a_rate_of_nothing_has_no_value_and_leaves_no_equalised_odds():
    """fairlearn counts the rate as 0 and says 0.8."""
    found = fairness(np.array([[[9, 1], [0, 0]], [[8, 2], [2, 8]]]))
    for name in ("tpr.0", "fnr.0", "equalized_odds_difference", "equalized_odds_ratio"):
        assert math.isnan(found[name].value)
        assert found[name].n == 0
        assert math.isnan(found[name].error)
    assert found["demographic_parity_difference"].error > 0


def test_a_rate_of_nothing_takes_no_part_where_two_others_have_it():
    found = fairness(np.array([[[9, 1], [0, 0]], [[8, 2], [2, 8]], [[8, 2], [5, 5]]]))["equalized_odds_difference"]
    assert found.value == pytest.approx(0.3)
    assert found.n == 20
    assert found.error == pytest.approx(math.hypot(math.sqrt(0.8 * 0.2 / 10), math.sqrt(0.25 / 10)))


def test_of_two_ratios_the_one_that_exists_counts():
    """No group with positives has any predicted: the ratio of tpr is 0/0, that of fpr is not."""
    never_right = np.array([[[9, 1], [4, 0]], [[8, 2], [3, 0]]])
    assert fairness(never_right)["equalized_odds_ratio"].value == pytest.approx(0.5)
    assert fairness(never_right[:, ::-1])["equalized_odds_ratio"].value == pytest.approx(0.5)


@settings(deadline=None, max_examples=60)
@given(rows=some_rows)
def test_a_runs_metrics_are_what_evaluate_says(rows):
    table = counts(*columns(rows), 3)
    found, expected = fairness(table), measured(table)
    assert set(expected) == set(BETWEEN)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, **EXACT)
        assert bool(found[name].n) != math.isnan(value)


def test_no_rows_are_not_a_zero():
    nothing = np.zeros(0, int)
    found = fairness(counts(nothing, nothing, nothing, 2))
    assert set(found) == {*RATES, *(name for name in found if name.endswith(("_difference", "_ratio")))}
    assert all(math.isnan(metric.value) and math.isnan(metric.error) and metric.n == 0 for metric in found.values())


# --- groups of several attributes


@settings(deadline=None, max_examples=40)
@given(data=st.data(), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), n=st.integers(0, 20))
def test_intersections_follow_the_product_of_the_attributes_values(data, sizes, n):
    attributes = {
        f"a{place}": (np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=n, max_size=n)), int), size)
        for place, size in enumerate(sizes)
    }
    found = intersections(attributes)
    product = list(itertools.product(*map(range, sizes)))
    assert [product[one] for one in found] == list(
        zip(*(values.tolist() for values, _ in attributes.values()), strict=True)
    )
    assert found.dtype == np.int64


def test_columns_of_any_whole_dtype():
    rng = np.random.default_rng(0)
    target, prediction, group = rng.integers(0, 2, (3, 100))
    expected = counts(target, prediction, group, 200)
    found = counts(target.astype(bool), prediction.astype(np.int8), group.astype(np.uint64), 200)
    assert np.array_equal(found, expected)
    high = counts(target.astype(np.uint8), prediction.astype(bool), (group + 198).astype(np.uint8), 200)
    assert np.array_equal(high[198:], expected[:2])


# --- bad input

ONES = np.ones(3, int)
TABLE = np.ones((2, 2, 2), int)
MISTAKES = {
    "lengths": (lambda: counts(ONES, ONES[:2], ONES, 2), r"target \(3,\), prediction \(2,\)"),
    "two dimensions": (lambda: counts(ONES[None], ONES[None], ONES[None], 2), r"one value a row"),
    "label 2": (lambda: counts(np.array([0, 2, 1]), ONES, ONES, 2), "the target of row 1 is 2; expected .* 0 to 1"),
    "label -1": (lambda: counts(ONES, np.array([0, 1, -1]), ONES, 2), "the prediction of row 2 is -1"),
    "group outside": (lambda: counts(ONES, ONES, np.array([0, 5, 7]), 5), "the group of row 1 is 5; .* from 0 to 4"),
    "probabilities": (lambda: counts(ONES, ONES * 0.5, ONES, 2), "the prediction must be whole .*, not float64"),
    "no groups": (lambda: counts(ONES, ONES, ONES, 0), "values of group must be at least 1, not 0"),
    "no attributes": (lambda: intersections({}), "at least one attribute"),
    "attribute outside": (lambda: intersections({"race": (ONES, 7), "age": (ONES * 2, 2)}), "the age of row 0 is 2"),
    "names too few": (lambda: fairness(TABLE, ["a"]), "2 groups need as many names, each its own, not a$"),
    "names twice": (lambda: fairness(TABLE, ["a", "a"]), "each its own, not a, a$"),
    "shape": (lambda: fairness(TABLE[0]), r"of shape \(groups, 2, 2\), not \(2, 2\)"),
    "negative counts": (lambda: by_group(-TABLE), "none negative"),
    "shares for counts": (lambda: by_group(TABLE / 8), "must be whole numbers"),
    "no measures": (lambda: aggregates(np.zeros((0, 7))), r"a row for each group, not the shape \(0, 7\)"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_bad_input_is_named(name):
    call, message = MISTAKES[name]
    with pytest.raises(InvalidInput, match=message):
        call()
