"""Metrics of tasks and groups, against the study's own numbers, fairlearn, and counting by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from hypothesis import given
from hypothesis import strategies as st

from biasloop.contract.data import Column, Frame
from biasloop_images.biased.measures import measure

GOLDEN = json.loads((Path(__file__).parent / "images_biased_golden.json").read_text())["bias_amp_from_samples"]
NONE = np.zeros(0, np.int64)
TASKS, GROUPS = ("zero", "one"), ("plain", "inverted")


def table(target, group, prediction=None, confidence=None):
    columns = {"target": np.asarray(target), "group": np.asarray(group)}
    columns |= {} if prediction is None else {"prediction": np.asarray(prediction)}
    columns |= {} if confidence is None else {"confidence": np.asarray(confidence)}
    return Frame({name: Column(values) for name, values in columns.items()})


def some(seed=0, n=400, error=0.3):
    draws = np.random.default_rng(seed)
    target = draws.integers(0, 2, n)
    group = np.where(draws.random(n) < 0.7, 1 - target, draws.integers(0, 2, n))
    prediction = np.where(draws.random(n) < error, 1 - group, target)
    return target, group, prediction


@pytest.mark.parametrize(
    ("key", "task", "attribute"),
    [
        ("standard_attr_inverted_task_class", "class", "inverted"),
        ("swapped_attr_class_task_inverted", "inverted", "class"),
    ],
)
def test_published_samples(key, task, attribute):
    expected = GOLDEN[key]
    found = measure(table(GOLDEN[task], GOLDEN[attribute], GOLDEN[f"pred_{task}"]), NONE, NONE, TASKS, GROUPS)
    assert found["bias_amp"].value == pytest.approx(expected["bias_amp"], abs=1e-12)
    cells = [[found[f"bias_amp.{group}.{name}"].value for name in TASKS] for group in GROUPS]
    assert np.allclose(cells, expected["cells"], rtol=0, atol=1e-12)
    truth, predicted = np.array(expected["truth"]), np.array(expected["pred"])
    for name, counts in (("epsilon_target", truth), ("effective_epsilon", predicted)):
        assert found[name].value == pytest.approx(np.abs(counts[:, 0] / counts.sum(1) - 0.5).mean())


def test_accuracy_of_each_group_and_target():
    target, group, prediction = some()
    found = measure(table(target, group, prediction), NONE, NONE, TASKS, GROUPS)
    for a, name in enumerate(GROUPS):
        for t, other in enumerate(TASKS):
            rows = (group == a) & (target == t)
            metric = found[f"accuracy.{name}.{other}"]
            assert (metric.value, metric.n) == (pytest.approx((prediction == target)[rows].mean()), rows.sum())


def test_fairness_as_fairlearn_has_it():
    target, group, prediction = some(3)
    found = measure(table(target, group, prediction), NONE, NONE, TASKS, GROUPS)
    for name, oracle in (
        ("demographic_parity_difference", demographic_parity_difference),
        ("equalized_odds_difference", equalized_odds_difference),
    ):
        assert found[name].value == pytest.approx(oracle(target, prediction, sensitive_features=group))


def test_errors_are_those_of_repeated_draws():
    target, group, prediction = some(5)
    found = measure(table(target, group, prediction), NONE, NONE, TASKS, GROUPS)
    draws = np.random.default_rng(0)
    drawn = {"bias_amp": [], "bias_amp.inverted.one": [], "effective_epsilon": []}
    for _ in range(400):
        # Errors are given the groups' sizes.
        rows = np.concatenate([draws.choice(np.flatnonzero(group == a), (group == a).sum()) for a in (0, 1)])
        again = measure(table(target[rows], group[rows], prediction[rows]), NONE, NONE, TASKS, GROUPS)
        for name, values in drawn.items():
            values.append(again[name].value)
    for name, values in drawn.items():
        assert found[name].error == pytest.approx(np.std(values), rel=0.15)


def test_calibration():
    target, group, prediction = some()
    confidence = np.linspace(0.51, 1, len(target)).astype(np.float32)
    found = measure(table(target, group, prediction, confidence), NONE, NONE, TASKS, GROUPS)
    right = prediction == target
    gap = right.mean() - confidence.mean(dtype=np.float64)
    assert found["calibration_gap"].value == pytest.approx(gap)
    assert found["overconfidence"].value == pytest.approx(-gap)
    assert found["calibration_gap"].error == pytest.approx(np.std(right - confidence.astype(float)) / math.sqrt(400))
    gaps = []
    for low in range(15):
        inside = (confidence.astype(float) > low / 15) & (confidence.astype(float) <= (low + 1) / 15)
        if inside.any():
            gaps.append(abs(right[inside].mean() - confidence[inside].mean(dtype=np.float64)))
    assert found["mce"].value == pytest.approx(max(gaps))


def designed(epsilon, each=100):
    """Rows of a balanced design: `each` of either target, 50 + epsilon percent of the first inverted."""
    inverted = (each * (50 + epsilon) // 100, each * (50 - epsilon) // 100)
    target = np.repeat([0, 1], each)
    return target, np.concatenate([np.arange(each) < count for count in inverted]).astype(np.int64)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_whatever_is_predicted_nothing_is_amplified_at_the_ends(seed, share):
    draws = np.random.default_rng(seed)
    prediction = (draws.random(200) < share).astype(np.int64)
    for epsilon in (0, 50):
        found = measure(table(*designed(epsilon), prediction), NONE, NONE, TASKS, GROUPS)["bias_amp"]
        assert found.value == pytest.approx(0, abs=1e-12) if epsilon == 0 else found.value <= 0
        assert found.error != 0


@pytest.mark.parametrize("epsilon", [0, 20, 50])
def test_epsilon_of_the_truth_and_of_the_labels_trained_on(epsilon):
    target, group = designed(epsilon)
    found = measure(table(target, group), target[::2], group[::2], TASKS, GROUPS)
    assert set(found) == {"epsilon_target", "epsilon_train"}
    assert found["epsilon_target"].value == pytest.approx(epsilon / 100)
    assert found["epsilon_train"].n == 100


def test_more_than_two_targets():
    draws = np.random.default_rng(2)
    target, group, prediction = draws.integers(0, 3, 90), draws.integers(0, 2, 90), draws.integers(0, 3, 90)
    found = measure(table(target, group, prediction), target, group, ("a", "b", "c"), GROUPS)
    assert {"bias_amp", "bias_amp.plain.c", "accuracy.inverted.b"} <= set(found)
    assert not {"epsilon_target", "effective_epsilon", "demographic_parity_difference"} & set(found)


def test_a_group_without_rows_is_absent():
    target, prediction = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    found = measure(table(target, np.zeros(4, np.int64), prediction), NONE, NONE, TASKS, GROUPS)
    assert not [name for name in found if "inverted" in name]
    assert math.isfinite(found["bias_amp"].value)
    empty = measure(table(NONE, NONE, NONE, NONE), NONE, NONE, TASKS, GROUPS)
    assert all(math.isnan(metric.value) for metric in empty.values())
