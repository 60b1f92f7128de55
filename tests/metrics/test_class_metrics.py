import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

from biasloop.contract.data import Column, Frame
from biasloop.metrics.class_metrics import measure

CLASSES = ("a", "b", "c", "never")


def table(seed=0, n=200, **kinds):
    draws = np.random.default_rng(seed)
    target = draws.integers(0, 3, n)
    prediction = np.where(draws.random(n) < 0.7, target, draws.integers(0, 4, n))
    confidence = draws.uniform(0.3, 1, n).astype(np.float32)
    columns = {
        "target": Column(target, role="target"),
        "prediction": Column(prediction, role="prediction"),
        "confidence": Column(confidence, role="confidence"),
    }
    return Frame({name: column for name, column in columns.items() if kinds.get(name, True)})


NONE = np.zeros(0, np.int64)


def test_values_against_scikit_learn():
    test = table()
    found = measure(test, np.array([1, 1, 0, 2]), CLASSES, 1)
    target, prediction = test["target"], test["prediction"]
    assert found["accuracy"].value == pytest.approx(accuracy_score(target, prediction))
    recall = recall_score(target, prediction, labels=[0, 1, 2], average=None)
    assert [found[f"recall.{name}"].value for name in "abc"] == pytest.approx(recall.tolist())
    assert found["worst_class_recall"].value == pytest.approx(recall.min())
    assert found["share_train"].value == 0.5
    assert found["share_target"].value == pytest.approx((target == 1).mean())
    assert found["share_predicted"].value == pytest.approx((prediction == 1).mean())


def test_bias_is_signed_and_paired():
    test = table()
    found = measure(test, NONE, CLASSES, 0)
    difference = (test["prediction"] == 0).astype(float) - (test["target"] == 0)
    assert found["bias"].value == pytest.approx(difference.mean())
    assert found["bias"].value < 0
    assert found["bias"].error == pytest.approx(difference.std() / np.sqrt(len(difference)))
    assert found["absolute_bias"].value == -found["bias"].value
    assert found["absolute_bias"].error == found["bias"].error


def test_calibration_of_a_model_that_is_always_sure_is_its_error():
    test = table()
    sure = Frame({**test.columns, "confidence": Column(np.ones(len(test), np.float32))})
    found = measure(sure, NONE, CLASSES, None)
    assert found["ece"].value == pytest.approx(1 - found["accuracy"].value)


@pytest.mark.parametrize(
    ("kinds", "chosen", "given", "names"),
    [
        ({"prediction": False, "confidence": False}, 1, NONE, {"share_target"}),
        ({"prediction": False, "confidence": False}, 1, np.array([1]), {"share_target", "share_train"}),
        ({"prediction": False, "confidence": False}, None, np.array([1]), set()),
        (
            {"confidence": False},
            None,
            np.array([1]),
            {"accuracy", "recall.a", "recall.b", "recall.c", "worst_class_recall"},
        ),
        (
            {},
            1,
            np.array([1]),
            {"accuracy", "recall.a", "recall.b", "recall.c", "worst_class_recall", "ece", "share_target"}
            | {"share_train", "share_predicted", "bias", "absolute_bias"},
        ),
    ],
)
def test_only_what_the_columns_allow(kinds, chosen, given, names):
    assert set(measure(table(**kinds), given, CLASSES, chosen)) == names
