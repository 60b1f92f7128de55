"""Every standard error that a run stores says how far its metric spreads.

Where resampling rows is consistent, a bootstrap of the rows is the measure. It is not for absolute values, a minimum
or a maximum, and what takes its sign from the data: there many test sets are drawn from a truth that is far from where
such a metric has its kink, and the spread over them is the measure. A metric with neither stores no error.
"""

import math
import re
from functools import cache

import numpy as np
import pytest
from support.standard_errors import CHECKS, NONE, ROWS, TRUTH, assert_checked, check_of
from support.stored_tables import CASES, Case

from biasloop.contract.data import Column, Frame, Metric, Samples
from biasloop.store.reader import Run
from biasloop_language.measures import fit_quality

NOTHING = np.zeros(0, np.int64)

RESAMPLES, TEST_SETS = 500, 200
WITHIN = 0.25


def resampled(rng, tables, train):
    """Tables and training set with as many of their own rows, each drawn with replacement."""
    again = {name: table.take(rng.integers(0, len(table), len(table))) for name, table in tables.items()}
    rows = rng.integers(0, len(train), len(train)) if len(train) else NOTHING
    labels = train.labels.take(rows) if len(train) else train.labels
    return again, Samples(train.ids[rows], train.synthetic[rows], labels)


def spread(drawn, names):
    """Standard deviation of each metric over many measurements."""
    values = np.array([[metrics[name].value for name in names] for metrics in drawn])
    return dict(zip(names, values.std(axis=0).tolist(), strict=True))


def with_error(metrics, check):
    return [name for name, metric in metrics.items() if check_of(name) == check and not math.isnan(metric.error)]


def differing(errors, spreads):
    """Errors, each with the spread that it should be, that miss it by more than a quarter."""
    return {
        name: (error, spreads[name])
        for name, error in errors.items()
        if not abs(error - spreads[name]) <= WITHIN * spreads[name] > 0
    }


def mistaken(case: Case, seed=0):
    """Metrics whose error is not their spread: both."""
    rng = np.random.default_rng(seed)
    tables, train = case.draw(rng)
    metrics = case.measure(tables, train)
    assert {name: metric for name, metric in metrics.items() if math.isnan(metric.value)} == {}
    by_rows, by_truth, by_none = (with_error(metrics, check) for check in (ROWS, TRUTH, NONE))
    wrong = {name: (metrics[name].error, None) for name in by_none}
    if by_rows:
        again = [case.measure(*resampled(rng, tables, train)) for _ in range(RESAMPLES)]
        wrong |= differing({name: metrics[name].error for name in by_rows}, spread(again, by_rows))
    if by_truth:
        afresh = [case.measure(*case.draw(rng)) for _ in range(TEST_SETS)]
        errors = {name: float(np.mean([of_set[name].error for of_set in afresh])) for name in by_truth}
        wrong |= differing(errors, spread(afresh, by_truth))
    return wrong


@pytest.fixture(scope="module")
def case_of(tmp_path_factory):
    """The case of that name, made once."""
    return cache(lambda name: CASES[name](tmp_path_factory.mktemp("case")))


@pytest.mark.parametrize("name", CASES)
def test_standard_errors_are_spreads(case_of, name):
    assert mistaken(case_of(name)) == {}


def test_every_check_has_a_metric_to_look_at(case_of):
    measured = [case_of(name).measure(*case_of(name).draw(np.random.default_rng(0))) for name in CASES]
    for pattern, check in CHECKS.items():
        matching = [metric for metrics in measured for name, metric in metrics.items() if re.fullmatch(pattern, name)]
        assert matching, pattern
        assert any(not math.isnan(metric.error) for metric in matching) == (check != NONE), pattern


def test_every_metric_of_a_stored_run_has_a_check(tiny_run):
    run = Run.open(tiny_run)
    assert {"accuracy", "label_error", "recall.shirt"} <= run.read("round-0001").evaluations["test"].metrics.keys()
    assert_checked(run)


def test_the_released_perplexity_depends_on_batches_and_has_no_error():
    losses, tokens = np.linspace(1, 9, 60), np.arange(60) % 7 + 1
    assert math.isnan(fit_quality(losses, tokens, 20).error)
    assert not math.isnan(fit_quality(losses, tokens, None).error)


@pytest.mark.parametrize(("name", "check"), [("label_error", ROWS), ("worst_class_recall", TRUTH), ("ece", NONE)])
def test_an_error_that_is_no_spread_is_noticed(name, check):
    """The standard deviation of rows is not that of their mean."""

    def measured(by):
        return lambda tables, train: {name: Metric(tables["t"]["x"].mean(), 100, tables["t"]["x"].std() / by)}

    def draw(rng):
        return {"t": Frame({"x": Column(rng.normal(5, 1, 100))})}, Samples(NOTHING, NOTHING, Frame())

    assert check_of(name) == check
    assert mistaken(Case(measured(1), draw)).keys() == {name}
    assert (mistaken(Case(measured(10), draw)) == {}) == (check != NONE)


def test_a_metric_that_nobody_has_a_check_for_is_noticed():
    case = Case(lambda tables, train: {"made_up": Metric(0.5, 10, 0.1)}, lambda rng: ({}, None))
    with pytest.raises(AssertionError, match="a run stores made_up: say in CHECKS"):
        mistaken(case)
